use std::sync::Arc;

use http::{HeaderValue, header};

use crate::{
    AuthFuture, Authenticated, BoxError, Challenge, Clock, Rejection, RejectionKind, RequestHead,
    attempts::{Attempts, Draw},
    credential::{Empty, Source},
    token::{Claims, TokenError, TokenRevocation, TokenStatus, TokenVerifier, Verified, claimed_issuer},
};

/// Reads a token and asks the verifier of its issuer.
#[derive(Clone)]
pub(super) struct TokenCheck {
    pub(super) source: Source,
    pub(super) verifiers: Vec<TokenVerifier>,
    pub(super) revocation: Option<Arc<dyn TokenRevocation>>,
    pub(super) judge: Arc<Judge>,
}

/// The refusals, made once.
#[derive(Debug)]
pub(super) struct Judge {
    /// `Bearer realm="…"` with `error="invalid_token"`, and with `error="invalid_request"`.
    invalid: Arc<HeaderValue>,
    expired: Arc<HeaderValue>,
    malformed: HeaderValue,
}

const LAYER: &str = "bearer";

impl TokenCheck {
    #[inline]
    pub(super) fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let token = match self.source.read(&request.headers) {
            Ok(Some(presented)) => presented.secret(),
            Ok(None) => return AuthFuture::ready(Authenticated::NoCredential),
            Err(Empty) => return AuthFuture::ready(Authenticated::Rejected(self.judge.empty(&self.source))),
        };
        if let Some(attempts) = request.attempts() {
            return self.verify_within(attempts, token, request);
        }
        match self.verify(token, request.clock_ref()).now() {
            Ok(verified) => self.conclude(verified),
            Err(future) => {
                let this = self.clone();
                AuthFuture::boxed(async move { this.conclude(future.await).await })
            }
        }
    }

    /// A signature is costly to check: an attempt is taken before, unless the token is remembered.
    fn verify_within(&self, attempts: &Attempts, token: &[u8], request: &RequestHead<'_>) -> AuthFuture {
        let clock = request.clock_ref();
        if let Some(claims) = self.verifier(token).and_then(|verifier| verifier.remembered(token, clock)) {
            return self.conclude(Ok(claims));
        }
        match attempts.draw().now() {
            Ok(Err(exhausted)) => {
                request.has_drawn(Draw::Settled(attempts.budget()));
                AuthFuture::ready(Authenticated::Rejected(exhausted))
            }
            Ok(Ok(drawn)) => {
                request.has_drawn(Draw::Held(drawn));
                match self.verify(token, clock).now() {
                    Ok(verified) => self.conclude(verified),
                    Err(future) => {
                        let this = self.clone();
                        AuthFuture::boxed(async move { this.conclude(future.await).await })
                    }
                }
            }
            Err(drawing) => {
                request.has_drawn(Draw::Settled(attempts.budget()));
                let (this, token, clock) = (self.clone(), token.to_vec(), request.clock());
                AuthFuture::boxed(async move {
                    let drawn = match drawing.await {
                        Ok(drawn) => drawn,
                        Err(exhausted) => return Authenticated::Rejected(exhausted),
                    };
                    let found = this.conclude(this.verify(&token, &clock).await).await;
                    if !matches!(&found, Authenticated::Rejected(rejection) if rejection.status().is_client_error()) {
                        drawn.give_back();
                    }
                    found
                })
            }
        }
    }

    /// A token that verifies is good if it was not taken back.
    #[inline]
    fn conclude(&self, verified: Result<Claims, TokenError>) -> AuthFuture {
        match (verified, &self.revocation) {
            (Ok(claims), Some(revocation)) => {
                let judge = Arc::clone(&self.judge);
                revocation.status(&claims).map(move |status| judge.weigh(claims, status))
            }
            (verified, _) => AuthFuture::ready(self.judge.conclude(verified)),
        }
    }

    #[inline]
    fn verify(&self, token: &[u8], clock: &Clock) -> Verified {
        let unknown = || Verified::ready(Err(TokenError::WrongIssuer));
        self.verifier(token).map_or_else(unknown, |verifier| verifier.verify_bytes(token, clock))
    }

    /// The verifier of the issuer that the token names: what it says of itself chooses only among those that are known.
    #[inline]
    fn verifier(&self, token: &[u8]) -> Option<&TokenVerifier> {
        match self.verifiers.as_slice() {
            [only] => Some(only),
            all => {
                let longest = all.iter().map(TokenVerifier::longest).max().unwrap_or_default();
                let issuer = claimed_issuer(token, longest);
                issuer.and_then(|issuer| all.iter().find(|verifier| verifier.issuer() == issuer))
            }
        }
    }

    /// Whether what stands in the header has the form of a token.
    pub(super) fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        let presented = self.source.read(&request.headers).ok().flatten();
        presented.is_some_and(|token| token.secret().split(|byte| *byte == b'.').count() == 3)
    }
}

impl Judge {
    pub(super) fn new(offer: &Challenge) -> Self {
        let challenge = |error, description| {
            let challenge = offer.clone().param("error", error);
            // A challenge is visible ASCII.
            HeaderValue::try_from(challenge.param("error_description", description).as_str())
                .unwrap_or(HeaderValue::from_static("Bearer realm=\"api\""))
        };
        Self {
            invalid: Arc::new(challenge("invalid_token", "The access token is invalid")),
            expired: Arc::new(challenge("invalid_token", "The access token expired")),
            malformed: challenge("invalid_request", "The Authorization header has no token"),
        }
    }

    fn empty(&self, source: &Source) -> Rejection {
        Rejection::malformed_header(source.header().as_str(), "an authorization scheme has no credential behind it")
            .header(header::WWW_AUTHENTICATE, self.malformed.clone())
            .refused_by(LAYER)
    }

    #[inline]
    fn conclude(&self, verified: Result<Claims, TokenError>) -> Authenticated {
        match verified {
            Ok(claims) => Authenticated::As(claims.into_principal()),
            Err(error) => Authenticated::Rejected(self.refuse(error)),
        }
    }

    fn weigh(&self, claims: Claims, status: Result<TokenStatus, BoxError>) -> Authenticated {
        self.conclude(match status {
            Ok(TokenStatus::Valid) => Ok(claims),
            Ok(TokenStatus::Revoked) => Err(TokenError::Revoked),
            Ok(TokenStatus::Suspended) => Err(TokenError::Suspended),
            Err(why) => return Authenticated::Rejected(Rejection::unavailable(why).refused_by(LAYER)),
        })
    }

    fn refuse(&self, error: TokenError) -> Rejection {
        let rejection = match error {
            TokenError::Suspended => {
                Rejection::new(RejectionKind::Suspended).challenge(Some(Arc::clone(&self.invalid)))
            }
            TokenError::Unavailable(_) => return Rejection::unavailable(error).refused_by(LAYER),
            TokenError::Expired => {
                Rejection::new(RejectionKind::ExpiredToken).challenge(Some(Arc::clone(&self.expired)))
            }
            _ => Rejection::new(RejectionKind::InvalidToken).challenge(Some(Arc::clone(&self.invalid))),
        };
        rejection.cause(error).refused_by(LAYER)
    }
}
