//! Who the holder of a session is by now.

use std::{fmt, sync::Arc};

use super::Grant;
use crate::{BoxError, MaybeReady, Principal};

type Asked = dyn Fn(&Principal) -> MaybeReady<Result<Option<Principal>, BoxError>> + Send + Sync;

/// A function of the service that knows its users.
#[derive(Clone)]
pub(super) struct Recheck(Arc<Asked>);

impl Recheck {
    pub(super) fn new(
        asked: impl Fn(&Principal) -> MaybeReady<Result<Option<Principal>, BoxError>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(asked))
    }

    /// Returns the grant as it is now; `None` if its holder may no longer have a session.
    pub(super) async fn ask(&self, grant: &Grant) -> Result<Option<Grant>, BoxError> {
        let holder = (self.0)(grant.holder()).await?;
        Ok(holder.map(|holder| grant.held_by(&holder)))
    }
}

impl fmt::Debug for Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recheck(..)")
    }
}
