//! Records: added without a query, each with what is personal of it apart, and waiting to be sealed.

use analytics_domain::audit::{Canonical, Hash, Personal, Record};
use analytics_domain::identifiers::uuidv7;
use pgrx::datum::Uuid;
use pgrx::prelude::*;

use super::{inet, moment, unreadable};
use crate::identity;
use crate::pg::json::StoredJsonb;
use crate::pg::session;
use crate::pg::table::Table;
use crate::request;

/// Who acts and from where: the same for all records of a statement.
pub(super) struct Act {
    actor_id: Option<[u8; 16]>,
    actor_login: String,
    request_id: String,
    ip_address: Option<std::net::IpAddr>,
    user_agent: Option<String>,
    buffer: Canonical,
}

/// What is done, and to what.
#[derive(Clone, Copy)]
pub(super) struct Deed<'a> {
    pub action: &'a str,
    pub entity_type: &'a str,
    pub entity_id: Option<[u8; 16]>,
    /// None: the installation's.
    pub workspace_id: Option<[u8; 16]>,
}

/// For a record without values.
pub(super) const NO_VALUES: Option<&StoredJsonb<Vec<u8>>> = None;

const RECORDS: Table<11> = Table {
    schema: c"analytics_private",
    name: c"audit_logs",
    columns: [
        c"id",
        c"workspace_id",
        c"actor_id",
        c"actor_login",
        c"action",
        c"entity_type",
        c"entity_id",
        c"timestamp",
        c"request_id",
        c"metadata",
        c"personal_digest",
    ],
};
const PERSONAL: Table<8> = Table {
    schema: c"analytics",
    name: c"audit_personal",
    columns: [
        c"record_id",
        c"workspace_id",
        c"timestamp",
        c"salt",
        c"old_values",
        c"new_values",
        c"ip_address",
        c"user_agent",
    ],
};
const WAITING: Table<4> = Table {
    schema: c"analytics_private",
    name: c"audit_pending",
    columns: [c"chain", c"timestamp", c"record_id", c"digest"],
};

impl Act {
    pub(super) fn now() -> Self {
        let client = request::client();
        Self {
            actor_id: identity::with_caller(|caller| caller.active).map(|id| *id.as_bytes()),
            actor_login: session::role_name(session::session_user()).to_string_lossy().into_owned(),
            request_id: request::id_of(&client),
            ip_address: client.ip,
            user_agent: client.user_agent,
            buffer: Canonical::default(),
        }
    }

    /// Stores a record, what is personal of it, and that it waits to be sealed.
    pub(super) fn record<B: AsRef<[u8]>, C: AsRef<[u8]>>(
        &mut self,
        Deed { action, entity_type, entity_id, workspace_id }: Deed,
        metadata: &StoredJsonb<B>,
        old_values: Option<&StoredJsonb<C>>,
        new_values: Option<&StoredJsonb<C>>,
    ) -> Uuid {
        let (id, at) = (*uuidv7().as_bytes(), session::now());
        let uuid = |id: [u8; 16]| Uuid::from_bytes(id).into_datum();
        let workspace = workspace_id.and_then(uuid);
        let is_personal =
            old_values.is_some() || new_values.is_some() || self.ip_address.is_some() || self.user_agent.is_some();
        let personal_digest = is_personal.then(|| {
            // 122 bits from a generator that the operating system seeds.
            let salt = uuid::Uuid::new_v4().into_bytes();
            let ip_address = self.ip_address.map(inet);
            let personal = Personal {
                salt: &salt,
                old_values,
                new_values,
                ip_address: ip_address.as_deref(),
                user_agent: self.user_agent.as_deref(),
            };
            let digest = personal.digest(&mut self.buffer).unwrap_or_else(|| unreadable());
            PERSONAL.insert([
                uuid(id),
                workspace,
                moment(at).into_datum(),
                salt.as_slice().into_datum(),
                old_values.and_then(|values| values.0.as_ref().into_datum()),
                new_values.and_then(|values| values.0.as_ref().into_datum()),
                // An inet is stored like bytea.
                ip_address.as_deref().and_then(IntoDatum::into_datum),
                self.user_agent.as_deref().into_datum(),
            ]);
            digest
        });
        let digest = Record {
            id,
            workspace_id,
            at,
            actor_id: self.actor_id,
            actor_login: &self.actor_login,
            action,
            entity_type,
            entity_id,
            request_id: Some(&self.request_id),
            metadata,
            personal_digest: personal_digest.as_ref().map(Hash::as_slice),
        }
        .digest(&mut self.buffer)
        .unwrap_or_else(|| unreadable());
        RECORDS.insert_by_month(
            at,
            [
                uuid(id),
                workspace,
                self.actor_id.and_then(uuid),
                self.actor_login.as_str().into_datum(),
                action.into_datum(),
                entity_type.into_datum(),
                entity_id.and_then(uuid),
                moment(at).into_datum(),
                self.request_id.as_str().into_datum(),
                metadata.0.as_ref().into_datum(),
                personal_digest.as_ref().and_then(|digest| digest.as_slice().into_datum()),
            ],
        );
        WAITING.insert([
            uuid(workspace_id.unwrap_or_default()),
            moment(at).into_datum(),
            uuid(id),
            digest.as_slice().into_datum(),
        ]);
        Uuid::from_bytes(id)
    }
}

/// Adds a record; behind write_audit().
#[pg_extern(volatile, parallel_unsafe, schema = "analytics_private")]
fn add_audit_record(
    action: &str,
    entity_type: &str,
    entity_id: Option<Uuid>,
    metadata: StoredJsonb<&[u8]>,
    workspace_id: Option<Uuid>,
    old_values: Option<StoredJsonb<&[u8]>>,
    new_values: Option<StoredJsonb<&[u8]>>,
) -> Uuid {
    let deed = Deed {
        action,
        entity_type,
        entity_id: entity_id.map(|id| *id.as_bytes()),
        workspace_id: workspace_id.map(|id| *id.as_bytes()),
    };
    let id = Act::now().record(deed, &metadata, old_values.as_ref(), new_values.as_ref());
    session::end_command();
    id
}
