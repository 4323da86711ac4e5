use std::sync::Arc;

use super::claims::Claims;
use crate::{BoxError, MaybeReady};

/// Decides whether a token that verifies is still valid: whether it was revoked, and whether its subject is suspended.
///
/// A signature proves only what was true when the token was issued. [`status`](Self::status) is called for every
/// request, also for cached tokens, so it should answer from memory if possible. An error is answered 503: no request
/// is admitted while the revocation list cannot be read.
///
/// ```
/// use std::{collections::HashSet, sync::{Arc, RwLock}};
/// use tower_auth::{MaybeReady, BearerLayer, BoxError, TokenVerifier, token::{Claims, TokenRevocation, TokenStatus}};
///
/// /// The suspended subjects.
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
    message = "`{Self}` cannot check the revocation of tokens: it does not implement `TokenRevocation`",
    note = "implement `status` for it; the page of the trait shows a whole one"
)]
pub trait TokenRevocation: Send + Sync + 'static {
    /// Returns the status of this token. Identify the token by its `jti`
    /// ([`credential_id`](crate::Principal::credential_id)), its session ([`session_id`](Claims::session_id)), its subject
    /// and its `iat`, which is always present.
    ///
    /// The future must own its data. It may be dropped at any await. If it takes longer than
    /// [`AuthLayer::decision_timeout`](crate::AuthLayer::decision_timeout), 5 s by default, it is dropped and the
    /// request is answered 503.
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>>;

    /// Does the same without a cache: the answer is not older than the call. It is called for routes and layers that ask for
    /// fresh answers. The default calls [`status`](Self::status).
    fn status_fresh(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.status(token)
    }

    /// Returns whether [`status`](Self::status) is asked about the tokens of this issuer. Tokens of other issuers need no `iat`
    /// and are not revoked. The default is `true` for every issuer.
    fn covers(&self, issuer: &str) -> bool {
        let _ = issuer;
        true
    }
}

impl<T: TokenRevocation + ?Sized> TokenRevocation for Arc<T> {
    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        (**self).status(token)
    }

    fn status_fresh(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        (**self).status_fresh(token)
    }

    fn covers(&self, issuer: &str) -> bool {
        (**self).covers(issuer)
    }
}

/// The status of a token that verifies.
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
    /// The token is valid.
    Valid,
    /// The token was revoked, or its subject no longer exists. Answers 401, as for any invalid token.
    Revoked,
    /// The subject of the token is suspended. Answers 401 with a code for suspension.
    Suspended,
}
