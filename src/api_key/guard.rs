use std::{sync::Arc, time::SystemTime};

use super::restricted::Facts;
use crate::{
    AuthFuture, AuthOutcome, BoxError, ClientIp, KeyDigests, KeyRecord, KeyScheme, KeyStatus, KeyStore, Rejection,
    RejectionKind, RequestHead,
    base::{
        clock::rfc3339,
        credential::{Credential, Source},
        subprotocol::Unreadable,
    },
    rejection::Restriction,
};

/// How much a 401 discloses about an inactive key to a client that presented the right key.
///
/// ```
/// use tower_auth::{ApiKeyLayer, Disclosure, KeyFormat, KeyScheme, MemoryKeyStore};
///
/// let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?);
/// let layer = ApiKeyLayer::new(scheme, MemoryKeyStore::new()).disclose(Disclosure::State);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disclosure {
    /// Nothing: an inactive key is answered like an unknown key.
    #[default]
    Nothing,
    /// That the key is expired, paused, deactivated or suspended. Revoked and not yet valid keys are answered like
    /// unknown keys.
    State,
    /// The same as `State`, and that the key is revoked. The details contain `expired_at` for an expired key, and
    /// `key_id` for every other inactive key.
    All,
}

/// Reads a key, checks its format, looks it up in the store, and decides by its record.
#[derive(Clone)]
pub(super) struct KeyCheck {
    pub(super) scheme: KeyScheme,
    pub(super) store: Arc<dyn KeyStore>,
    pub(super) sources: Vec<Source>,
    /// How the client's address is found, if the stack does not say it.
    pub(super) client_ip: Option<ClientIp>,
    /// Whether no lookup is answered from a cache.
    pub(super) fresh: bool,
    pub(super) judge: Judge,
}

/// Decides by a record. It is separate from [`KeyCheck`] because futures own a clone of it.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) disclosure: Disclosure,
    /// The only environment whose keys are admitted.
    pub(super) environment: Option<Arc<str>>,
    /// Refusals of invalid keys, built once: attacks cause them most often.
    malformed: Rejection,
    unknown: Rejection,
}

