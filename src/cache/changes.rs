use std::{fmt, sync::Arc, time::Duration};

use super::Announcement;
use crate::{BoxError, MaybeReady};

/// The result of [`Changes`]: ready, or a boxed future.
///
/// ```
/// use tower_auth::cache::ChangesFuture;
///
/// let done: ChangesFuture<()> = ChangesFuture::ready(Ok(()));
/// ```
pub type ChangesFuture<T> = MaybeReady<Result<T, BoxError>>;

/// How processes tell each other what has changed in a store that they share, for
/// [`CachedKeyStore::leased`](super::CachedKeyStore::leased).
///
/// The promise of the cache depends on this order: a change is committed, then announced, and only then the call that has made it
/// returns. When a [`barrier`](Subscription::barrier) that began later completes, the change was given to the sink.
///
/// All futures own their data. They may be dropped at any await.
pub trait Changes: Send + Sync + 'static {
    /// Subscribes with a connection of its own. When the future completes, every change that is announced from then on is given
    /// to the sink, or the sink is told that the connection is [lost](ChangeSink::lost). If all clones of the sink are dropped, the
    /// subscription counts as lost too. The cache sets a time limit.
    ///
    /// # Errors
    /// If the other side does not answer, or cannot keep the order that the trait asks for.
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>>;

    /// Returns the bound that all processes share. If none is stored yet, stores `wanted` and returns it. A cache whose own
    /// bound is larger than the stored one refuses to work.
    ///
    /// # Errors
    /// If the other side does not answer.
    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration>;

    /// Returns the bound that all processes share, and stores none; `None` if none is stored.
    ///
    /// # Errors
    /// If the other side does not answer.
    fn stored_bound(&self) -> ChangesFuture<Option<Duration>>;

    /// Announces committed changes to all subscribers, this process included. When it completes, they are in the order that
    /// the trait asks for. The default does nothing, for stores that announce their changes themselves.
    ///
    /// # Errors
    /// If a subscriber may not have been told. The caller tries again.
    fn announce(&self, changes: &[Announcement]) -> ChangesFuture<()> {
        let _ = changes;
        ChangesFuture::ready(Ok(()))
    }
}

/// A subscription to [`Changes`]. It ends when it is dropped.
pub trait Subscription: Send {
    /// Asks the other side over the connection of the subscription. When the future completes, every change that was announced
    /// before this call was given to the sink.
    ///
    /// # Errors
    /// If the connection is lost, or no longer leads to where changes are announced.
    fn barrier(&mut self) -> ChangesFuture<()>;
}

impl<C: Changes + ?Sized> Changes for Arc<C> {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        (**self).subscribe(sink)
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        (**self).shared_bound(wanted)
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        (**self).stored_bound()
    }

    fn announce(&self, changes: &[Announcement]) -> ChangesFuture<()> {
        (**self).announce(changes)
    }
}

/// Where a subscription delivers what it hears. Each call takes effect before it returns and waits for nothing. Clones share it.
///
/// ```
/// use tower_auth::cache::ChangeSink;
///
/// /// A message of the channel.
/// fn received(sink: &ChangeSink, payload: &str) {
///     sink.announced(payload.parse().unwrap_or_else(|never| match never {}));
/// }
/// ```
#[derive(Clone)]
pub struct ChangeSink(Arc<dyn Fn(Heard) + Send + Sync>);

/// What a subscription hears.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use tower_auth::cache::{Announcement, ChangeSink, Changed, Heard};
///
/// let heard = Arc::new(Mutex::new(Vec::new()));
/// let sink = ChangeSink::new({
///     let heard = Arc::clone(&heard);
///     move |one| heard.lock().unwrap().push(one)
/// });
/// sink.announced(Changed::NewKey.into());
/// assert!(matches!(heard.lock().unwrap()[..], [Heard::Announced(_)]));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Heard {
    /// Something has changed.
    Announced(Announcement),
    /// Nothing more will be heard, and why.
    Lost(BoxError),
}

impl ChangeSink {
    /// Creates a sink that calls this function: for tests of an implementation of [`Changes`].
    pub fn new(heard: impl Fn(Heard) + Send + Sync + 'static) -> Self {
        Self(Arc::new(heard))
    }

    /// Delivers an announcement.
    pub fn announced(&self, what: Announcement) {
        (self.0)(Heard::Announced(what));
    }

    /// Says that the connection is lost, so that the cache is not used any longer. It may be called more than once.
    pub fn lost(&self, why: impl Into<BoxError>) {
        (self.0)(Heard::Lost(why.into()));
    }
}

impl fmt::Debug for ChangeSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeSink(..)")
    }
}
