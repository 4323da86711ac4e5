use std::{sync::Arc, time::SystemTime};

use crate::{
    AuthFuture, AuthOutcome, BoxError, KeyDigests, KeyRecord, KeyScheme, KeyStatus, KeyStore, Rejection, RejectionKind,
    RequestHead,
    base::{
        clock::rfc3339,
        credential::{Credential, Empty, Source},
    },
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
    pub(super) judge: Judge,
}

/// Decides by a record. It is separate from [`KeyCheck`] because futures own a clone of it.
#[derive(Clone)]
pub(super) struct Judge {
    pub(super) disclosure: Disclosure,
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
        let Some(digests) = self.scheme.digests(presented) else {
            return AuthFuture::ready(AuthOutcome::Rejected(self.judge.malformed.clone()));
        };
        self.look_up(&digests, request)
    }

    /// Returns the credential of the first declared source that has one. A scheme without a credential counts as
    /// absent, like an empty header. If another source has a credential, such a request is ambiguous and is refused.
    fn presented<'a>(&'a self, request: &'a RequestHead<'_>) -> Result<Option<&'a [u8]>, Rejection> {
        let (mut found, mut empty) = (None, None);
        for source in self.sources.iter().filter(|source| request.may_read(source.header())) {
            match source.read(request.headers()) {
                Ok(read) => found = found.or(read),
                Err(Empty) => empty = Some(source),
            }
        }
        match (found, empty) {
            (Some(_), Some(source)) => {
                let cause = "an authorization scheme has no credential, and another header has one";
                Err(Rejection::malformed_header(source.header().as_str(), cause).refused_by(LAYER))
            }
            (found, _) => Ok(found.map(Credential::secret)),
        }
    }

    /// Returns whether the presented credential has the format of a key.
    pub(super) fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        self.presented(request).ok().flatten().is_some_and(|presented| self.scheme.format().accepts(presented))
    }

    fn look_up(&self, digests: &KeyDigests, request: &RequestHead<'_>) -> AuthFuture {
        match self.store.find(digests).now() {
            Ok(found) => AuthFuture::ready(self.judge.conclude(found, || request.now())),
            Err(future) => {
                let (judge, limit) = (self.judge.clone(), request.time_limit().clone());
                AuthFuture::bounded(async move {
                    let found =
                        limit.wait(future).await.unwrap_or_else(|late| Err(format!("the key store {late}").into()));
                    judge.conclude(found, || limit.clock().now())
                })
            }
        }
    }
}

impl Judge {
    pub(super) fn new() -> Self {
        Self {
            disclosure: Disclosure::Nothing,
            malformed: invalid("the key does not match the key format"),
            unknown: invalid("the key is unknown"),
        }
    }

    #[inline]
    fn conclude(&self, found: Result<Option<KeyRecord>, BoxError>, now: impl FnOnce() -> SystemTime) -> AuthOutcome {
        match found {
            Ok(Some(record)) => {
                // Most keys have no start or expiry time; for them, the clock is not read.
                let now = if record.has_times() { now() } else { SystemTime::UNIX_EPOCH };
                match record.status(now) {
                    KeyStatus::Active => match record.nameless() {
                        None => AuthOutcome::Authenticated(record.into_principal()),
                        Some(what) => {
                            let cause = format!("the store's record of this key has an empty {what}");
                            AuthOutcome::Rejected(Rejection::internal(cause).refused_by(LAYER))
                        }
                    },
                    status => AuthOutcome::Rejected(self.refuse(status, record)),
                }
            }
            Ok(None) => AuthOutcome::Rejected(self.unknown.clone()),
            Err(error) => AuthOutcome::Rejected(Rejection::unavailable(error).refused_by(LAYER)),
        }
    }

    /// Returns the refusal of an inactive key. The client learns what [`Disclosure`] allows, the observer learns the
    /// state.
    fn refuse(&self, status: KeyStatus, record: KeyRecord) -> Rejection {
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
        rejection.cause(cause).with_principal(record.into_principal()).refused_by(LAYER)
    }
}

const LAYER: &str = "api_key";

fn invalid(cause: &'static str) -> Rejection {
    Rejection::new(RejectionKind::InvalidKey).cause(cause).refused_by(LAYER)
}
