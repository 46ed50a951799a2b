//! Outbound HTTP for analytics_ext. The database decides what is to be fetched and when to try again;
//! this process takes jobs from it, calls the remote and gives the answer back, untouched. It also receives Stripe's
//! and the platforms' webhooks, signs the audit trail's checkpoints, and connects accounts at six OAuth providers, whose tokens it seals and keeps
//! alive. Called as `import`, it reads an export from disk instead, and ends; as `rotate-tokens`, it changes the key.

pub mod audit;
pub mod config;
pub mod connect;
pub mod decodo;
pub mod dispatch;
pub mod events;
pub mod export;
pub mod failure;
pub mod http;
pub mod import;
pub mod insights;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod oauth;
pub mod outbound;
pub mod queue;
pub mod resilience;
pub mod secrets;
pub mod stripe;
pub mod webhook;
