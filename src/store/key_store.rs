use std::sync::Arc;

use super::KeyRecord;
use crate::{BoxError, KeyDigests, MaybeReady};

/// What a store answers: ready now ([`MaybeReady::ready`]), or a boxed future ([`MaybeReady::boxed`]).
///
/// ```
/// use tower_auth::{KeyRecord, StoreFuture};
///
/// let nothing: StoreFuture<Option<KeyRecord>> = StoreFuture::ready(Ok(None));
/// ```
pub type StoreFuture<T> = MaybeReady<Result<T, BoxError>>;

/// Whatever knows keys: a table, a service, a map in memory.
///
/// The [module page](crate::store) has a whole one.
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
    message = "`{Self}` knows no keys: it does not implement `KeyStore`",
    note = "implement `KeyStore::find` for it; the page of the module `store` shows one over a table in ten lines"
)]
pub trait KeyStore: Send + Sync + 'static {
    /// The record of a key, found under any of the digests; nothing where there is none.
    ///
    /// The future must own what it needs: clone the pool and the digests into it. It may be dropped at any await. It is
    /// dropped, and the request is refused with 503, when it takes longer than
    /// [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), 5 s by default.
    ///
    /// # Errors
    /// Anything that kept the store from answering: the request is refused with 503 and the cause is logged.
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>>;
}

impl<S: KeyStore + ?Sized> KeyStore for Arc<S> {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        (**self).find(key)
    }
}
