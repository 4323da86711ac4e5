//! An answer that is ready now, or a future of it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// What a store, an authenticator or a policy answers: ready now, or later.
///
/// The ready form costs nothing: no box, no clone of the inner service. The boxed form owns all that
/// it needs (`'static`), so an implementor clones a pool or a client into it. It goes by three names:
/// [`StoreFuture`](crate::StoreFuture), [`AuthFuture`](crate::AuthFuture) and [`PermissionFuture`](crate::PermissionFuture).
///
/// ```
/// use tower_auth::MaybeReady;
///
/// # futures_executor(async {
/// assert_eq!(MaybeReady::ready(1).await, 1);
/// assert_eq!(MaybeReady::boxed(async { 2 }).await, 2);
/// # });
/// # fn futures_executor(f: impl Future<Output = ()>) {
/// #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(f)
/// # }
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct MaybeReady<T>(State<T>);

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum State<T> {
    Ready(Option<T>),
    Boxed(BoxFuture<T>),
    /// A future that ends within a time limit of its own.
    Bounded(BoxFuture<T>),
}

impl<T> MaybeReady<T> {
    /// An answer that is known already.
    #[inline]
    pub const fn ready(value: T) -> Self {
        Self(State::Ready(Some(value)))
    }

    /// An answer that somebody else has to be asked for.
    pub fn boxed(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }

    /// The same of a future that ends within a time limit of its own.
    pub(crate) fn bounded(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Bounded(Box::pin(future)))
    }

    /// Whether the answer needs no time limit: it is ready, or it has one.
    #[inline]
    pub(crate) const fn is_bounded(&self) -> bool {
        !matches!(self.0, State::Boxed(_))
    }

    /// The value where it is ready, else the future.
    #[inline]
    pub(crate) fn now(self) -> Result<T, BoxFuture<T>>
    where
        T: Send + 'static,
    {
        match self.0 {
            State::Ready(Some(value)) => Ok(value),
            State::Ready(None) => Err(Box::pin(std::future::pending())),
            State::Boxed(future) | State::Bounded(future) => Err(future),
        }
    }

    /// The same answer, changed when it comes.
    #[inline]
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'static) -> MaybeReady<U>
    where
        T: Send + 'static,
    {
        let bounded = self.is_bounded();
        match self.now() {
            Ok(value) => MaybeReady::ready(change(value)),
            Err(future) if bounded => MaybeReady::bounded(async move { change(future.await) }),
            Err(future) => MaybeReady::boxed(async move { change(future.await) }),
        }
    }
}

/// Nothing is ever pinned inside: the boxed form is a pointer, the ready one is moved out.
impl<T> Unpin for MaybeReady<T> {}

impl<T> Future for MaybeReady<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // A future polled after it was done stays pending for ever, rather than panicking.
            State::Ready(value) => value.take().map_or(Poll::Pending, Poll::Ready),
            State::Boxed(future) | State::Bounded(future) => future.as_mut().poll(cx),
        }
    }
}

impl<T> fmt::Debug for MaybeReady<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Ready(_) => "MaybeReady::Ready(..)",
            State::Boxed(_) | State::Bounded(_) => "MaybeReady::Boxed(..)",
        })
    }
}
