//! A local stand-in for the remotes that `analytics_sidecar` calls: Decodo's scraping API for now.
//! It serves recorded or sample answers, fails on demand and keeps a log of what it was asked.

mod catalog;
mod decodo;
mod faults;
mod requests;
mod server;

pub use catalog::{Catalog, CatalogError};
pub use faults::{Fault, Rule};
pub use server::{Credentials, Running, serve, start};
