use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::{
    SigningKeyStore, SigningPolicy, StoredSigningKey, chain::Chain, chain::Local, published::Published, sealer::Sealer,
};
use crate::{
    BoxError, Clock, ConfigError, Peppers,
    base::{error::with_causes, time_limit::TimeLimit},
    token::SigningKey,
};

/// The keys that sign the tokens of this service. Clones share everything.
///
/// The [module page](crate::session::signing) has an example.
#[derive(Clone)]
pub struct SigningKeys(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) store: Box<dyn SigningKeyStore>,
    pub(super) sealer: Sealer,
    pub(super) policy: SigningPolicy,
    pub(super) limit: TimeLimit,
    pub(super) published: ArcSwap<Published>,
    /// Held by the one that reads the store, so that an older answer never replaces a newer one.
    pub(super) turn: Mutex<()>,
}

/// How long a call waits for the store.
const TIMEOUT: Duration = Duration::from_secs(10);

impl SigningKeys {
    /// Creates keys that only this process has: for a service of one process, and for tests. A restart makes new keys, and tokens of
    /// the old keys are refused from then on.
    ///
    /// ```
    /// use tower_auth::{Clock, session::signing::{SigningKeys, SigningPolicy}};
    ///
    /// let keys = SigningKeys::in_memory(SigningPolicy::new(), Clock::system())?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the policy cannot be used, or the operating system provides no random bytes.
    pub fn in_memory(policy: SigningPolicy, clock: impl Into<Clock>) -> Result<Self, ConfigError> {
        policy.check()?;
        let (clock, sealer) = (clock.into(), Sealer::new(&Peppers::ephemeral()?));
        let key = SigningKey::generate(policy.algorithm)?;
        let row = sealed(&sealer, &key, clock.now()).map_err(|error| unusable(&error))?;
        let published = Published::read(std::slice::from_ref(&row), &sealer, &Published::default(), clock.elapsed());
        let mut chain = Chain::default();
        chain.add(row);
        let keys = Self::new(Box::new(Local::new(chain)), sealer, policy, clock);
        keys.0.published.store(published.into());
        Ok(keys)
    }

    /// Reads the keys of a store, and makes the first key if there is none. Of several processes that start at the same moment, one makes
    /// it. The peppers encrypt the private keys: all processes have the same.
    ///
    /// If the store cannot be changed, the keys that it has are used, and the error is logged.
    ///
    /// # Errors
    /// If the policy cannot be used, if the store does not answer, or if there is no key that signs and none can be made.
    pub async fn open(
        store: impl SigningKeyStore,
        peppers: &Peppers,
        policy: SigningPolicy,
        clock: impl Into<Clock>,
    ) -> Result<Self, ConfigError> {
        policy.check()?;
        let keys = Self::new(Box::new(store), Sealer::new(peppers), policy, clock.into());
        if let Err(error) = keys.refresh().await {
            if keys.current(keys.clock().now()).is_err() {
                return Err(unusable(&error));
            }
            let error = with_causes(&*error);
            tracing::warn!(target: "tower_auth", %error, "the signing keys are used as they are; they could not be refreshed");
        }
        Ok(keys)
    }

    fn new(store: Box<dyn SigningKeyStore>, sealer: Sealer, policy: SigningPolicy, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            store,
            sealer,
            policy,
            limit: TimeLimit::new(clock, TIMEOUT),
            published: ArcSwap::default(),
            turn: Mutex::default(),
        }))
    }

    /// Returns the key that signs at this time: the newest key that has begun to sign. It waits for nothing.
    ///
    /// # Errors
    /// If this process has no private key. The log says why.
    pub fn current(&self, now: SystemTime) -> Result<SigningKey, BoxError> {
        let published = self.0.published.load();
        published.signer(now).cloned().ok_or_else(|| "there is no signing key that this process can use".into())
    }

    /// Returns the key set: a JSON document (RFC 7517, section 5) with every public key whose tokens may still be valid, and the next
    /// key. Serve it as `/.well-known/jwks.json`, and let clients keep it for at most the time that
    /// [`SigningPolicy::publish_ahead`] says.
    #[must_use]
    pub fn key_set_json(&self) -> Bytes {
        self.0.published.load().document.clone()
    }

    /// Checks that tokens of this lifetime can be verified until they expire.
    ///
    /// # Errors
    /// If an old key is not published for five minutes longer ([`SigningPolicy::keep`]).
    pub fn check_lifetime(&self, lifetime: Duration) -> Result<(), ConfigError> {
        self.0.policy.check_lifetime(lifetime)
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.limit.clock()
    }
}

/// Returns what a store keeps of a new key.
pub(super) fn sealed(sealer: &Sealer, key: &SigningKey, from: SystemTime) -> Result<StoredSigningKey, BoxError> {
    Ok(StoredSigningKey::new(key.id(), key.algorithm(), key.public_jwk(), sealer.seal(key)?, from))
}

fn unusable(error: &BoxError) -> ConfigError {
    ConfigError::new(
        format!("the signing keys cannot be loaded: {}", with_causes(&**error)),
        "check that the database answers and has the current schema, and that the peppers are those of the other processes",
    )
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let published = self.0.published.load();
        let ids: Vec<&str> = published.entries.iter().map(|entry| entry.id.as_str()).collect();
        f.debug_struct("SigningKeys").field("keys", &ids).field("policy", &self.0.policy).finish_non_exhaustive()
    }
}
