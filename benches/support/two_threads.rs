//! Rows that work in two threads at the same time.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use super::harness::{Bench, Row};

impl Bench {
    /// Adds a candidate that does `this` while a second thread does `other`.
    pub(crate) fn in_two_threads(
        &mut self,
        name: &str,
        mut this: impl FnMut() + 'static,
        other: impl FnMut() + Send + 'static,
    ) -> Row {
        let other = Other::start(other);
        self.work(name, move || {
            other.begin();
            this();
            other.end();
        })
    }
}

/// A second thread. It sleeps while other rows run.
struct Other {
    begin: Sender<()>,
    end: Receiver<()>,
}

impl Other {
    fn start(mut work: impl FnMut() + Send + 'static) -> Self {
        let ((begin, asked), (done, end)) = (channel(), channel());
        // The thread ends when the row drops its channels.
        thread::spawn(move || {
            while asked.recv().is_ok() {
                work();
                if done.send(()).is_err() {
                    break;
                }
            }
        });
        Self { begin, end }
    }

    fn begin(&self) {
        self.begin.send(()).expect("the second thread is waiting");
    }

    fn end(&self) {
        self.end.recv().expect("the second thread answers");
    }
}
