use std::sync::Arc;

use crate::{BoxError, MaybeReady, token::VerifyingKey};

/// The public keys that sign reports of leaked keys. [`GitHubKeys`](super::GitHubKeys) are GitHub's.
///
/// ```
/// use tower_auth::{BoxError, MaybeReady, leaks::ReportKeys, token::VerifyingKey};
///
/// /// The one key of a test.
/// struct OneKey(VerifyingKey);
///
/// impl ReportKeys for OneKey {
///     fn find(&self, identifier: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
///         MaybeReady::ready(Ok((identifier == "test").then(|| self.0.clone())))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of the keys that sign reports: it does not implement `ReportKeys`",
    note = "pass `GitHubKeys`, or implement `ReportKeys::find`"
)]
pub trait ReportKeys: Send + Sync + 'static {
    /// Returns the key with this identifier, or `None` if there is none. The key must be for
    /// [`Es256`](crate::token::Algorithm::Es256).
    ///
    /// The identifier is the value of a header that anybody may send: 1 to 256 visible ASCII characters. The future must
    /// own its data, and may be dropped at any await. After ten seconds it is dropped.
    ///
    /// # Errors
    /// If it is not known whether there is such a key. The report is answered 503, and the cause is logged.
    fn find(&self, identifier: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>>;
}

impl<K: ReportKeys + ?Sized> ReportKeys for Arc<K> {
    fn find(&self, identifier: &str) -> MaybeReady<Result<Option<VerifyingKey>, BoxError>> {
        (**self).find(identifier)
    }
}
