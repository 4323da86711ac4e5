//! Values as PostgreSQL keeps them, and rows as columns.

use std::{error::Error as StdError, fmt, net::IpAddr, time::SystemTime};

use bytes::{BufMut as _, BytesMut};
use serde_json::{Map, Value};
use tokio_postgres::{
    Error, Row,
    types::{FromSql, IsNull, ToSql, Type, to_sql_checked},
};

use super::failure::Failure;
use crate::{
    BoxError, KeyRecord, RegistryError,
    registry::{AuditRow, Entry, Holder, KeyAction, KeyRow, micros, time},
};

/// The columns of the view for guards.
pub(super) const GUARD_COLUMNS: &str = "digest, id, pepper, hint, account, subject, organizations, scopes, roles, plan, limits::text, environment, \
     restrictions::text, active, paused, created_at, not_before, expires_at, last_used_at, revoked_at, first_id, \
     account_suspended, organization_suspended";

/// The value of a parameter.
pub(super) type Param = Box<dyn ToSql + Send + Sync>;

/// The microseconds between the epochs of Unix, 1970, and of PostgreSQL, 2000.
const EPOCHS: i64 = 946_684_800_000_000;
/// The first moment of `timestamptz`, in 4714 BC, in microseconds since 2000. Earlier times are kept as this one.
const FIRST: i64 = -211_813_488_000_000_000;

/// A time in microseconds since 1970, as a `timestamptz`. The conversion is exact.
#[derive(Clone, Copy, Debug)]
pub(super) struct At(pub(super) i64);

impl At {
    pub(super) fn of(time: SystemTime) -> Self {
        Self(micros(time))
    }
}

impl ToSql for At {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_i64(self.0.saturating_sub(EPOCHS).max(FIRST));
        Ok(IsNull::No)
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for At {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        let since_2000 = i64::from_be_bytes(raw.try_into()?);
        Ok(Self(since_2000.saturating_add(EPOCHS)))
    }

    fn accepts(kind: &Type) -> bool {
        *kind == Type::TIMESTAMPTZ
    }
}

/// A value that `Debug` does not show: the driver writes the parameters of every statement to its debug log.
pub(super) struct Hidden<T>(pub(super) T);

impl<T> fmt::Debug for Hidden<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

impl<T: ToSql> ToSql for Hidden<T> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        self.0.to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        T::accepts(kind)
    }

    to_sql_checked!();
}

/// The values of all columns of a key.
pub(super) fn of_key(row: KeyRow) -> Vec<Param> {
    vec![
        Box::new(row.id),
        Box::new(Hidden(row.digest)),
        Box::new(row.pepper),
        Box::new(row.name),
        Box::new(row.hint),
        Box::new(row.account),
        Box::new(row.subject),
        Box::new(row.organizations),
        Box::new(row.scopes),
        Box::new(row.roles),
        Box::new(row.plan),
        Box::new(row.limits),
        Box::new(row.environment),
        Box::new(row.restrictions),
        Box::new(row.metadata),
        Box::new(row.active),
        Box::new(row.paused),
        Box::new(At(row.created_at)),
        Box::new(row.created_by),
        Box::new(row.not_before.map(At)),
        Box::new(row.expires_at.map(At)),
        Box::new(row.lifetime),
        Box::new(row.last_used_at.map(At)),
        Box::new(row.revoked_at.map(At)),
        Box::new(row.deleted_at.map(At)),
        Box::new(row.first_id),
        Box::new(row.predecessor),
        Box::new(row.successor),
    ]
}

/// The values of all columns of an audit row.
pub(super) fn of_audit(row: &AuditRow) -> Vec<Param> {
    let json = |values: &Map<String, Value>| (!values.is_empty()).then(|| Value::from(values.clone()).to_string());
    vec![
        Box::new(At::of(row.at)),
        Box::new(row.actor.clone()),
        Box::new(row.action.as_str().to_owned()),
        Box::new(row.key.clone()),
        Box::new(row.account.clone()),
        Box::new(row.organization.clone()),
        Box::new(row.address),
        Box::new(row.request_id.clone()),
        Box::new(json(&row.before)),
        Box::new(json(&row.after)),
    ]
}

/// Reads the columns of a row one after the other.
struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    fn next<T: FromSql<'r>>(&mut self) -> Result<T, Error> {
        self.next += 1;
        self.row.try_get(self.next - 1)
    }

    fn time(&mut self) -> Result<i64, Error> {
        self.next().map(|At(micros)| micros)
    }

    fn maybe_time(&mut self) -> Result<Option<i64>, Error> {
        Ok(self.next::<Option<At>>()?.map(|At(micros)| micros))
    }
}

