//! A rejection inside a `tonic::Status`, which is recovered after tonic has written the status into trailers.

use std::{cell::Cell, error::Error, fmt};

use super::value::Rejection;

/// The source of a status that was made from a rejection.
///
/// A status that a handler's stream yields reaches its envelope as trailers only: tonic writes the trailers and drops
/// the status, inside the poll that returns the trailers. The drop passes the rejection to the code that
/// [watches](Self::watch) that poll, whichever thread made the status. If a clone of the status is kept elsewhere, the
/// rejection is not passed on.
pub(crate) struct Carried(Rejection);

/// Whether a watch is active on this thread, and the rejection that was dropped during it.
#[derive(Default)]
enum Watch {
    #[default]
    Nobody,
    Waiting,
    Dropped(Rejection),
}

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(Watch::Nobody) };
}

impl Carried {
    pub(crate) const fn new(rejection: Rejection) -> Self {
        Self(rejection)
    }

    pub(super) const fn rejection(&self) -> &Rejection {
        &self.0
    }

    /// Runs a poll, and returns the rejection that was dropped last in it. Watches may be nested: the innermost one
    /// receives the rejection.
    pub(crate) fn watch<T>(poll: impl FnOnce() -> T) -> (T, Option<Rejection>) {
        let outer = Outer(swap(Watch::Waiting));
        let polled = poll();
        let dropped = match swap(Watch::Nobody) {
            Watch::Dropped(rejection) => Some(rejection),
            Watch::Nobody | Watch::Waiting => None,
        };
        drop(outer);
        (polled, dropped)
    }
}

/// Replaces the watch. On a thread that is ending there is none.
fn swap(watch: Watch) -> Watch {
    WATCH.try_with(|current| current.replace(watch)).unwrap_or_default()
}

/// Restores the outer watch, also when a poll panics.
struct Outer(Watch);

impl Drop for Outer {
    fn drop(&mut self) {
        swap(std::mem::take(&mut self.0));
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        if !matches!(swap(Watch::Nobody), Watch::Nobody) {
            swap(Watch::Dropped(self.0.clone()));
        }
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Carried {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}