impl KeyCheck {
    #[inline]
    pub(super) fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let presented = match self.presented(request) {
            Ok(Some(presented)) => presented,
            Ok(None) => return AuthFuture::ready(AuthOutcome::NoCredential),
            Err(rejection) => return AuthFuture::ready(AuthOutcome::Rejected(rejection)),
        };
        let presented = presented.secret();
        let Some(digests) = self.scheme.digests(presented) else {
            return AuthFuture::ready(AuthOutcome::Rejected(self.judge.malformed.clone()));
        };
        self.look_up(&digests, self.judge.is_foreign(presented, &self.scheme), request)
    }

    /// Returns the credential of the first declared source that has one. A scheme without a credential counts as
    /// absent, like an empty header. If another source has a credential, such a request is ambiguous and is refused.
    fn presented<'a>(&'a self, request: &'a RequestHead<'_>) -> Result<Option<Credential<'a>>, Rejection> {
        let (mut found, mut empty) = (None, None);
        for source in self.sources.iter().filter(|source| request.may_read(source.header())) {
            match source.read(request.headers(), || request.is_websocket()) {
                Ok(read) => found = found.or(read),
                Err(Unreadable::Empty) => empty = Some(source),
                Err(Unreadable::Repeated) => return Err(malformed(source, "two subprotocols are credentials")),
                Err(Unreadable::NotBase64Url) => {
                    return Err(malformed(source, "the key in the subprotocol is not base64url"));
                }
            }
        }
        match (found, empty) {
            (Some(_), Some(source)) => Err(malformed(
                source,
                match source {
                    Source::Subprotocol(_) => "a WebSocket subprotocol has no key, and another header has one",
                    _ => "an authorization scheme has no credential, and another header has one",
                },
            )),
            (found, _) => Ok(found),
        }
    }

    /// Returns whether the presented credential has the format of a key.
    pub(super) fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        self.presented(request).ok().flatten().is_some_and(|presented| self.scheme.format().accepts(presented.secret()))
    }

    /// `foreign` says that the key itself names an environment that is not admitted.
    fn look_up(&self, digests: &KeyDigests, foreign: bool, request: &RequestHead<'_>) -> AuthFuture {
        let fresh = self.fresh || request.wants_fresh();
        let found = if fresh { self.store.find_fresh(digests) } else { self.store.find(digests) };
        match found.now() {
            Ok(found) => {
                let facts = || Facts::of(request, self.client_ip.as_ref());
                AuthFuture::ready(self.judge.conclude(found, foreign, || request.now(), facts))
            }
            Err(future) => {
                let (judge, limit) = (self.judge.clone(), request.time_limit().clone());
                // The record may have restrictions, and the head is gone when it arrives.
                let facts = Facts::of(request, self.client_ip.as_ref());
                AuthFuture::bounded(async move {
                    let found =
                        limit.wait(future).await.unwrap_or_else(|late| Err(format!("the key store {late}").into()));
                    judge.conclude(found, foreign, || limit.clock().now(), || facts)
                })
            }
        }
    }
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            disclosure: Disclosure::Nothing,
            environment: None,
            malformed: invalid("the key does not match the key format"),
            unknown: invalid("the key is unknown"),
        }
    }

    #[inline]
    fn is_foreign(&self, presented: &[u8], scheme: &KeyScheme) -> bool {
        let Some(here) = self.environment.as_deref() else { return false };
        scheme.format().environment_of(presented).is_some_and(|named| named != here)
    }

    #[inline]
    fn conclude(
        &self,
        found: Result<Option<KeyRecord>, BoxError>,
        foreign: bool,
        now: impl FnOnce() -> SystemTime,
        facts: impl FnOnce() -> Facts,
    ) -> AuthOutcome {
        match found {
            Ok(Some(record)) => match self.decide(&record, foreign, now, facts) {
                Ok(()) => AuthOutcome::Authenticated(record.into_principal()),
                Err(rejection) => AuthOutcome::Rejected(rejection.refused_by(LAYER)),
            },
            Ok(None) => AuthOutcome::Rejected(self.unknown.clone()),
            Err(error) => AuthOutcome::Rejected(Rejection::unavailable(error).refused_by(LAYER)),
        }
    }

    #[inline]
    fn decide(
        &self,
        record: &KeyRecord,
        foreign: bool,
        now: impl FnOnce() -> SystemTime,
        facts: impl FnOnce() -> Facts,
    ) -> Result<(), Rejection> {
        // A key of another environment is answered like an unknown key, whatever its state is.
        if let Some(here) = self.environment.as_deref() {
            let other = record.current_environment();
            if foreign || other != Some(here) {
                return Err(of_elsewhere(here, other.filter(|other| *other != here), record));
            }
        }
        // Most keys have no start or expiry time; for them, the clock is not read.
        let now = if record.has_times() { now() } else { SystemTime::UNIX_EPOCH };
        match record.status(now) {
            KeyStatus::Active => {}
            status => return Err(self.refuse(status, record)),
        }
        if let Some(what) = record.nameless() {
            return Err(Rejection::internal(format!("the store's record of this key has an empty {what}")));
        }
        if record.unread_limits().is_some() {
            return Err(without_limits(record));
        }
        // Most keys have no restrictions; for them, nothing else of the request is read.
        if record.current_restrictions().is_empty() { Ok(()) } else { check_use(record, facts()) }
    }

    /// Returns the refusal of an inactive key. The client learns what [`Disclosure`] allows, the observer learns the
    /// state.
    fn refuse(&self, status: KeyStatus, record: &KeyRecord) -> Rejection {
        let (kind, cause) = match status {
            KeyStatus::Expired(_) => (RejectionKind::ExpiredKey, "the key is expired"),
            KeyStatus::Paused => (RejectionKind::PausedKey, "the key is paused"),
            KeyStatus::Deactivated => (RejectionKind::DeactivatedKey, "the key is deactivated"),
            KeyStatus::AccountSuspended => (RejectionKind::Suspended, "the key's account is suspended"),
            KeyStatus::OrganizationSuspended => (RejectionKind::Suspended, "the key's organisation is suspended"),
            KeyStatus::Revoked => (RejectionKind::RevokedKey, "the key is revoked"),
            KeyStatus::NotYetValid(_) => (RejectionKind::InvalidKey, "the key is not yet valid"),
            KeyStatus::Active => (RejectionKind::Internal, "an active key was refused"),
        };
        let told = match self.disclosure {
            Disclosure::Nothing => false,
            Disclosure::State => !matches!(kind, RejectionKind::InvalidKey | RejectionKind::RevokedKey),
            Disclosure::All => true,
        };
        let rejection = match status {
            KeyStatus::Expired(end) if told => Rejection::new(kind).detail("expired_at", rfc3339(end).to_string()),
            _ if self.disclosure == Disclosure::All => Rejection::new(kind).detail("key_id", record.id().to_owned()),
            _ if told => Rejection::new(kind),
            _ => Rejection::new(RejectionKind::InvalidKey),
        };
        rejection.cause(cause).with_principal(record.principal().clone())
    }
}

/// Checks the restrictions of an active key.
#[cold]
fn check_use(record: &KeyRecord, facts: Facts) -> Result<(), Rejection> {
    if record.lacks_last_use() {
        return Err(Rejection::internal(NEVER_USED));
    }
    facts.check(record.current_restrictions()).map_err(|refused| match refused.kind() {
        RejectionKind::Restricted => refused.with_principal(record.principal().clone()),
        _ => refused,
    })
}

/// Returns the refusal of a key whose limits cannot be counted.
#[cold]
fn without_limits(record: &KeyRecord) -> Rejection {
    let why = record.limits_fault().unwrap_or_default();
    let cause = format!("the key has limits that this version cannot read: {why}");
    Rejection::restricted(Restriction::Unknown).cause(cause).with_principal(record.principal().clone())
}

#[cold]
fn of_elsewhere(here: &str, other: Option<&str>, record: &KeyRecord) -> Rejection {
    let cause = match other {
        Some(other) => format!("the key belongs to the environment {other:?}, and this layer admits {here:?} only"),
        None if record.current_environment().is_some() => {
            format!("the key itself names another environment than its record, and this layer admits {here:?} only")
        }
        None => format!("the record of the key has no environment, and this layer admits {here:?} only"),
    };
    Rejection::new(RejectionKind::InvalidKey).cause(cause).with_principal(record.principal().clone())
}

const LAYER: &str = "api_key";
const NEVER_USED: &str = "the key expires when it is unused, but its record has no last use; call \
                          KeyRecord::last_used_at(..) with the time of its last use, or of its creation";

#[cold]
fn malformed(source: &Source, why: &'static str) -> Rejection {
    Rejection::malformed_header(source.header().as_str(), why).refused_by(LAYER)
}

fn invalid(cause: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidKey).cause(cause).refused_by(LAYER)
}
