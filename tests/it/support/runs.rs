//! The runtimes that may poll a request, and none.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use tokio::runtime::Builder;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    CurrentThread,
    MultiThread,
    /// tokio's time stands still until the runtime moves it.
    Paused,
    /// Built without `enable_time`: every timer of tokio's panics there.
    NoTimer,
    ManyWithoutTimer,
    PausedWithoutTimer,
    /// No tokio at all.
    Thread,
}

impl Runs {
    pub(crate) const ALL: [Self; 7] = [
        Self::CurrentThread,
        Self::MultiThread,
        Self::Paused,
        Self::NoTimer,
        Self::ManyWithoutTimer,
        Self::PausedWithoutTimer,
        Self::Thread,
    ];

    pub(crate) fn block_on<F: Future>(self, future: F) -> F::Output {
        let (mut one, mut many) = (Builder::new_current_thread(), Builder::new_multi_thread());
        let runtime = match self {
            Self::CurrentThread => one.enable_time().build(),
            Self::MultiThread => many.worker_threads(2).enable_time().build(),
            Self::Paused => one.enable_time().start_paused(true).build(),
            Self::NoTimer => one.build(),
            Self::ManyWithoutTimer => many.worker_threads(2).build(),
            Self::PausedWithoutTimer => one.start_paused(true).build(),
            Self::Thread => return park_on(future),
        };
        runtime.unwrap().block_on(future)
    }
}

struct Parked(Thread);

impl Wake for Parked {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn park_on<F: Future>(future: F) -> F::Output {
    let (waker, mut future) = (Waker::from(Arc::new(Parked(thread::current()))), pin!(future));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
