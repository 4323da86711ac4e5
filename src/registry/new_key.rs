use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};

use super::{
    KeyInfo, KeyPolicy, RegistryError,
    row::{micros, time},
};
use crate::{KeyRecord, Restrictions, limit::Limits, principal::strings};

/// The properties of a new key. A setter replaces an earlier value.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::NewKey;
///
/// let new = NewKey::named("ci").account("acme").scopes(["read"]).plan("standard").expires_in(Duration::from_secs(86_400));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "no key is created until this is passed to a registry"]
pub struct NewKey {
    pub(super) name: String,
    id: Option<String>,
    account: String,
    subject: Option<String>,
    organizations: Vec<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    plan: Option<String>,
    limits: Option<Limits>,
    restrictions: Restrictions,
    pub(super) environment: Option<String>,
    metadata: Map<String, Value>,
    start: Option<SystemTime>,
    end: End,
}

/// When a key expires.
#[derive(Clone, Copy, Debug, Default)]
enum End {
    #[default]
    Never,
    In(Duration),
    At(SystemTime),
}

impl End {
    /// Returns the record of a key that was created at `created` and ends like this.
    fn of(
        self,
        record: KeyRecord,
        created: SystemTime,
        now: SystemTime,
        policy: &KeyPolicy,
    ) -> Result<KeyRecord, RegistryError> {
        let end = match self {
            Self::Never => None,
            Self::In(lifetime) => Some(end_of(now, lifetime)?),
            Self::At(end) => Some(in_future(whole_micros(end), now)?),
        };
        policy.check_end(end, created)?;
        Ok(match end {
            Some(end) => record.expires_at(end),
            None => record.without_end(),
        })
    }
}

/// The longest name and scope, in bytes.
const LONGEST_NAME: usize = 200;

impl NewKey {
    /// Creates a description of a key without scopes. The owner recognises the key by this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Sets the id. The default is a random id.
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// Sets the account that the key belongs to, which is also its subject. Required.
    pub fn account(self, account: impl Into<String>) -> Self {
        Self { account: account.into(), ..self }
    }

    /// Sets the subject, if it is not the account.
    pub fn subject(self, subject: impl Into<String>) -> Self {
        Self { subject: Some(subject.into()), ..self }
    }

    /// Sets the organisations that the holder is a member of.
    pub fn organizations<S: Into<String>>(self, organizations: impl IntoIterator<Item = S>) -> Self {
        Self { organizations: strings(organizations), ..self }
    }

    /// Sets the scopes that the key is granted: at most 100, each at most 200 bytes.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { scopes: strings(scopes), ..self }
    }

    /// Sets the roles of the holder.
    pub fn roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        Self { roles: strings(roles), ..self }
    }

    /// Sets the plan that limits the key.
    pub fn plan(self, plan: impl Into<String>) -> Self {
        Self { plan: Some(plan.into()), ..self }
    }

    /// Sets limits for this key only, instead of the plan's.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Sets from where and for how long the key may be used.
    pub fn restrictions(self, restrictions: Restrictions) -> Self {
        Self { restrictions, ..self }
    }

    /// Sets the environment, such as `live` or `test`. If the format of the keys names environments, it must be one of them,
    /// and the first is the default.
    pub fn environment(self, environment: impl Into<String>) -> Self {
        Self { environment: Some(environment.into()), ..self }
    }

    /// Sets the owner's own notes on the key, such as a ticket or a team: at most 4096 bytes as JSON.
    pub fn metadata(self, metadata: Map<String, Value>) -> Self {
        Self { metadata, ..self }
    }

    /// Sets the first moment at which the key is valid. The default is its creation.
    pub fn not_before(self, start: SystemTime) -> Self {
        Self { start: Some(start), ..self }
    }

    /// Sets how long the key is valid. Its successors get the same lifetime.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self { end: End::In(lifetime), ..self }
    }

    /// Sets the first moment at which the key is no longer valid.
    pub fn expires_at(self, end: SystemTime) -> Self {
        Self { end: End::At(end), ..self }
    }

    /// Builds such a key, created now. Its hint is not known yet.
    pub(super) fn build(
        self,
        random_id: String,
        now: SystemTime,
        policy: &KeyPolicy,
    ) -> Result<KeyInfo, RegistryError> {
        check_name(&self.name)?;
        check_scopes(&self.scopes)?;
        check_metadata(&self.metadata)?;
        let names = [
            ("/account", Some(&self.account)),
            ("/id", self.id.as_ref()),
            ("/subject", self.subject.as_ref()),
            ("/environment", self.environment.as_ref()),
        ];
        if let Some((field, _)) = names.iter().find(|(_, name)| name.is_some_and(|name| name.trim().is_empty())) {
            return Err(RegistryError::invalid(field, "must not be empty"));
        }
        let mut record = KeyRecord::new(self.id.unwrap_or(random_id), self.account)
            .organizations(self.organizations)
            .scopes(self.scopes)
            .roles(self.roles)
            .restrictions(self.restrictions);
        if let Some(environment) = self.environment {
            record = record.environment(environment);
        }
        if let Some(subject) = self.subject {
            record = record.subject(subject);
        }
        if let Some(plan) = self.plan {
            record = record.plan(plan);
        }
        if let Some(limits) = self.limits {
            record = record.limits(limits);
        }
        if let Some(start) = self.start {
            record = record.not_before(whole_micros(start));
        }
        let record = self.end.of(record, now, now, policy)?;
        let lifetime = record.end().and_then(|end| end.duration_since(now).ok());
        Ok(KeyInfo::of(record).named(self.name).noted(self.metadata).living(lifetime))
    }
}

