//! What holds a call, or makes it fail.

use tokio::sync::watch;
use tower_auth::BoxError;

/// A place that calls pass. It is open at first.
pub(crate) struct Gate(watch::Sender<Pass>);

#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Open,
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

    pub(crate) fn fail(&self) {
        self.0.send_replace(Pass::Failing);
    }

    pub(crate) fn pass(&self) -> impl Future<Output = Result<(), BoxError>> + Send + 'static {
        let mut gate = self.0.subscribe();
        async move {
            let pass = gate.wait_for(|pass| *pass != Pass::Held).await.map(|pass| *pass);
            match pass {
                Ok(Pass::Failing) => Err("it is set to fail".into()),
                Ok(_) => Ok(()),
                Err(_) => std::future::pending().await,
            }
        }
    }
}
