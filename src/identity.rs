//! Who is calling: the user behind the request's claims or the database login, and his workspaces.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;

use analytics_domain::request::{Claims, Subject};
use pgrx::datum::{TimestampWithTimeZone, Uuid};
use pgrx::prelude::*;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting, pg_sys};

use crate::pg::plan::Lookup;
use crate::pg::row::Row;
use crate::pg::session;
use crate::pg::snapshot::{self, SnapshotKey};

static GATEWAYS: GucSetting<Option<CString>> = GucSetting::<Option<CString>>::new(Some(c"authenticator"));

pub fn define_settings() {
    GucRegistry::define_string_guc(
        c"analytics_ext.gateways",
        c"Logins whose request.jwt.claims are believed, separated by commas.",
        c"A gateway verifies tokens before it sets the claims. Superusers are believed too, every other login is mapped by analytics_private.map_db_login().",
        &GATEWAYS,
        GucContext::Suset,
        GucFlags::default(),
    );
    // SAFETY: called from _PG_init, with a C string that lives as long as the library.
    unsafe { pg_sys::MarkGUCPrefixReserved(c"analytics_ext".as_ptr()) };
}

const CLAIMS: &std::ffi::CStr = c"request.jwt.claims";

thread_local! {
    static USER_BY_FIREBASE: Lookup = const { Lookup::new(
        c"select u.id, u.status operator(pg_catalog.=) 'active' and (u.banned_until is null or u.banned_until operator(pg_catalog.<=) pg_catalog.clock_timestamp()) from analytics_private.user_private p join analytics.users u on u.id operator(pg_catalog.=) p.user_id where p.firebase_uid operator(pg_catalog.=) $1::pg_catalog.varchar",
        &[pg_sys::TEXTOID],
    ) };
    static USER_BY_LOGIN: Lookup = const { Lookup::new(
        c"select u.id, u.status operator(pg_catalog.=) 'active' and (u.banned_until is null or u.banned_until operator(pg_catalog.<=) pg_catalog.clock_timestamp()) from analytics_private.db_logins l join analytics.users u on u.id operator(pg_catalog.=) l.user_id where l.login operator(pg_catalog.=) $1::pg_catalog.name",
        &[pg_sys::TEXTOID],
    ) };
    static WORKSPACES: Lookup = const { Lookup::new(
        c"select m.workspace_id from analytics.workspace_members m join analytics.workspaces w on w.id operator(pg_catalog.=) m.workspace_id where m.user_id operator(pg_catalog.=) $1 and w.status operator(pg_catalog.=) 'active' and m.role operator(pg_catalog.=) any ($2::pg_catalog.varchar[])",
        &[pg_sys::UUIDOID, pg_sys::TEXTARRAYOID],
    ) };
    static CALLER: RefCell<Option<Caller>> = const { RefCell::new(None) };
}

/// What is known of the caller within one snapshot.
pub struct Caller {
    key: SnapshotKey,
    session_user: pg_sys::Oid,
    claims: Option<CString>,
    /// The user named by claims or login, whatever his status.
    claimed: Option<Uuid>,
    /// The same, if he is active.
    pub active: Option<Uuid>,
    /// When this was found out, in ticks.
    found_at: i64,
    /// By which windows are judged: microseconds since 2000-01-01 UTC.
    pub moment: i64,
    /// Answers given to policies: is the caller's window on this profile open?
    pub windows: HashMap<[u8; 16], bool>,
    /// And in which workspaces he has at least the role at this place of `ROLES`. All queries of a stable function share a
    /// snapshot, and each of them asks.
    workspaces: [Option<Vec<Uuid>>; ROLES.len()],
}

/// Runs `ask` with the caller, resolved once per snapshot, and again after a second: policies ask for every row.
pub fn with_caller<R>(ask: impl FnOnce(&mut Caller) -> R) -> R {
    let key = snapshot::current();
    let session_user = session::session_user();
    let claims = session::setting(CLAIMS);
    let ticks = session::ticks();
    CALLER.with_borrow_mut(|cached| {
        let valid = cached.as_ref().is_some_and(|caller| {
            Some(caller.key) == key
                && ticks - caller.found_at <= STATEMENT_IS_NOW
                && caller.session_user == session_user
                && caller.claims.as_deref() == claims
        });
        if !valid {
            // Forgotten first: should the look-up raise, no older answer may survive it.
            *cached = None;
            let (claimed, active) = resolve(session_user, claims);
            let caller = Caller {
                key: key.unwrap_or_else(|| pgrx::error!("the calling user is asked for outside of any query")),
                session_user,
                claims: claims.map(ToOwned::to_owned),
                claimed,
                active,
                found_at: ticks,
                moment: judged_by(session::now()),
                windows: HashMap::new(),
                workspaces: Default::default(),
            };
            return ask(cached.insert(caller));
        }
        match cached {
            Some(caller) => ask(caller),
            None => unreachable!("validity was checked above"),
        }
    })
}

/// Windows are judged by the start of the client's statement; by the clock where a statement asks later than this after its
/// start, or a DO block could go on reading for as long as it runs.
const STATEMENT_IS_NOW: i64 = 1_000_000;

