use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::{Entry, KeyInfo, RegistryError};
use crate::{BoxError, KeyDigest, KeyRecord, KeyState};

/// An [`Entry`] as plain values, for the columns of a table. Times are microseconds since the Unix epoch, lists are lists of
/// text, and JSON is text.
///
/// A guard needs less: [`into_record`](Self::into_record) says which columns.
///
/// ```
/// use tower_auth::{KeyFormat, KeyRecord, KeyScheme, registry::{Entry, KeyInfo, KeyRow}};
///
/// let scheme = KeyScheme::sha256(KeyFormat::opaque(20));
/// let digest = *scheme.digests(b"a-key-of-at-least-twenty-bytes").unwrap().iter().next().unwrap();
/// let entry = Entry::new(KeyInfo::of(KeyRecord::new("key_1", "acme").scopes(["read"])), digest, None);
///
/// let row = KeyRow::of(&entry);
/// assert_eq!((&*row.id, &*row.account, &row.scopes[..]), ("key_1", "acme", &["read".to_owned()][..]));
/// assert_eq!(row.into_entry()?.key().principal(), entry.key().principal());
/// # Ok::<_, tower_auth::RegistryError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyRow {
    /// The id, unique.
    pub id: String,
    /// The digest, 32 bytes, unique.
    pub digest: Vec<u8>,
    /// The version of the pepper of the digest, up to 2^32 - 1.
    pub pepper: Option<i64>,
    /// The owner's name for the key.
    pub name: String,
    /// A few characters of the key.
    pub hint: String,
    /// The account.
    pub account: String,
    /// The subject, which is the account unless another was set.
    pub subject: String,
    /// The organisations. The first one owns the key.
    pub organizations: Vec<String>,
    /// The scopes.
    pub scopes: Vec<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// The plan.
    pub plan: Option<String>,
    /// Limits of this key only, as JSON.
    pub limits: Option<String>,
    /// The environment, such as `live`.
    pub environment: Option<String>,
    /// From where the key may be used, as JSON.
    pub restrictions: Option<String>,
    /// The owner's notes, as JSON.
    pub metadata: Option<String>,
    /// Whether the key was not deactivated.
    pub active: bool,
    /// Whether the key is paused.
    pub paused: bool,
    /// When the key was created.
    pub created_at: i64,
    /// Who created the key.
    pub created_by: String,
    /// The first moment at which the key is valid.
    pub not_before: Option<i64>,
    /// The first moment at which the key is no longer valid.
    pub expires_at: Option<i64>,
    /// How long the key was valid when it was created, in microseconds.
    pub lifetime: Option<i64>,
    /// When the key was used last. A registry does not write it: only [`Change::Used`](super::Change::Used) does.
    pub last_used_at: Option<i64>,
    /// When the key was revoked.
    pub revoked_at: Option<i64>,
    /// When the key was deleted.
    pub deleted_at: Option<i64>,
    /// The first key of the line of successors that led to this key.
    pub first_id: Option<String>,
    /// The key before this one.
    pub predecessor: Option<String>,
    /// The key after this one.
    pub successor: Option<String>,
}