/// Changes to a key. Properties that are not set stay unchanged.
///
/// ```
/// use tower_auth::registry::KeyUpdate;
///
/// let change = KeyUpdate::new().name("ci of the website").scopes(["read", "write"]);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "no key is changed until this is passed to a registry"]
pub struct KeyUpdate {
    name: Option<String>,
    scopes: Option<Vec<String>>,
    plan: Option<String>,
    #[expect(clippy::option_option, reason = "a change to no limits is a change")]
    limits: Option<Option<Limits>>,
    restrictions: Option<Restrictions>,
    metadata: Option<Map<String, Value>>,
    end: Option<End>,
}

impl KeyUpdate {
    /// Creates an update that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets another name.
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Sets other scopes. They apply from the next request on.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { scopes: Some(strings(scopes)), ..self }
    }

    /// Sets another plan. Requests that were counted stay counted.
    pub fn plan(self, plan: impl Into<String>) -> Self {
        Self { plan: Some(plan.into()), ..self }
    }

    /// Sets other limits for this key only. `None` is the limits of the plan.
    pub fn limits(self, limits: Option<Limits>) -> Self {
        Self { limits: Some(limits), ..self }
    }

    /// Sets other restrictions, instead of all earlier ones.
    pub fn restrictions(self, restrictions: Restrictions) -> Self {
        Self { restrictions: Some(restrictions), ..self }
    }

    /// Sets other notes of the owner, instead of all earlier ones.
    pub fn metadata(self, metadata: Map<String, Value>) -> Self {
        Self { metadata: Some(metadata), ..self }
    }

    /// Sets another expiry. `None` removes the expiry.
    pub fn expires_at(self, end: Option<SystemTime>) -> Self {
        Self { end: Some(end.map_or(End::Never, End::At)), ..self }
    }

    /// Returns the changed key.
    pub(super) fn apply(self, key: &KeyInfo, now: SystemTime, policy: &KeyPolicy) -> Result<KeyInfo, RegistryError> {
        let mut changed = key.clone();
        if let Some(scopes) = self.scopes {
            check_scopes(&scopes)?;
            changed.record = changed.record.scopes(scopes);
        }
        if let Some(plan) = self.plan {
            changed.record = changed.record.plan(plan);
        }
        if let Some(limits) = self.limits {
            changed.record = changed.record.limits(limits);
        }
        if let Some(restrictions) = self.restrictions {
            changed.record = changed.record.restrictions(restrictions);
        }
        if let Some(metadata) = self.metadata {
            check_metadata(&metadata)?;
            changed.metadata = metadata;
        }
        if let Some(end) = self.end {
            changed.record = end.of(changed.record, key.created_at, now, policy)?;
        }
        if let Some(name) = self.name {
            check_name(&name)?;
            changed.name = name;
        }
        Ok(changed)
    }
}

