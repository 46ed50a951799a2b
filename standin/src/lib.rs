//! A local stand-in for the remotes that `analytics_sidecar` calls: Decodo's scraping API and six OAuth providers,
//! whose webhooks it also sends. It serves recorded or sample answers, fails on demand and keeps a log of what it was asked.

mod catalog;
mod decodo;
mod faults;
mod oauth;
mod reply;
mod requests;
mod server;
mod webhooks;

pub use catalog::{Catalog, CatalogError};
pub use faults::{Fault, Rule};
pub use oauth::{Approval, Oauth, Provider, Settings, USERS};
pub use server::{Credentials, Running, serve, start};
