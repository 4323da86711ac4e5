use std::sync::Arc;

use super::KeyRecord;
use crate::{BoxError, KeyDigests, MaybeReady};

/// The result of a store: a value that is ready ([`MaybeReady::ready`]) or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::{KeyRecord, StoreFuture};
///
/// let nothing: StoreFuture<Option<KeyRecord>> = StoreFuture::ready(Ok(None));
/// ```
pub type StoreFuture<T> = MaybeReady<Result<T, BoxError>>;

/// A source of key records, such as a table, a service or a map in memory.
///
/// The [module page](crate::store) has a complete example.
///
/// ```
/// use tower_auth::{BoxError, KeyDigests, KeyRecord, KeyStore, StoreFuture};
///
/// /// A store that is down.
/// struct Down;
///
/// impl KeyStore for Down {
///     fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
///         StoreFuture::ready(Err("the database does not answer".into()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key store: it does not implement `KeyStore`",
    note = "implement `KeyStore::find` for it; the documentation of the module `store` shows an example of ten lines"
)]
pub trait KeyStore: Send + Sync + 'static {
    /// Returns the record of the key that has any of these digests, or `None` if there is no such key.
    ///
    /// The future must own its data: clone the pool and the digests into it. It may be dropped at any await, so it must
    /// be cancel-safe. If it takes longer than [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), 5 s
    /// by default, it is dropped, and the request is refused with 503.
    ///
    /// # Errors
    /// If the store cannot answer. The request is refused with 503, and the cause is logged.
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>>;

    /// Does the same without a cache: the answer is not older than the call. It is called for routes and layers that ask for
    /// fresh answers. A store that wraps another one passes the call on; the default calls [`find`](Self::find).
    ///
    /// # Errors
    /// As [`find`](Self::find).
    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.find(key)
    }
}

impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        (**self).find(key)
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        (**self).find_fresh(key)
    }
}
