//! A refusal that a handler passes to the gate in front of it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Rejection;

/// A handle to refuse the request from inside a handler: the gate in front answers with this refusal instead of the
/// handler's response.
///
/// It is for code that cannot return a [`Rejection`] from the handler: a resolver, a tool, a library callback. It
/// exists if the stack was built with [`late_refusals`](crate::stack::AuthStackBuilder::late_refusals), and works until
/// the head of the response is sent. The gate does not stop the handler: it replaces the response when the handler
/// returns.
///
/// In axum it is an extractor (feature `axum`). A clone of a request has no handle.
///
/// ```
/// use tower_auth::{Rejection, RequestExt};
///
/// fn require_write<B>(request: &http::Request<B>) -> Result<(), Rejection> {
///     // 500 if the stack was built without `late_refusals`.
///     let handle = request.late_refusal()?;
///     // Returns the refusal if the head of the response was sent already.
///     handle.refuse(Rejection::insufficient_scope(["notes:read", "notes:write"]))
/// }
/// ```
#[derive(Clone)]
pub struct LateRefusal(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    Open,
    Refused(Rejection),
    /// The head of the response is sent, or the request was dropped.
    Closed,
}

impl LateRefusal {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Open)))
    }

    /// Refuses the request. The first refusal is used.
    ///
    /// # Errors
    /// Returns the refusal if it has no effect: the head of the response was sent, the request was dropped, or another refusal
    /// came first.
    pub fn refuse(&self, rejection: Rejection) -> Result<(), Rejection> {
        let mut state = self.lock();
        if !matches!(*state, State::Open) {
            return Err(rejection);
        }
        *state = State::Refused(rejection);
        Ok(())
    }

    fn close(&self) -> Option<Rejection> {
        match std::mem::replace(&mut *self.lock(), State::Closed) {
            State::Refused(rejection) => Some(rejection),
            State::Open | State::Closed => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The gate's end of a handle. When it is dropped, with the request or after an error of the service, the handle is
/// closed.
#[derive(Debug)]
pub(crate) struct GateEnd(LateRefusal);

impl GateEnd {
    pub(crate) fn new() -> Self {
        Self(LateRefusal::new())
    }

    /// Returns the handle for the request.
    pub(crate) fn handle(&self) -> LateRefusal {
        self.0.clone()
    }

    /// Closes the handle, and returns the refusal, if there is one.
    pub(crate) fn close(&self) -> Option<Rejection> {
        self.0.close()
    }
}

impl Drop for GateEnd {
    fn drop(&mut self) {
        drop(self.close());
    }
}

impl fmt::Debug for LateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LateRefusal").field(&*self.lock()).finish()
    }
}
