//! A value that is ready now, or a future of it.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The answer of a store, an authenticator or a policy: ready now, or later.
///
/// The ready form allocates nothing and clones no inner service. The boxed form is `'static` and owns its data, so an
/// implementor clones a pool or a client into it. Type aliases: [`StoreFuture`](crate::StoreFuture),
/// [`AuthFuture`](crate::AuthFuture) and [`PermissionFuture`](crate::PermissionFuture).
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
    /// A future that enforces its own time limit.
    Bounded(BoxFuture<T>),
}

impl<T> MaybeReady<T> {
    /// Returns an answer that is known already.
    #[inline]
    pub const fn ready(value: T) -> Self {
        Self(State::Ready(Some(value)))
    }

    /// Boxes a future that waits for the answer, such as a database query.
    pub fn boxed(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }

    /// Boxes a future that enforces its own time limit.
    pub(crate) fn bounded(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(State::Bounded(Box::pin(future)))
    }

    /// Returns whether the answer needs no further time limit: it is ready, or it enforces its own.
    #[inline]
    pub(crate) const fn is_bounded(&self) -> bool {
        !matches!(self.0, State::Boxed(_))
    }

    /// Returns the value if it is ready, else the future.
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

    /// Applies `change` to the answer: now if it is ready, else when it arrives.
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

/// No content is pinned: the boxed form is a pointer, and the ready value is moved out.
impl<T> Unpin for MaybeReady<T> {}

impl<T> Future for MaybeReady<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.0 {
            // A future that is polled after completion stays pending and does not panic.
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
