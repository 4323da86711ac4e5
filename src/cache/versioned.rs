use std::sync::Arc;

/// A store on this machine that tells cheaply whether anything has changed, for
/// [`CachedKeyStore::local`](super::CachedKeyStore::local).
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use tower_auth::cache::Versioned;
///
/// /// Counts its changes after they are made, and before the calls that make them return.
/// struct Table(AtomicU64);
///
/// impl Versioned for Table {
///     fn version(&self) -> Option<u64> {
///         Some(self.0.load(Ordering::Acquire))
///     }
/// }
/// ```
pub trait Versioned: Send + Sync + 'static {
    /// Returns a number that differs from every earlier one if any process has changed anything that lookups depend on, since that
    /// number was returned. It is asked at each lookup, on the thread of the request, so it must not block. `None`
    /// means that it is not known: the store is asked then.
    fn version(&self) -> Option<u64>;
}

impl<V: Versioned + ?Sized> Versioned for Arc<V> {
    fn version(&self) -> Option<u64> {
        (**self).version()
    }
}
