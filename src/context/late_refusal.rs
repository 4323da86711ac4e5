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
/// ```
/// use tower_auth::{Rejection, RejectionKind, RequestExt};
///
/// fn require_step_up<B>(request: &http::Request<B>) {
///     if let Some(handle) = request.late_refusal() {
///         // Returns the refusal if the head of the response was sent already.
///         let _too_late = handle.refuse(Rejection::new(RejectionKind::InsufficientPermissions));
///     }
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
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State::Open)))
    }

    /// Refuses the request. If it is called several times, the first refusal is used.
    ///
    /// # Errors
    /// Returns the refusal if it is too late: the head of the response was sent, or another refusal came first.
    pub fn refuse(&self, rejection: Rejection) -> Result<(), Rejection> {
        let mut state = self.lock();
        if !matches!(*state, State::Open) {
            return Err(rejection);
        }
        *state = State::Refused(rejection);
        Ok(())
    }

    /// Closes the handle, and returns the refusal, if there is one.
    pub(crate) fn close(&self) -> Option<Rejection> {
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

impl fmt::Debug for LateRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LateRefusal").field(&*self.lock()).finish()
    }
}
