use std::sync::Arc;

use super::{lane::Lane, session::Setup, watch::Watch};

/// What the clones of a store share.
pub(super) struct Inner {
    /// Comes first, so that the thread that drops the store seldom closes the last connection, which would tidy the file.
    pub(super) watch: Arc<Watch>,
    pub(super) setup: Setup,
    /// Lookups of guards, which wait for nothing else.
    pub(super) lookups: Lane,
    /// What only a registry reads. A long list must not delay a lookup.
    pub(super) lists: Lane,
    /// The only thread of the process that changes the file.
    pub(super) writer: Lane,
}
