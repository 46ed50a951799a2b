//! `analytics.install()`: tables, policies and functions from the SQL files, embedded here in reading order.

use std::ffi::CString;

use analytics_domain::digest::sha256_hex;
use pgrx::pg_sys::panic::{CaughtError, ErrorReport};
use pgrx::prelude::*;
use pgrx::{PgTryBuilder, pg_sys, spi};

use crate::pg::session;

/// Whose rights a file needs.
#[derive(Clone, Copy, PartialEq)]
enum As {
    /// The role that calls install(): what lies outside our schemas.
    Caller,
    /// analytics_owner, which then owns what the file makes.
    Owner,
}

struct File {
    name: &'static str,
    run_as: As,
    sql: &'static str,
}

macro_rules! sql_file {
    ($name:literal, $run_as:expr) => {
        File { name: $name, run_as: $run_as, sql: include_str!(concat!("../sql/", $name)) }
    };
}

const FILES: [File; 27] = [
    sql_file!("00_platform.sql", As::Caller),
    sql_file!("10_foundation.sql", As::Owner),
    sql_file!("12_audit.sql", As::Owner),
    sql_file!("20_identity.sql", As::Owner),
    sql_file!("22_tenancy.sql", As::Owner),
    sql_file!("25_plans.sql", As::Owner),
    sql_file!("27_credits.sql", As::Owner),
    sql_file!("28_billing.sql", As::Owner),
    sql_file!("30_profiles.sql", As::Owner),
    sql_file!("40_access.sql", As::Owner),
    sql_file!("50_jobs.sql", As::Owner),
    sql_file!("60_ingest.sql", As::Owner),
    sql_file!("70_unlock.sql", As::Owner),
    sql_file!("72_posts.sql", As::Owner),
    sql_file!("73_accounts.sql", As::Owner),
    sql_file!("74_followers.sql", As::Owner),
    sql_file!("75_reading.sql", As::Owner),
    sql_file!("76_audiences.sql", As::Owner),
    sql_file!("77_metrics.sql", As::Owner),
    sql_file!("78_content.sql", As::Owner),
    sql_file!("79_creators.sql", As::Owner),
    sql_file!("80_operations.sql", As::Owner),
    sql_file!("83_connections.sql", As::Owner),
    sql_file!("84_insights.sql", As::Owner),
    sql_file!("85_pages.sql", As::Owner),
    sql_file!("86_events.sql", As::Owner),
    sql_file!("90_grants.sql", As::Owner),
];
const BRIDGE: File = sql_file!("95_auth_bridge.sql", As::Caller);

/// Remembers which file was applied with which content by which incarnation of the extension.
const LEDGER: &str = "
    create table if not exists analytics_private.installed_files (
      file text not null constraint installed_files_pkey primary key,
      checksum text not null,
      extension oid not null,
      applied_at timestamptz not null default now()
    );
    alter table analytics_private.installed_files enable row level security;";

#[pg_extern]
fn install() -> TableIterator<'static, (name!(file, String), name!(status, String))> {
    let settings = [
        (c"search_path", c"pg_catalog, pg_temp"),
        (c"client_min_messages", c"warning"),
        (c"check_function_bodies", c"off"),
    ];
    TableIterator::new(session::with_settings(&settings, apply_missing_files))
}

extension_sql!(
    r"
comment on function install() is
$$makes the tables, policies and functions of this extension, and what Supabase would bring where that is missing
Returns a row per file: applied, present (nothing to do) or repaired (the extension had been dropped and made anew). Safe to call again. For the role that created the extension. Errors: 55000 when a file was applied with other content.$$;
",
    name = "install_comment",
    requires = [install]
);