/// Reads all columns of a key. The first one is at this place.
fn key_row(row: &Row, first: usize) -> Result<KeyRow, Error> {
    let mut columns = Columns { row, next: first };
    Ok(KeyRow {
        id: columns.next()?,
        digest: columns.next()?,
        pepper: columns.next()?,
        name: columns.next()?,
        hint: columns.next()?,
        account: columns.next()?,
        subject: columns.next()?,
        organizations: columns.next()?,
        scopes: columns.next()?,
        roles: columns.next()?,
        plan: columns.next()?,
        limits: columns.next()?,
        environment: columns.next()?,
        restrictions: columns.next()?,
        metadata: columns.next()?,
        active: columns.next()?,
        paused: columns.next()?,
        created_at: columns.time()?,
        created_by: columns.next()?,
        not_before: columns.maybe_time()?,
        expires_at: columns.maybe_time()?,
        lifetime: columns.next()?,
        last_used_at: columns.maybe_time()?,
        revoked_at: columns.maybe_time()?,
        deleted_at: columns.maybe_time()?,
        first_id: columns.next()?,
        predecessor: columns.next()?,
        successor: columns.next()?,
    })
}

/// Reads a row of the view for guards.
pub(super) fn record(row: &Row) -> Result<KeyRecord, BoxError> {
    let mut columns = Columns { row, next: 1 };
    let key = KeyRow {
        id: columns.next()?,
        pepper: columns.next()?,
        hint: columns.next()?,
        account: columns.next()?,
        subject: columns.next()?,
        organizations: columns.next()?,
        scopes: columns.next()?,
        roles: columns.next()?,
        plan: columns.next()?,
        limits: columns.next()?,
        environment: columns.next()?,
        restrictions: columns.next()?,
        active: columns.next()?,
        paused: columns.next()?,
        created_at: columns.time()?,
        not_before: columns.maybe_time()?,
        expires_at: columns.maybe_time()?,
        last_used_at: columns.maybe_time()?,
        revoked_at: columns.maybe_time()?,
        first_id: columns.next()?,
        ..KeyRow::default()
    };
    let (account, organization) = (columns.next()?, columns.next()?);
    Ok(key.into_record()?.account_suspended(account).organization_suspended(organization))
}

/// Reads all columns of an audit row. The first one is at this place.
pub(super) fn audit_row(row: &Row, first: usize) -> Result<AuditRow, BoxError> {
    let mut columns = Columns { row, next: first };
    let (at, actor) = (time(columns.time()?)?, columns.next::<String>()?);
    let mut audit = AuditRow::new(at, actor, KeyAction::from(columns.next::<String>()?));
    audit.key = columns.next()?;
    audit.account = columns.next()?;
    audit.organization = columns.next()?;
    audit.address = columns.next::<Option<IpAddr>>()?;
    audit.request_id = columns.next()?;
    audit.before = object(columns.next()?)?;
    audit.after = object(columns.next()?)?;
    Ok(audit)
}

fn object(text: Option<String>) -> Result<Map<String, Value>, BoxError> {
    let read =
        |text: String| serde_json::from_str(&text).map_err(|_| "the values of an audit row are not a JSON object");
    Ok(text.map(read).transpose()?.unwrap_or_default())
}

/// Reads a time of its own.
pub(super) fn time_of(row: &Row, column: usize) -> Result<SystemTime, BoxError> {
    let At(micros) = row.try_get(column)?;
    time(micros)
}

/// Reads a time that may be missing.
pub(super) fn maybe_time_of(row: &Row, column: usize) -> Result<Option<SystemTime>, BoxError> {
    row.try_get::<_, Option<At>>(column)?.map(|At(micros)| time(micros)).transpose()
}

/// Reads the kind and the name of a holder. The first one is at this place.
pub(super) fn holder(row: &Row, first: usize) -> Result<Holder, Error> {
    let (kind, id): (&str, String) = (row.try_get(first)?, row.try_get(first + 1)?);
    Ok(if kind == "account" { Holder::account(id) } else { Holder::organization(id) })
}

/// Reads all columns of a key as an entry. The first one is at this place.
pub(super) fn entry(row: &Row, first: usize) -> Result<Entry, Failure> {
    key_row(row, first)?.into_entry().map_err(|error| match error {
        RegistryError::Store(text) => Failure::Row((*text).into()),
        other => Failure::Row(other.into()),
    })
}

/// Whether PostgreSQL can store no such text, so that no row has it.
pub(super) fn is_impossible(text: &str) -> bool {
    text.contains('\0')
}
