//! Where a 5xx refusal of a service is logged: in the layer of this crate around it, which knows the request; without
//! such a layer, in the conversion into a response.

use std::cell::Cell;

use http::Response;

use crate::{Decision, Rejection};

thread_local! {
    /// Whether a layer that logs faults is polling the service on this thread.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Calls or polls a service when the caller inspects its response afterwards.
#[inline]
pub(crate) fn watched<T>(call: impl FnOnce() -> T) -> T {
    /// Restores the flag, also when the service panics.
    struct Restore(bool);

    impl Drop for Restore {
        fn drop(&mut self) {
            WATCHED.set(self.0);
        }
    }

    let _restore = Restore(WATCHED.replace(true));
    call()
}

impl Rejection {
    /// Returns the response of a stack without an envelope: status, challenge, `Retry-After`, an empty body, and the
    /// refusal in the extensions. An envelope further out adds a body.
    ///
    /// A layer of this crate further out logs the refusal. Without such a layer, a status of 500 and above is logged
    /// here.
    #[must_use]
    pub fn into_response<B: Default>(self) -> Response<B> {
        self.logged_if_unwatched().response()
    }

    /// Logs a 5xx refusal, unless a layer further out will log it.
    pub(crate) fn logged_if_unwatched(self) -> Self {
        if self.is_logged() || !self.status().is_server_error() || WATCHED.get() {
            return self;
        }
        Decision::from_further_in(&self, None).log();
        self.logged()
    }
}