fn judged_by(now: i64) -> i64 {
    let started = session::statement_started();
    if now - started > STATEMENT_IS_NOW { now } else { started }
}

fn resolve(session_user: pg_sys::Oid, claims: Option<&std::ffi::CStr>) -> (Option<Uuid>, Option<Uuid>) {
    let login = session::role_name(session_user);
    if is_gateway(session_user, &login) {
        let subject =
            claims.and_then(|text| text.to_str().ok()).and_then(Claims::parse).and_then(|claims| claims.subject());
        match subject {
            Some(Subject::User(id)) => find_user_by_id(Uuid::from_bytes(*id.as_bytes())),
            Some(Subject::External(id)) => USER_BY_FIREBASE.with(|lookup| find_user(lookup, id.into_datum())),
            None => (None, None),
        }
    } else {
        USER_BY_LOGIN.with(|lookup| find_user(lookup, login.to_string_lossy().into_owned().into_datum()))
    }
}

const USER: Row<1, 2> =
    Row { table: c"users", index: c"users_pkey", key: [c"id"], columns: [c"status", c"banned_until"] };

/// As the queries above judge, without an executor: nearly every request asks this first.
fn find_user_by_id(id: Uuid) -> (Option<Uuid>, Option<Uuid>) {
    let Some(key) = id.into_datum() else { return (None, None) };
    let found = USER.find([key], |[status, banned_until], _| {
        // SAFETY: status is a varchar, banned_until a timestamptz.
        let is_active = status.and_then(|datum| unsafe { <&str>::from_datum(datum, false) }) == Some("active");
        is_active && banned_until.is_none_or(|until| until.value() as i64 <= session::now())
    });
    (found.map(|_| id), found.filter(|is_active| *is_active).map(|_| id))
}

fn is_gateway(session_user: pg_sys::Oid, login: &std::ffi::CStr) -> bool {
    session::is_superuser(session_user)
        || !login.is_empty()
            && GATEWAYS.get().is_some_and(|list| {
                list.to_bytes().split(|byte| *byte == b',').any(|name| name.trim_ascii() == login.to_bytes())
            })
}

fn find_user(lookup: &Lookup, argument: Option<pg_sys::Datum>) -> (Option<Uuid>, Option<Uuid>) {
    let Some(argument) = argument else { return (None, None) };
    let mut found = (None, None);
    session::as_owner(|| {
        lookup.rows(&mut [argument], 2, |row| {
            // SAFETY: the query's columns are uuid and boolean.
            let id = row[0].and_then(|datum| unsafe { Uuid::from_datum(datum, false) });
            let is_active = row[1].is_some_and(|datum| datum.value() != 0);
            found = (id, id.filter(|_| is_active));
        });
    });
    found
}

/// The calling user, if there is one and he is active; null otherwise. Reads the request's claims when the login is a
/// gateway, else the operator's map of logins; never raises.
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn user_id() -> Option<Uuid> {
    with_caller(|caller| caller.active)
}

/// The time by which the caller's windows are judged.
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn judged_at() -> TimestampWithTimeZone {
    let moment = with_caller(|caller| caller.moment);
    // It came from the server's clock.
    TimestampWithTimeZone::try_from(moment).unwrap_or_else(|_| pgrx::error!("the clock is out of range"))
}

/// The calling user whatever his status: tells "suspended" from "not signed in".
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn claimed_user_id() -> Option<Uuid> {
    with_caller(|caller| caller.claimed)
}

/// From the highest role to the lowest.
const ROLES: [&str; 4] = ["owner", "admin", "editor", "analyst"];

/// The active workspaces in which the caller has at least this role; empty without a caller.
#[pg_extern(stable, parallel_safe, schema = "analytics_private")]
fn workspace_ids(minimum_role: &str) -> Vec<Uuid> {
    let Some(lowest) = ROLES.iter().position(|role| *role == minimum_role) else {
        pg_sys::panic::ErrorReport::new(
            PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
            "there is no such workspace role",
            "workspace_ids",
        )
        .set_hint("roles are owner, admin, editor and analyst")
        .report(PgLogLevel::ERROR);
        return Vec::new();
    };
    let (active, known) = with_caller(|caller| (caller.active, caller.workspaces[lowest].clone()));
    let Some(user) = active else { return Vec::new() };
    if let Some(known) = known {
        return known;
    }
    let found = find_workspaces(user, &ROLES[..=lowest]);
    with_caller(|caller| {
        if caller.active == active {
            caller.workspaces[lowest] = Some(found.clone());
        }
    });
    found
}

fn find_workspaces(user: Uuid, roles: &[&str]) -> Vec<Uuid> {
    let (Some(user), Some(roles)) = (user.into_datum(), roles.to_vec().into_datum()) else { return Vec::new() };
    let mut found = Vec::new();
    session::as_owner(|| {
        WORKSPACES.with(|lookup| {
            lookup.rows(&mut [user, roles], 1, |row| {
                // SAFETY: the query's column is a uuid.
                found.extend(row[0].and_then(|datum| unsafe { Uuid::from_datum(datum, false) }));
            });
        });
    });
    found
}
