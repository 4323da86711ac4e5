use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{BoxError, MaybeReady, token::Algorithm};

/// The result of a [`SigningKeyStore`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::session::signing::{SigningFuture, StoredSigningKey};
///
/// let nothing: SigningFuture<Vec<StoredSigningKey>> = SigningFuture::ready(Ok(Vec::new()));
/// ```
pub type SigningFuture<T> = MaybeReady<Result<T, BoxError>>;

/// Where several processes keep their signing keys, such as a table of a database. The private keys are encrypted before a store
/// sees them.
///
/// # The chain
///
/// The keys form a chain: each key but the first names the key that it follows ([`StoredSigningKey::after`]). The last key that was
/// added is the *newest*. These rules keep processes that rotate at the same moment from making two successors:
///
/// - A key is added only after the newest key. The first key is added only to an empty store.
/// - The newest key is never removed. So a store that had a key once is never empty again, and no key gets a second successor,
///   because the keys that had one are not the newest.
///
/// A table with a number for each key keeps both rules. `add` inserts the number of the newest key plus one, if the newest key has the
/// id that `after` names. A unique index on the number, and on the id, decides between two processes. `remove` deletes a row
/// if there is a row with a higher number.
///
/// `testing::conformance::check_signing_keys` checks an implementation.
///
/// ```
/// use tower_auth::{MemoryKeyStore, session::signing::SigningKeyStore};
///
/// async fn newest(store: &dyn SigningKeyStore) -> Option<String> {
///     let keys = store.signing_keys().await.unwrap_or_default();
///     keys.last().map(|key| key.id.clone())
/// }
/// # drop(newest(&MemoryKeyStore::new()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of signing keys: it does not implement `SigningKeyStore`",
    note = "the stores of keys of this crate do; the page of the trait says what an own one needs"
)]
pub trait SigningKeyStore: Send + Sync + 'static {
    /// Returns all keys in the order of the chain, the newest last. The order of their times may be another one: a key that replaces
    /// a lost key signs earlier than the key before it would have.
    ///
    /// # Errors
    /// If the store does not answer.
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>>;

    /// Adds a key after the newest one, and returns `true`. Returns `false` and changes nothing if
    ///
    /// - `key.after` is an id, and it is not the id of the newest key: another process was first, or the key was removed,
    /// - `key.after` is `None`, and there is a key already,
    /// - there is a key with this id already.
    ///
    /// Of several calls at the same moment, one returns `true`. The caller of the others reads the keys again.
    ///
    /// # Errors
    /// If the store does not answer. The key may have been added nevertheless: the caller reads the keys again.
    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool>;

    /// Replaces the encrypted part of a key, which was encrypted anew with the current pepper. An unknown id is skipped.
    ///
    /// # Errors
    /// If the store does not answer.
    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()>;

    /// Removes a key. Idempotent: an unknown id is skipped. The newest key is not removed, and the call returns `Ok` all the same.
    ///
    /// # Errors
    /// If the store does not answer.
    fn remove_signing_key(&self, id: &str) -> SigningFuture<()>;

    /// Returns the time that the store shows, such as `SELECT now()`. A process whose clock differs from it by more than two minutes
    /// adds and removes no key, except the first.
    ///
    /// `None`, the default, is for a store that several machines cannot share: its clock is that of the process. A store that they
    /// can share returns its time, because a process with a wrong clock removes keys that others sign with.
    ///
    /// # Errors
    /// If the store does not answer.
    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        SigningFuture::ready(Ok(None))
    }
}

impl<S: SigningKeyStore + ?Sized> SigningKeyStore for Arc<S> {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        (**self).signing_keys()
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        (**self).add_signing_key(key)
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        (**self).reseal_signing_key(id, sealed)
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        (**self).remove_signing_key(id)
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        (**self).store_time()
    }
}

/// What a store keeps of a signing key. `Debug` does not show the encrypted part.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::{session::signing::StoredSigningKey, token::Algorithm};
///
/// let key = StoredSigningKey::new("kid-2", Algorithm::Es256, "{}", vec![1, 2, 3], SystemTime::UNIX_EPOCH).after("kid-1");
/// assert_eq!(key.after.as_deref(), Some("kid-1"));
/// assert!(!format!("{key:?}").contains("[1, 2, 3]"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredSigningKey {
    /// The id: the `kid` of the tokens that the key signs. At most 43 characters of base64url if this crate made the key.
    pub id: String,
    /// The algorithm. A database keeps its [name](Algorithm::name).
    pub algorithm: Algorithm,
    /// The public key: a JSON Web Key as a text, which a store returns unchanged. About 200 bytes for an elliptic curve and 700 for RSA.
    pub public: String,
    /// The encrypted private key: about 120 bytes for an elliptic curve and 2,000 for RSA.
    pub sealed: Vec<u8>,
    /// When the key begins to sign, in whole microseconds.
    pub signs_from: SystemTime,
    /// The id of the key that it follows; `None` for the first key.
    pub after: Option<String>,
}

impl StoredSigningKey {
    /// Creates the first key. Its time is cut to whole microseconds.
    pub fn new(
        id: impl Into<String>,
        algorithm: Algorithm,
        public: impl Into<String>,
        sealed: Vec<u8>,
        signs_from: SystemTime,
    ) -> Self {
        Self {
            id: id.into(),
            algorithm,
            public: public.into(),
            sealed,
            signs_from: whole_microseconds(signs_from),
            after: None,
        }
    }

    /// Sets the id of the key that it follows.
    #[must_use]
    pub fn after(self, id: impl Into<String>) -> Self {
        Self { after: Some(id.into()), ..self }
    }
}

impl fmt::Debug for StoredSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredSigningKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .field("signs_from", &self.signs_from)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// Returns the last whole microsecond that is not after the time.
fn whole_microseconds(time: SystemTime) -> SystemTime {
    let Ok(since) = time.duration_since(SystemTime::UNIX_EPOCH) else { return time };
    let rest = Duration::from_nanos(u64::from(since.subsec_nanos() % 1_000));
    time.checked_sub(rest).unwrap_or(time)
}
