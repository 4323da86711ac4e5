//! A call of a store or a server for which requests of a bucket wait.

use std::sync::Arc;

use tokio::sync::watch;

use crate::BoxError;

/// The result: `None` while the call is under way.
type Landed = Option<Result<(), Arc<str>>>;

/// A call that is under way, or over. Clones wait for the same call.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Landed>);

/// The end of a flight, for the task that makes the call. If it is dropped, the flight is over too.
pub(super) struct Landing(watch::Sender<Landed>);

impl Flight {
    pub(super) fn begin() -> (Landing, Self) {
        let (sender, receiver) = watch::channel(None);
        (Landing(sender), Self(receiver))
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.0.borrow().is_none() && self.0.has_changed().is_ok()
    }

    /// Waits for the end of the call. Any number of callers may wait, and any of them may stop waiting.
    pub(super) async fn landed(mut self) -> Result<(), BoxError> {
        let landed = match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone(),
            Err(_) => None,
        };
        let ended = || Err("the task that asked for a limit has ended: its runtime has stopped".into());
        landed.unwrap_or_else(ended).map_err(|why| why.as_ref().into())
    }
}

impl Landing {
    pub(super) fn land(self, result: Result<(), Arc<str>>) {
        self.0.send_replace(Some(result));
    }
}
