use std::sync::Arc;

use http::{HeaderValue, header};

use crate::{
    AuthFuture, AuthOutcome, BoxError, Challenge, Clock, MaybeReady, Rejection, RejectionKind, RequestHead,
    base::{
        clock::TimedOut,
        credential::{Cookie, Empty, Repeated, Source},
        same_site,
        time_limit::TimeLimit,
    },
    context::attempts::Attempts,
    token::{Claims, Confirmation, Refused, TokenError, TokenRevocation, TokenStatus, TokenVerifier, claimed_issuer, of_no_issuer},
};

/// Reads a token and checks it with the verifier of its issuer.
#[derive(Clone)]
pub(super) struct TokenCheck {
    pub(super) source: Source,
    /// Read if the header has no token.
    pub(super) cookie: Option<Cookie>,
    pub(super) verifiers: Vec<TokenVerifier>,
    pub(super) revocation: Option<Arc<dyn TokenRevocation>>,
    /// Whether no check of the revocation is answered from a cache.
    pub(super) fresh: bool,
    pub(super) judge: Arc<Judge>,
}

/// The challenges of refusals, built once.
#[derive(Debug)]
pub(super) struct Judge {
    /// `Bearer realm="…"` with `error="invalid_token"`, and with `error="invalid_request"`.
    invalid: Arc<HeaderValue>,
    expired: Arc<HeaderValue>,
    malformed: HeaderValue,
    repeated: HeaderValue,
}

const LAYER: &str = "bearer";

