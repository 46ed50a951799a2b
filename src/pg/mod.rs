//! The only place for raw server calls.

pub mod json;
pub mod plan;
pub mod rows;
pub mod session;
pub mod snapshot;
