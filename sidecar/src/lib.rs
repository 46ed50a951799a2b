//! Outbound HTTP for analytics_ext. The database decides what is to be fetched and when to try again;
//! this process takes jobs from it, calls the remote and gives the answer back, untouched.

pub mod config;
pub mod decodo;
pub mod dispatch;
pub mod failure;
pub mod http;
pub mod jobs;
pub mod logging;
pub mod metrics;
pub mod queue;
pub mod resilience;