impl TokenCheck {
    #[inline]
    pub(super) fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let token = match self.presented(request) {
            Ok(Some(Presented { token, by_cookie: false })) => token,
            Ok(Some(Presented { token, by_cookie: true })) => match check_same_site(request) {
                Ok(()) => token,
                Err(rejection) => return AuthFuture::ready(AuthOutcome::Rejected(rejection)),
            },
            Ok(None) => return AuthFuture::ready(AuthOutcome::NoCredential),
            Err(rejection) => return AuthFuture::ready(AuthOutcome::Rejected(rejection)),
        };
        let fresh = self.fresh || request.wants_fresh();
        match request.attempts() {
            Some(attempts) => self.verify_within(attempts, token, request, fresh),
            None => self.check(token, request.time_limit(), fresh),
        }
    }

    /// Returns the token in the header, or else that in the cookie.
    #[inline]
    fn presented<'a>(&'a self, request: &RequestHead<'a>) -> Result<Option<Presented<'a>>, Rejection> {
        let headers = request.headers();
        if request.may_read(self.source.header()) {
            match self.source.read(headers) {
                Ok(Some(found)) => return Ok(Some(Presented { token: found.secret(), by_cookie: false })),
                Ok(None) => {}
                Err(Empty) => return Err(self.judge.empty(&self.source)),
            }
        }
        match self.cookie.as_ref().filter(|_| request.may_read(Cookie::header())) {
            None => Ok(None),
            Some(cookie) => match cookie.read(headers) {
                Ok(found) => Ok(found.map(|found| Presented { token: found.secret(), by_cookie: true })),
                Err(Repeated) => Err(self.judge.repeated(cookie)),
            },
        }
    }

    /// Asks the budget of failed attempts before the costly signature check. A cached token needs neither.
    fn verify_within(&self, attempts: &Attempts, token: &[u8], request: &RequestHead<'_>, fresh: bool) -> AuthFuture {
        let clock = request.time_limit().clock();
        // The budget counts as asked: a cached token does not need it, and any other token asks it below.
        request.has_asked();
        if let Some(claims) = self.verifier(token).and_then(|verifier| verifier.remembered(token, clock)) {
            return self.conclude(Ok(claims), request.time_limit(), fresh);
        }
        match attempts.ask().now() {
            Ok(Err(spent)) => AuthFuture::ready(AuthOutcome::Rejected(spent)),
            Ok(Ok(())) => self.check(token, request.time_limit(), fresh),
            Err(asking) => {
                let (this, token, limit) = (self.clone(), token.to_vec(), request.time_limit().clone());
                AuthFuture::bounded(async move {
                    match asking.await {
                        Ok(()) => this.check(&token, &limit, fresh).await,
                        Err(spent) => AuthOutcome::Rejected(spent),
                    }
                })
            }
        }
    }

    #[inline]
    fn check(&self, token: &[u8], limit: &TimeLimit, fresh: bool) -> AuthFuture {
        match self.verify(token, limit.clock()).now() {
            Ok(verified) => self.conclude(verified, limit, fresh),
            Err(future) => {
                let (this, limit) = (self.clone(), limit.clone());
                // Fetching an issuer's keys has its own time limits.
                AuthFuture::bounded(async move { this.conclude(future.await, &limit, fresh).await })
            }
        }
    }

    /// Admits a verified token, unless it is bound to a key or revoked.
    #[inline]
    fn conclude(&self, verified: Result<Claims, Refused>, limit: &TimeLimit, fresh: bool) -> AuthFuture {
        let verified = verified.and_then(|claims| match claims.asked_binding() {
            None => Ok(claims),
            Some(bound) => Err(Refused::from(TokenError::Unproven(as_bearer(bound)))),
        });
        let covers = |list: &&Arc<dyn TokenRevocation>, claims: &Claims| {
            claims.principal().issuer().is_none_or(|issuer| list.covers(issuer))
        };
        match (verified, &self.revocation) {
            (Ok(claims), Some(revocation)) if covers(&revocation, &claims) => {
                if let Err(error) = claims.check_revocable() {
                    let refused = Refused::of(claims.into_principal(), error);
                    return AuthFuture::ready(AuthOutcome::Rejected(self.judge.refuse(refused)));
                }
                let judge = Arc::clone(&self.judge);
                let status = if fresh { revocation.status_fresh(&claims) } else { revocation.status(&claims) };
                limit.bound(status, too_late).map(move |status| judge.weigh(claims, status))
            }
            (verified, _) => AuthFuture::ready(self.judge.conclude(verified)),
        }
    }

    #[inline]
    fn verify(&self, token: &[u8], clock: &Clock) -> MaybeReady<Result<Claims, Refused>> {
        let unknown = || MaybeReady::ready(Err(of_no_issuer(token, &self.verifiers)));
        self.verifier(token).map_or_else(unknown, |verifier| verifier.check(token, clock))
    }

    /// Returns the verifier for the token's issuer. The unverified issuer claim can only select a configured verifier.
    #[inline]
    fn verifier(&self, token: &[u8]) -> Option<&TokenVerifier> {
        match self.verifiers.as_slice() {
            [only] => Some(only),
            all => {
                let max_token_len = all.iter().map(TokenVerifier::max_token_len).max().unwrap_or_default();
                let issuer = claimed_issuer(token, max_token_len);
                issuer.and_then(|issuer| all.iter().find(|verifier| verifier.is_for(&issuer)))
            }
        }
    }

    /// Returns whether the header or the cookie contains a credential with the form of a token.
    pub(super) fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        let presented = self.presented(request).ok().flatten();
        presented.is_some_and(|found| found.token.split(|byte| *byte == b'.').count() == 3)
    }
}

/// A token that was found in a request.
struct Presented<'a> {
    token: &'a [u8],
    /// The browser may have attached it to a request that another website has caused.
    by_cookie: bool,
}

/// Refuses a request that another website may have made with the cookie.
fn check_same_site(request: &RequestHead<'_>) -> Result<(), Rejection> {
    let checked = same_site::check(request.method(), request.uri(), request.headers());
    checked.map_err(|cause| Rejection::cross_site(cause).refused_by(LAYER))
}

