use std::time::{Duration, SystemTime};

use super::error::RegistryError;
use crate::{KeyRecord, limit::Limits};

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
    fn of(self, record: KeyRecord, now: SystemTime) -> Result<KeyRecord, RegistryError> {
        Ok(match self {
            Self::Never => record.without_end(),
            Self::In(lifetime) => record.expires_at(end_of(now, lifetime)?),
            Self::At(end) => record.expires_at(in_future(end, now)?),
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

    /// Sets how long the key is valid. Its successors get the same lifetime.
    pub fn expires_in(self, lifetime: Duration) -> Self {
        Self { end: End::In(lifetime), ..self }
    }

    /// Sets the first moment at which the key is no longer valid.
    pub fn expires_at(self, end: SystemTime) -> Self {
        Self { end: End::At(end), ..self }
    }

    /// Builds the record of such a key, created now.
    pub(super) fn record(&self, random_id: String, now: SystemTime) -> Result<KeyRecord, RegistryError> {
        check_name(&self.name)?;
        check_scopes(&self.scopes)?;
        if self.account.trim().is_empty() {
            return Err(RegistryError::Invalid { field: "/account", reason: "must not be empty" });
        }
        if self.id.as_ref().is_some_and(|id| id.trim().is_empty()) {
            return Err(RegistryError::Invalid { field: "/id", reason: "must not be empty" });
        }
        if self.subject.as_ref().is_some_and(|subject| subject.trim().is_empty()) {
            return Err(RegistryError::Invalid { field: "/subject", reason: "must not be empty" });
        }
        let mut record = KeyRecord::new(self.id.clone().unwrap_or(random_id), self.account.clone())
            .organizations(self.organizations.clone())
            .scopes(self.scopes.clone())
            .roles(self.roles.clone());
        if let Some(subject) = &self.subject {
            record = record.subject(subject.clone());
        }
        if let Some(plan) = &self.plan {
            record = record.plan(plan.clone());
        }
        if let Some(limits) = &self.limits {
            record = record.limits(limits.clone());
        }
        self.end.of(record, now)
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

    /// Sets another expiry. `None` removes the expiry.
    pub fn expires_at(self, end: Option<SystemTime>) -> Self {
        Self { end: Some(end.map_or(End::Never, End::At)), ..self }
    }

    /// Returns the changed name and record.
    pub(super) fn apply(
        self,
        name: &str,
        mut record: KeyRecord,
        now: SystemTime,
    ) -> Result<(String, KeyRecord), RegistryError> {
        if let Some(scopes) = self.scopes {
            check_scopes(&scopes)?;
            record = record.scopes(scopes);
        }
        if let Some(plan) = self.plan {
            record = record.plan(plan);
        }
        if let Some(end) = self.end {
            record = end.of(record, now)?;
        }
        let name = self.name.unwrap_or_else(|| name.to_owned());
        check_name(&name)?;
        Ok((name, record))
    }
}

fn check_name(name: &str) -> Result<(), RegistryError> {
    let wrong = |reason| Err(RegistryError::Invalid { field: "/name", reason });
    if name.trim().is_empty() {
        return wrong("must not be empty");
    }
    if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return wrong("must be a line of at most 200 bytes");
    }
    Ok(())
}

/// The most scopes that a key may have.
const MOST_SCOPES: usize = 100;

fn check_scopes(scopes: &[String]) -> Result<(), RegistryError> {
    let wrong = |scope: &String| {
        scope.is_empty() || scope.len() > LONGEST_NAME || scope.chars().any(|c| c.is_control() || c == ' ')
    };
    if scopes.len() > MOST_SCOPES || scopes.iter().any(wrong) {
        return Err(RegistryError::Invalid {
            field: "/scopes",
            reason: "must be at most 100, each a word of at most 200 bytes",
        });
    }
    Ok(())
}

pub(super) fn end_of(now: SystemTime, lifetime: Duration) -> Result<SystemTime, RegistryError> {
    let end =
        now.checked_add(lifetime).ok_or(RegistryError::Invalid { field: "/expires_at", reason: "is too far away" })?;
    in_future(end, now)
}

fn in_future(end: SystemTime, now: SystemTime) -> Result<SystemTime, RegistryError> {
    if end > now {
        Ok(end)
    } else {
        Err(RegistryError::Invalid { field: "/expires_at", reason: "must be in the future" })
    }
}

fn strings<S: Into<String>>(all: impl IntoIterator<Item = S>) -> Vec<String> {
    all.into_iter().map(Into::into).collect()
}
