use std::task::{Context, Poll, ready};

use tower_service::Service;

/// A service that panics if it is called without being polled ready. A clone must be polled ready again.
///
/// Put the service inside your own layer to test that layer. A layer that clones its inner service and calls the clone
/// works with most services, and fails with services that rely on `poll_ready`, such as concurrency limits.
///
/// ```
/// use tower::{ServiceExt, service_fn};
/// use tower_auth::testing::AssertReady;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let probe = AssertReady::new(service_fn(|n: u32| async move { Ok::<_, std::convert::Infallible>(n + 1) }));
/// assert_eq!(probe.oneshot(1).await, Ok(2));
/// # });
/// ```
#[derive(Debug)]
pub struct AssertReady<S> {
    inner: S,
    ready: bool,
}

impl<S> AssertReady<S> {
    /// Wraps a service.
    pub const fn new(inner: S) -> Self {
        Self { inner, ready: false }
    }
}

impl<S: Clone> Clone for AssertReady<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone())
    }
}

impl<S: Service<R>, R> Service<R> for AssertReady<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        ready!(self.inner.poll_ready(cx))?;
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    /// # Panics
    /// If this value, not a clone of it, was not polled ready before the call.
    fn call(&mut self, request: R) -> S::Future {
        assert!(std::mem::take(&mut self.ready), "called without being polled ready: a layer above calls a clone");
        self.inner.call(request)
    }
}
