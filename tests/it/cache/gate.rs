//! What holds a call, or makes it fail.

use tokio::sync::watch;
use tower_auth::BoxError;

/// A place that calls pass. It is open at first.
pub(crate) struct Gate(watch::Sender<Pass>);

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Open,
    /// Open for one call.
    Once,
    Held,
    Failing,
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Pass::Open))
    }

    pub(crate) fn open(&self) {
        self.0.send_replace(Pass::Open);
    }

    /// Makes calls wait until the gate opens or fails.
    pub(crate) fn hold(&self) {
        self.0.send_replace(Pass::Held);
    }

    /// Lets one call pass, and holds the next ones.
    pub(crate) fn open_once(&self) {
        self.0.send_replace(Pass::Once);
    }

    pub(crate) fn fail(&self) {
        self.0.send_replace(Pass::Failing);
    }

    pub(crate) fn pass(&self) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
        let (gate, mut passing) = (self.0.clone(), self.0.subscribe());
        async move {
            while passing.wait_for(|pass| *pass != Pass::Held).await.is_ok() {
                let mut found = Pass::Held;
                gate.send_if_modified(|pass| {
                    found = *pass;
                    *pass == Pass::Once && std::mem::replace(pass, Pass::Held) == Pass::Once
                });
                match found {
                    Pass::Held => {}
                    Pass::Open | Pass::Once => return Ok(()),
                    Pass::Failing => return Err("it is set to fail".into()),
                }
            }
            std::future::pending().await
        }
    }
}