fn check_name(name: &str) -> Result<(), RegistryError> {
    let wrong = |reason| Err(RegistryError::invalid("/name", reason));
    if name.trim().is_empty() {
        return wrong("must not be empty");
    }
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return wrong("must be a line of at most 200 bytes");
    }
    Ok(())
}

/// The longest text that says whose a key is, in bytes.
const LONGEST_TEXT: usize = 512;

/// Refuses texts that a database cannot keep, or that nobody has written by hand.
pub(super) fn check_texts(key: &KeyInfo) -> Result<(), RegistryError> {
    let who = key.principal();
    let one = |text: Option<&str>| text.map(str::to_owned).into_iter().collect::<Vec<_>>();
    let texts = [
        ("/id", one(Some(key.id()))),
        ("/name", one(Some(key.name()))),
        ("/account", one(who.account())),
        ("/subject", one(Some(who.subject()))),
        ("/organizations", who.organizations().to_vec()),
        ("/scopes", who.scopes().to_vec()),
        ("/roles", who.roles().to_vec()),
        ("/plan", one(who.plan())),
        ("/environment", one(key.record().current_environment())),
    ];
    let wrong = |text: &String| text.len() > LONGEST_TEXT || text.contains('\0');
    match texts.iter().find(|(_, texts)| texts.len() > MOST_SCOPES || texts.iter().any(wrong)) {
        Some((field, _)) => {
            Err(RegistryError::invalid(field, "must be at most 512 bytes without U+0000, and at most 100 of a list"))
        }
        None => Ok(()),
    }
}

/// The most scopes that a key may have.
const MOST_SCOPES: usize = 100;

fn check_scopes(scopes: &[String]) -> Result<(), RegistryError> {
    let wrong = |scope: &String| {
        scope.is_empty() || scope.len() > LONGEST_NAME || scope.chars().any(|c| c.is_control() || c == ' ')
    };
    if scopes.len() > MOST_SCOPES || scopes.iter().any(wrong) {
        return Err(RegistryError::invalid("/scopes", "must be at most 100, each a word of at most 200 bytes"));
    }
    Ok(())
}

/// The longest notes of an owner as JSON, in bytes.
const LONGEST_METADATA: usize = 4096;

fn check_metadata(metadata: &Map<String, Value>) -> Result<(), RegistryError> {
    let length = serde_json::to_string(metadata).map_or(usize::MAX, |text| text.len());
    if length > LONGEST_METADATA {
        return Err(RegistryError::invalid("/metadata", "must be at most 4096 bytes as JSON"));
    }
    Ok(())
}

pub(super) fn end_of(now: SystemTime, lifetime: Duration) -> Result<SystemTime, RegistryError> {
    let end = now.checked_add(lifetime).ok_or(RegistryError::invalid("/expires_at", TOO_FAR))?;
    in_future(whole_micros(end), now)
}

fn in_future(end: SystemTime, now: SystemTime) -> Result<SystemTime, RegistryError> {
    match end {
        end if end > last() => Err(RegistryError::invalid("/expires_at", TOO_FAR)),
        end if end > now => Ok(end),
        _ => Err(RegistryError::invalid("/expires_at", "must be in the future")),
    }
}

fn last() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_SECOND)
}

const TOO_FAR: &str = "is too far away";
/// The end of the year 9999, the last that RFC 3339 can write, less the widest offset from UTC.
const LAST_SECOND: u64 = 253_402_207_200;

/// Rounds a time down to whole microseconds, which every database keeps.
pub(super) fn whole_micros(at: SystemTime) -> SystemTime {
    time(micros(at)).unwrap_or(at)
}

/// Returns the record of an imported key with times that every database keeps.
pub(super) fn in_whole_micros(mut record: KeyRecord) -> Result<KeyRecord, RegistryError> {
    if let Some(start) = record.start() {
        record = record.not_before(whole_micros(start));
    }
    match record.end() {
        Some(end) if end > last() => Err(RegistryError::invalid("/expires_at", TOO_FAR)),
        Some(end) => Ok(record.expires_at(whole_micros(end))),
        None => Ok(record),
    }
}