fn apply_missing_files() -> Vec<(String, String)> {
    let caller = session::role_name(session::current_user());
    let caller = spi::quote_identifier(caller.to_string_lossy());
    session::as_owner(|| {
        run(LEDGER, "the ledger");
        // One installer at a time; the second finds everything applied. Not an advisory lock: any login could hold it.
        run("lock table analytics_private.installed_files in exclusive mode", "the lock");
    });

    let extension: pg_sys::Oid = value("select e.oid from pg_catalog.pg_extension e where e.extname = 'analytics_ext'")
        .unwrap_or_else(|| pgrx::error!("extension analytics_ext is not installed in this database"));
    // Those that audit changes go with the library; after a restore they are there.
    let has_triggers: Option<bool> = session::as_owner(|| {
        value(
            "select pg_catalog.count(*) operator(pg_catalog.>) 0 from pg_catalog.pg_trigger t
             where t.tgfoid operator(pg_catalog.=) 'analytics_private.note_changes()'::pg_catalog.regprocedure",
        )
    });
    let mut report = Vec::new();
    for file in FILES.iter().chain([&BRIDGE]) {
        let checksum = sha256_hex(file.sql.as_bytes());
        let status = match recorded(file.name) {
            Some((applied, _)) if applied != checksum => {
                ErrorReport::new(
                    PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                    format!("file sql/{} was applied with other content", file.name),
                    "install",
                )
                .set_hint("before version 1.0 there are no upgrades: install into a new database, or go back to the library that was used")
                .report(PgLogLevel::ERROR);
                return Vec::new();
            }
            Some((_, by)) if by == extension => "present",
            // The extension was dropped with cascade and made anew: what hung on it went along, and comes back. Every
            // file may run again over what is there.
            Some(_) => "repaired",
            None => "applied",
        };
        if status != "present" {
            apply(file, &caller);
            let name = spi::quote_literal(file.name);
            session::as_owner(|| {
                run(
                    &format!(
                        "insert into analytics_private.installed_files (file, checksum, extension) values ({name}, '{checksum}', {})
                         on conflict (file) do update set checksum = excluded.checksum, extension = excluded.extension, applied_at = now()",
                        extension.to_u32()
                    ),
                    file.name,
                );
            });
        }
        report.push((file.name.to_owned(), status.to_owned()));
    }
    if has_triggers == Some(false) && report.iter().any(|(_, status)| status == "repaired") {
        // What was changed meanwhile is not on record; that it could be is.
        session::as_owner(|| {
            run("select analytics_private.write_audit('extension.repaired', 'extension')", "the audit record");
        });
    }
    run("notify pgrst, 'reload schema'", "the notification");
    report
}

fn apply(file: &File, caller: &str) {
    let sql = file.sql.replace("@pg_trgm@", &trigram_schema()).replace("@installer@", caller);
    match file.run_as {
        As::Caller => run(&sql, file.name),
        As::Owner => session::as_owner(|| run(&sql, file.name)),
    }
}

/// Where pg_trgm is: Supabase keeps it in `extensions`, others where they like. Quoted; empty before 00_platform.sql ran.
fn trigram_schema() -> String {
    value(
        "select pg_catalog.max(pg_catalog.quote_ident(n.nspname)) from pg_catalog.pg_extension e
         join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) e.extnamespace where e.extname operator(pg_catalog.=) 'pg_trgm'",
    )
    .unwrap_or_default()
}

fn recorded(file: &str) -> Option<(String, pg_sys::Oid)> {
    session::as_owner(|| {
        Spi::connect(|client| {
            let rows = client.select(
                "select i.checksum, i.extension from analytics_private.installed_files i where i.file = $1",
                Some(1),
                &[file.into()],
            )?;
            match rows.into_iter().next() {
                Some(row) => Ok(row.get(1)?.zip(row.get(2)?)),
                None => Ok(None),
            }
        })
        .unwrap_or_else(|problem: spi::Error| pgrx::error!("the ledger cannot be read: {problem}"))
    })
}

fn value<T: FromDatum + IntoDatum>(query: &str) -> Option<T> {
    Spi::connect(|client| client.select(query, Some(1), &[])?.first().get_one::<T>()).ok().flatten()
}

/// Runs statements, and says in an error which file they are from.
fn run(sql: &str, what: &str) {
    let Ok(text) = CString::new(sql) else { pgrx::error!("{what} holds a NUL") };
    PgTryBuilder::new(|| {
        // SAFETY: connect and finish pair up; an error in between unwinds the SPI stack with the transaction.
        unsafe {
            pg_sys::SPI_connect();
            let status = pg_sys::SPI_execute(text.as_ptr(), false, 0);
            if status < 0 {
                pgrx::error!("SPI status {status}");
            }
            pg_sys::SPI_finish();
        }
    })
    .catch_others(|caught| match caught {
        CaughtError::PostgresError(report) | CaughtError::ErrorReport(report) => {
            let mut told =
                ErrorReport::new(report.sql_error_code(), format!("{what}: {}", report.message()), "install");
            if let Some(detail) = report.detail() {
                told = told.set_detail(detail);
            }
            if let Some(hint) = report.hint() {
                told = told.set_hint(hint);
            }
            told.report(PgLogLevel::ERROR);
        }
        other => other.rethrow(),
    })
    .execute();
}
