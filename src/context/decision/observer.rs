use std::{fmt, sync::Arc};

use super::value::Decision;

/// A callback for decisions.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(&Decision<'_>) + Send + Sync>);

impl Observer {
    pub(crate) fn new(observe: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Returns an observer that calls this one, and then the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::new(move |decision| {
            self.tell(decision);
            other.tell(decision);
        })
    }

    pub(crate) fn tell(&self, decision: &Decision<'_>) {
        (self.0)(decision);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer(..)")
    }
}
