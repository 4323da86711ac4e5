//! Who logs a fault that a service answers: the layer of this crate around it, which knows the request, or where there is
//! none, the conversion into a response itself.

use std::cell::Cell;

use http::Response;

use crate::{Decision, Rejection};

thread_local! {
    /// Whether a layer that logs faults is waiting for what runs on this thread.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Calls or polls a service whose response is looked at afterwards.
#[inline]
pub(crate) fn watched<T>(call: impl FnOnce() -> T) -> T {
    /// Also where the service panics.
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
    /// The response of a stack without an envelope: status, challenge, `Retry-After`, an empty body, and the refusal in
    /// the extensions. An envelope further out gives it a body.
    ///
    /// A layer of this crate further out logs the refusal. Where there is none, one of 500 and above is logged here,
    /// so that no fault is lost.
    #[must_use]
    pub fn into_response<B: Default>(self) -> Response<B> {
        self.logged_if_unwatched().response()
    }

    /// Logs a fault that nobody else would.
    pub(crate) fn logged_if_unwatched(self) -> Self {
        if self.is_logged() || !self.status().is_server_error() || WATCHED.get() {
            return self;
        }
        Decision::from_further_in(&self, None).log();
        self.logged()
    }
}
