//! The refusals of tokens, and their challenges.

use std::sync::Arc;

use http::{HeaderValue, header};

use crate::{
    AuthOutcome, BoxError, Challenge, Rejection, RejectionKind,
    base::{
        challenge,
        credential::{Cookie, Source},
        subprotocol::Unreadable,
    },
    token::{Claims, Refused, TokenError, TokenStatus},
};

/// The name of the layer in the log.
pub(super) const LAYER: &str = "bearer";

/// The challenges of refusals, built once.
#[derive(Debug)]
pub(super) struct Judge {
    bearer: Words,
    /// For tokens with the scheme `DPoP`.
    dpop: Words,
}

/// A challenge such as `Bearer realm="…"` with each error.
#[derive(Debug)]
struct Words {
    /// Without an error.
    offer: Challenge,
    /// `error="invalid_token"`.
    invalid: Arc<HeaderValue>,
    expired: Arc<HeaderValue>,
    /// `error="invalid_request"`.
    malformed: HeaderValue,
    repeated: HeaderValue,
}

impl Words {
    /// `beside` is another challenge that a client may follow.
    fn new(offer: &Challenge, beside: Option<&Challenge>) -> Self {
        let challenge = |error, description| {
            let challenge = offer.clone().param("error", error).param("error_description", description);
            let all = challenge::list([challenge.as_str()].into_iter().chain(beside.map(Challenge::as_str)));
            // A challenge is visible ASCII, so the conversion does not fail.
            HeaderValue::try_from(all).unwrap_or(HeaderValue::from_static("Bearer realm=\"api\""))
        };
        Self {
            offer: offer.clone(),
            invalid: Arc::new(challenge("invalid_token", "The access token is invalid")),
            expired: Arc::new(challenge("invalid_token", "The access token expired")),
            malformed: challenge("invalid_request", "The Authorization header has no token"),
            repeated: challenge("invalid_request", "The cookie with the token occurs more than once"),
        }
    }
}

impl Judge {
    /// Tokens with the scheme `Bearer` are answered with `dpop` too, if it is there. If `bearer` is missing, they are not accepted.
    pub(super) fn new(bearer: Option<&Challenge>, dpop: Option<&Challenge>) -> Self {
        let fallback = Challenge::new("Bearer");
        let only = bearer.or(dpop).unwrap_or(&fallback);
        Self {
            bearer: Words::new(only, dpop.filter(|_| bearer.is_some())),
            dpop: Words::new(dpop.unwrap_or(only), None),
        }
    }

    const fn words(&self, by_dpop: bool) -> &Words {
        if by_dpop { &self.dpop } else { &self.bearer }
    }

    #[cold]
    pub(super) fn unreadable(&self, source: &Source, why: Unreadable, by_dpop: bool) -> Rejection {
        let words = self.words(by_dpop);
        let (header, why, told) = match (source, why) {
            (Source::Subprotocol(_), Unreadable::Empty) => {
                (None, "the WebSocket subprotocol has no token", "The WebSocket subprotocol has no token")
            }
            (_, Unreadable::Empty) => (Some(words.malformed.clone()), "an authorization scheme has no credential", ""),
            (_, Unreadable::Repeated) => {
                (None, "two WebSocket subprotocols have a token", "Two WebSocket subprotocols have a token")
            }
            (_, Unreadable::NotBase64Url) => (
                None,
                "the token in the WebSocket subprotocol is not base64url",
                "The token in the WebSocket subprotocol is not base64url",
            ),
        };
        let challenge = || {
            let challenge = words.offer.clone().param("error", "invalid_request").param("error_description", told);
            HeaderValue::try_from(challenge.as_str()).unwrap_or_else(|_| words.malformed.clone())
        };
        Rejection::malformed_header(source.header().as_str(), why)
            .header(header::WWW_AUTHENTICATE, header.unwrap_or_else(challenge))
            .refused_by(LAYER)
    }

    #[cold]
    pub(super) fn repeated(&self, cookie: &Cookie) -> Rejection {
        Rejection::malformed_header(Cookie::header().as_str(), "a cookie occurs more than once")
            .cause(format!(
                "the cookie {:?} occurs more than once, and only one of them can be the service's",
                cookie.name()
            ))
            .header(header::WWW_AUTHENTICATE, self.bearer.repeated.clone())
            .refused_by(LAYER)
    }

    pub(super) fn weigh(&self, claims: Claims, status: Result<TokenStatus, BoxError>, by_dpop: bool) -> AuthOutcome {
        let error = match status {
            Ok(TokenStatus::Valid) => return AuthOutcome::Authenticated(claims.into_principal()),
            Ok(TokenStatus::Revoked) => TokenError::Revoked,
            Ok(TokenStatus::Suspended) => TokenError::Suspended,
            Err(why) => return AuthOutcome::Rejected(Rejection::unavailable(why).refused_by(LAYER)),
        };
        AuthOutcome::Rejected(self.refuse(Refused::of(claims.into_principal(), error), by_dpop))
    }

    pub(super) fn refuse(&self, refused: Refused, by_dpop: bool) -> Rejection {
        let words = self.words(by_dpop);
        let rejection = match refused.error {
            TokenError::Suspended => {
                Rejection::new(RejectionKind::Suspended).challenge(Some(Arc::clone(&words.invalid)))
            }
            TokenError::Unavailable(_) => return Rejection::unavailable(refused).refused_by(LAYER),
            TokenError::Expired | TokenError::TooOld => {
                Rejection::new(RejectionKind::ExpiredToken).challenge(Some(Arc::clone(&words.expired)))
            }
            _ => Rejection::new(RejectionKind::InvalidToken).challenge(Some(Arc::clone(&words.invalid))),
        };
        let holder = refused.holder.clone();
        let rejection = rejection.cause(refused).refused_by(LAYER);
        match holder {
            Some(holder) => rejection.with_principal(holder),
            None => rejection,
        }
    }
}
