//! `analytics_ext`: a social-media analytics backend inside PostgreSQL.
//!
//! What SQL can call, one room per domain word; the logic is in the crate `analytics_domain`, the tables and the
//! functions that move rows are in `sql/`, put in place by `analytics.install()`.

mod access;
mod audience;
mod audiences;
mod audit;
mod billing;
mod charts;
mod engagement;
mod engagement_stats;
mod follower_set;
mod followers;
mod identity;
mod ingest;
mod install;
mod jobs;
mod metrics;
mod pg;
mod quota;
mod request;
mod sentiment;
mod text;

pgrx::pg_module_magic!();

// First: the roles and the private schema that everything else is made in.
pgrx::extension_sql_file!("bootstrap.sql", name = "bootstrap", bootstrap);
// Last: who may execute what.
pgrx::extension_sql_file!("grants.sql", name = "grants", finalize);

/// Declares the name to pgrx; functions say `schema = "analytics_private"`.
#[pgrx::pg_schema]
mod analytics_private {}

#[pgrx::pg_guard]
pub extern "C-unwind" fn _PG_init() {
    identity::define_settings();
}
