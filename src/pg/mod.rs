//! The only place for raw server calls.

pub mod aggregate;
pub mod interrupts;
pub mod json;
pub mod memory;
pub mod plan;
pub mod row;
pub mod rows;
pub mod session;
pub mod snapshot;
pub mod table;
pub mod time;
pub mod transaction;
pub mod transition;
pub mod varlena;