impl KeyRow {
    /// Returns the columns of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let key = entry.key();
        let who = key.principal();
        let restrictions = key.record().current_restrictions();
        Self {
            id: key.id().to_owned(),
            digest: entry.digest().as_bytes().to_vec(),
            pepper: entry.pepper().map(i64::from),
            name: key.name().to_owned(),
            hint: key.hint().to_owned(),
            account: who.account().unwrap_or_default().to_owned(),
            subject: who.subject().to_owned(),
            organizations: who.organizations().to_vec(),
            scopes: who.scopes().to_vec(),
            roles: who.roles().to_vec(),
            plan: who.plan().map(str::to_owned),
            limits: key.record().stored_limits(),
            environment: key.record().current_environment().map(str::to_owned),
            restrictions: (!restrictions.is_empty()).then(|| restrictions.to_json()),
            metadata: (!key.metadata().is_empty()).then(|| Value::from(key.metadata().clone()).to_string()),
            active: key.active,
            paused: key.paused,
            created_at: micros(key.created_at()),
            created_by: key.created_by().to_owned(),
            not_before: key.not_before().map(micros),
            expires_at: key.expires_at().map(micros),
            lifetime: key.lifetime().map(|lifetime| i64::try_from(lifetime.as_micros()).unwrap_or(i64::MAX)),
            last_used_at: key.last_used_at().map(micros),
            revoked_at: key.revoked_at().map(micros),
            deleted_at: key.deleted_at().map(micros),
            first_id: key.first_id().map(str::to_owned),
            predecessor: key.predecessor().map(str::to_owned),
            successor: key.successor().map(str::to_owned),
        }
    }

    /// Returns the entry of these columns.
    ///
    /// # Errors
    /// If a column has a value that no registry of this version could have written, such as a digest of another length.
    pub fn into_entry(self) -> Result<Entry, RegistryError> {
        let id = self.id.clone();
        self.read().map_err(|error| RegistryError::from(within(&id, &error)))
    }

    fn read(mut self) -> Result<Entry, BoxError> {
        let digest: [u8; 32] = self.digest.as_slice().try_into().map_err(|_| "the digest is not 32 bytes long")?;
        let pepper = version(self.pepper)?;
        let metadata = match self.metadata.take() {
            Some(text) => serde_json::from_str(&text).map_err(|_| "the metadata is not a JSON object")?,
            None => serde_json::Map::new(),
        };
        let lifetime = self.lifetime.map(u64::try_from).transpose().map_err(|_| "the lifetime is negative")?;
        let (name, created_by) = (std::mem::take(&mut self.name), std::mem::take(&mut self.created_by));
        let (predecessor, successor) = (self.predecessor.take(), self.successor.take());
        let (active, paused, created, deleted) = (self.active, self.paused, self.created_at, self.deleted_at);
        let revoked = self.revoked_at.map(time).transpose()?;
        let key = KeyInfo::of(self.record()?)
            .named(name)
            .created(time(created)?, created_by)
            .living(lifetime.map(Duration::from_micros))
            .between(predecessor, successor)
            .noted(metadata)
            .flags_and_end(active, paused, revoked, deleted.map(time).transpose()?);
        Ok(Entry::new(key, KeyDigest::from_bytes(digest), pepper))
    }

    /// Returns the record that guards read. It needs the columns `id`, `pepper`, `hint`, `account`, `subject`, `organizations`, `scopes`,
    /// `roles`, `plan`, `limits`, `environment`, `restrictions`, `active`, `paused`, `created_at`, `not_before`, `expires_at`,
    /// `last_used_at`, `revoked_at` and `first_id`.
    ///
    /// # Errors
    /// If a column has a value that no registry of this version could have written.
    pub fn into_record(self) -> Result<KeyRecord, BoxError> {
        let (id, pepper) = (self.id.clone(), version(self.pepper));
        let record = pepper.and_then(|pepper| Ok(self.record()?.pepper(pepper)));
        record.map_err(|error| within(&id, &error))
    }

    fn record(self) -> Result<KeyRecord, BoxError> {
        let state = match (self.revoked_at, self.active, self.paused) {
            (Some(_), ..) => KeyState::Revoked,
            (None, false, _) => KeyState::Deactivated,
            (None, true, true) => KeyState::Paused,
            (None, true, false) => KeyState::Active,
        };
        let last_used = time(self.last_used_at.unwrap_or(self.created_at))?;
        let mut holder = KeyRecord::new(self.id, self.account)
            .subject(self.subject)
            .organizations(self.organizations)
            .scopes(self.scopes)
            .roles(self.roles)
            .state(state)
            .last_used_at(last_used);
        if !self.hint.is_empty() {
            holder = holder.hint(self.hint);
        }
        if let Some(plan) = self.plan {
            holder = holder.plan(plan);
        }
        if let Some(limits) = self.limits {
            holder = holder.limits_from_json(&limits)?;
        }
        if let Some(environment) = self.environment {
            holder = holder.environment(environment);
        }
        if let Some(restrictions) = self.restrictions {
            holder = holder.restrictions(crate::Restrictions::from_json(&restrictions)?);
        }
        if let Some(first) = self.first_id {
            holder = holder.first_id(first);
        }
        if let Some(start) = self.not_before {
            holder = holder.not_before(time(start)?);
        }
        Ok(match self.expires_at {
            Some(end) => holder.expires_at(time(end)?),
            None => holder,
        })
    }
}

/// Returns the microseconds since the Unix epoch, rounded down: what a store keeps of a time.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_auth::registry::{micros, time};
///
/// let then = SystemTime::UNIX_EPOCH + Duration::from_micros(1_500_000);
/// assert_eq!(micros(then), 1_500_000);
/// assert_eq!(time(1_500_000)?, then);
/// # Ok::<_, tower_auth::BoxError>(())
/// ```
#[must_use]
pub fn micros(time: SystemTime) -> i64 {
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => micros(since),
        Err(before) => -micros(before.duration() + Duration::from_nanos(999)),
    }
}

/// Returns the time so many microseconds after the Unix epoch.
///
/// # Errors
/// If the time is out of the range of the system's clock.
pub fn time(micros: i64) -> Result<SystemTime, BoxError> {
    let span = Duration::from_micros(micros.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if micros < 0 { epoch.checked_sub(span) } else { epoch.checked_add(span) };
    time.ok_or_else(|| "a stored time is out of range".into())
}

fn version(pepper: Option<i64>) -> Result<Option<u32>, BoxError> {
    Ok(pepper.map(u32::try_from).transpose().map_err(|_| "the pepper version is out of range")?)
}

fn within(id: &str, error: &BoxError) -> BoxError {
    format!("the stored key {id:?} cannot be read: {error}").into()
}