/// Says why a bound token is refused that came without a proof.
fn as_bearer(bound: &Confirmation) -> &'static str {
    if bound.is_unknown() {
        "it has a member that is not known, or one with a value of another type"
    } else if bound.jkt().is_some() {
        "the token is bound to a DPoP key (jkt), and came as a plain bearer token; TokenVerifierBuilder::\
         accept_bound_tokens_as_bearer ignores bindings"
    } else {
        "the token is bound to a client certificate (x5t#S256), and came as a plain bearer token; TokenVerifierBuilder::\
         accept_bound_tokens_as_bearer ignores bindings"
    }
}

fn too_late(late: TimedOut) -> Result<TokenStatus, BoxError> {
    Err(format!("the list of revoked tokens {late}").into())
}

impl Judge {
    pub(super) fn new(offer: &Challenge) -> Self {
        let challenge = |error, description| {
            let challenge = offer.clone().param("error", error);
            // A challenge is visible ASCII, so the conversion does not fail.
            HeaderValue::try_from(challenge.param("error_description", description).as_str())
                .unwrap_or(HeaderValue::from_static("Bearer realm=\"api\""))
        };
        Self {
            invalid: Arc::new(challenge("invalid_token", "The access token is invalid")),
            expired: Arc::new(challenge("invalid_token", "The access token expired")),
            malformed: challenge("invalid_request", "The Authorization header has no token"),
            repeated: challenge("invalid_request", "The cookie with the token occurs more than once"),
        }
    }

    fn empty(&self, source: &Source) -> Rejection {
        Rejection::malformed_header(source.header().as_str(), "an authorization scheme has no credential")
            .header(header::WWW_AUTHENTICATE, self.malformed.clone())
            .refused_by(LAYER)
    }

    #[cold]
    fn repeated(&self, cookie: &Cookie) -> Rejection {
        Rejection::malformed_header(Cookie::header().as_str(), "a cookie occurs more than once")
            .cause(format!(
                "the cookie {:?} occurs more than once, and only one of them can be the service's",
                cookie.name()
            ))
            .header(header::WWW_AUTHENTICATE, self.repeated.clone())
            .refused_by(LAYER)
    }

    fn conclude(&self, verified: Result<Claims, Refused>) -> AuthOutcome {
        match verified {
            Ok(claims) => AuthOutcome::Authenticated(claims.into_principal()),
            Err(refused) => AuthOutcome::Rejected(self.refuse(refused)),
        }
    }

    fn weigh(&self, claims: Claims, status: Result<TokenStatus, BoxError>) -> AuthOutcome {
        let error = match status {
            Ok(TokenStatus::Valid) => return AuthOutcome::Authenticated(claims.into_principal()),
            Ok(TokenStatus::Revoked) => TokenError::Revoked,
            Ok(TokenStatus::Suspended) => TokenError::Suspended,
            Err(why) => return AuthOutcome::Rejected(Rejection::unavailable(why).refused_by(LAYER)),
        };
        AuthOutcome::Rejected(self.refuse(Refused::of(claims.into_principal(), error)))
    }

    fn refuse(&self, refused: Refused) -> Rejection {
        let rejection = match refused.error {
            TokenError::Suspended => {
                Rejection::new(RejectionKind::Suspended).challenge(Some(Arc::clone(&self.invalid)))
            }
            TokenError::Unavailable(_) => return Rejection::unavailable(refused).refused_by(LAYER),
            TokenError::Expired | TokenError::TooOld => {
                Rejection::new(RejectionKind::ExpiredToken).challenge(Some(Arc::clone(&self.expired)))
            }
            _ => Rejection::new(RejectionKind::InvalidToken).challenge(Some(Arc::clone(&self.invalid))),
        };
        let holder = refused.holder.clone();
        let rejection = rejection.cause(refused).refused_by(LAYER);
        match holder {
            Some(holder) => rejection.with_principal(holder),
            None => rejection,
        }
    }
}
