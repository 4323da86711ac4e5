use std::sync::Arc;

use super::claims::Claims;
use crate::{BoxError, MaybeReady};

/// Whether a token that verifies is still good: whether it was taken back, and whether its subject may still come in.
///
/// A signature says what was true when the token was made. This is asked about every request afterwards, about remembered
/// tokens too, so it answers from memory where it can. An error is 503: nobody is let in because a list cannot be read.
///
/// ```
/// use std::{collections::HashSet, sync::{Arc, RwLock}};
/// use tower_auth::{MaybeReady, BearerLayer, BoxError, TokenVerifier, token::{Claims, TokenRevocation, TokenStatus}};
///
/// /// The subjects that support has locked out.
/// #[derive(Clone, Default)]
/// struct LockedOut(Arc<RwLock<HashSet<String>>>);
///
/// impl TokenRevocation for LockedOut {
///     fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
///         let locked = self.0.read().is_ok_and(|all| all.contains(token.principal().subject()));
///         MaybeReady::ready(Ok(if locked { TokenStatus::Suspended } else { TokenStatus::Valid }))
///     }
/// }
///
/// fn layer(tokens: TokenVerifier, locked_out: &LockedOut) -> BearerLayer {
///     BearerLayer::new(tokens).revocation(locked_out.clone())
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell which tokens were revoked: it does not implement `TokenRevocation`",
    note = "implement `status` for it; the page of the trait shows a whole one"
)]
pub trait TokenRevocation: Send + Sync + 'static {
    /// How things stand with this token, which has an `iat`: by its `jti` ([`credential_id`](crate::Principal::credential_id)),
    /// its subject and when it was issued. The future must own what it needs; it may be dropped at any await. It is dropped, and
    /// the request is refused with 503, when it takes longer than [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout),
    /// 5 s by default.
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>>;
}

impl<T: TokenRevocation + ?Sized> TokenRevocation for Arc<T> {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        (**self).status(token)
    }
}

/// How things stand with a token that verifies.
///
/// ```
/// use tower_auth::token::TokenStatus;
///
/// fn of(locked_out: bool) -> TokenStatus {
///     if locked_out { TokenStatus::Suspended } else { TokenStatus::Valid }
/// }
/// assert_eq!(of(true), TokenStatus::Suspended);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenStatus {
    /// It is good.
    Valid,
    /// It was taken back, or its subject is gone: 401, as any token that is not good.
    Revoked,
    /// Its subject is locked out for now: 401 that says so.
    Suspended,
}
