//! The refusal of a caller that lacks a scope.

use http::{HeaderValue, header};

use crate::{AuthMethod, Challenge, Principal, Rejection, RejectionKind};

/// 403, with every scope that the operation needs: the client asks for all of them at once.
pub(super) fn insufficient(who: &Principal, scopes: Vec<String>) -> Rejection {
    let mut rejection = Rejection::new(RejectionKind::InsufficientPermissions);
    if *who.method() == AuthMethod::Token {
        let challenge = Challenge::new("Bearer").param("error", "insufficient_scope").param("scope", &scopes.join(" "));
        if let Ok(challenge) = HeaderValue::try_from(challenge.as_str()) {
            rejection = rejection.header(header::WWW_AUTHENTICATE, challenge);
        }
    }
    rejection.detail("required_permissions", scopes)
}
