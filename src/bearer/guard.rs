use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::{
    bound::{Evidence, NOT_DPOP, ProofCheck, Unproven},
    judge::{Judge, LAYER},
};
use crate::{
    AuthFuture, AuthOutcome, BoxError, Clock, MaybeReady, Rejection, RequestHead,
    base::{
        clock::TimedOut,
        credential::{Cookie, Credential, Repeated, Source},
        same_site,
        time_limit::TimeLimit,
    },
    context::attempts::Attempts,
    dpop::Proof,
    token::{Claims, Refused, TokenError, TokenRevocation, TokenStatus, TokenVerifier, of_no_issuer, select},
};

/// Reads a token and checks it with the verifier of its issuer.
#[derive(Clone)]
pub(super) struct TokenCheck {
    pub(super) source: Source,
    /// The subprotocols of a WebSocket, read if the header has no token.
    pub(super) websocket: Option<Source>,
    /// Read if no header has a token.
    pub(super) cookie: Option<Cookie>,
    /// The scheme `DPoP`, and the check of the proofs that come with it.
    pub(super) dpop: Option<(Source, ProofCheck)>,
    pub(super) verifiers: Vec<TokenVerifier>,
    pub(super) revocation: Option<Arc<dyn TokenRevocation>>,
    /// Whether no check of the revocation is answered from a cache.
    pub(super) fresh: bool,
    pub(super) judge: Arc<Judge>,
}

impl TokenCheck {
    #[inline]
    pub(super) fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let found = match self.presented(request) {
            Ok(Some(found)) => found,
            Ok(None) => return AuthFuture::ready(AuthOutcome::NoCredential),
            Err(rejection) => return AuthFuture::ready(AuthOutcome::Rejected(rejection)),
        };
        let (token, proof) = match self.prove(&found, request) {
            Ok(proof) => (found.credential.secret(), proof),
            Err(rejection) => return AuthFuture::ready(AuthOutcome::Rejected(rejection)),
        };
        let evidence = Evidence::of(request, proof);
        let fresh = self.fresh || request.wants_fresh();
        match request.attempts() {
            Some(attempts) => self.verify_within(attempts, token, evidence, request, fresh),
            None => self.check(token, evidence, request.time_limit(), fresh),
        }
    }

    /// Checks what comes with the token, before the token is looked at.
    #[inline]
    fn prove(&self, found: &Presented<'_>, request: &RequestHead<'_>) -> Result<Option<Proof>, Rejection> {
        match (&found.by, &self.dpop) {
            (By::Dpop, Some((_, proofs))) => return proofs.read(request, found.credential.secret()).map(Some),
            (_, Some((_, proofs))) if proofs.settings.is_required() => {
                return Err(self.judge.refuse(Refused::from(TokenError::Unproven(NOT_DPOP)), false));
            }
            _ => {}
        }
        if matches!(found.by, By::Cookie) {
            check_same_site(request)?;
        }
        Ok(None)
    }

    /// Returns the token in the header, or else that in the subprotocols, or else that in the cookie.
    #[inline]
    fn presented<'a>(&'a self, request: &RequestHead<'a>) -> Result<Option<Presented<'a>>, Rejection> {
        let headers = request.headers();
        let dpop = self.dpop.as_ref().map(|(source, _)| (source, By::Dpop));
        let plain = [Some(&self.source), self.websocket.as_ref()].into_iter().flatten();
        for (source, by) in dpop.into_iter().chain(plain.map(|source| (source, By::Header))) {
            if request.may_read(source.header()) {
                match source.read(headers, || request.is_websocket()) {
                    Ok(Some(credential)) => return Ok(Some(Presented { credential, by })),
                    Ok(None) => {}
                    Err(why) => return Err(self.judge.unreadable(source, why, matches!(by, By::Dpop))),
                }
            }
        }
        match self.cookie.as_ref().filter(|_| request.may_read(Cookie::header())) {
            None => Ok(None),
            Some(cookie) => match cookie.read(headers) {
                Ok(found) => Ok(found.map(|credential| Presented { credential, by: By::Cookie })),
                Err(Repeated) => Err(self.judge.repeated(cookie)),
            },
        }
    }

    /// Asks the budget of failed attempts before the costly signature check. A cached token needs neither, unless it comes
    /// with a proof, whose signature is never cached.
    fn verify_within(
        &self,
        attempts: &Attempts,
        token: &[u8],
        evidence: Evidence<'_>,
        request: &RequestHead<'_>,
        fresh: bool,
    ) -> AuthFuture {
        let clock = request.time_limit().clock();
        // The budget counts as asked: a cached token does not need it, and any other token asks it below.
        request.has_asked();
        if !evidence.is_dpop()
            && let Some(claims) = self.verifier(token).and_then(|verifier| verifier.remembered(token, clock, fresh))
        {
            return self.conclude(Ok(claims), evidence, request.time_limit(), fresh);
        }
        match attempts.ask().now() {
            Ok(Err(spent)) => AuthFuture::ready(AuthOutcome::Rejected(spent)),
            Ok(Ok(())) => self.check(token, evidence, request.time_limit(), fresh),
            Err(asking) => {
                let (this, token, limit) = (self.clone(), token.to_vec(), request.time_limit().clone());
                let evidence = evidence.into_owned();
                AuthFuture::bounded(async move {
                    match asking.await {
                        Ok(()) => this.check(&token, evidence, &limit, fresh).await,
                        Err(spent) => AuthOutcome::Rejected(spent),
                    }
                })
            }
        }
    }

    #[inline]
    fn check(&self, token: &[u8], evidence: Evidence<'_>, limit: &TimeLimit, fresh: bool) -> AuthFuture {
        match self.verify(token, limit.clock(), fresh).now() {
            Ok(verified) => self.conclude(verified, evidence, limit, fresh),
            Err(future) => {
                let (this, limit, evidence) = (self.clone(), limit.clone(), evidence.into_owned());
                // Fetching an issuer's keys has its own time limits.
                AuthFuture::bounded(async move { this.conclude(future.await, evidence, &limit, fresh).await })
            }
        }
    }

    /// Admits a verified token, unless the request does not prove its binding, or it is revoked, or its proof was used before.
    #[inline]
    fn conclude(
        &self,
        verified: Result<Claims, Refused>,
        evidence: Evidence<'_>,
        limit: &TimeLimit,
        fresh: bool,
    ) -> AuthFuture {
        let by_dpop = evidence.is_dpop();
        let claims = match verified {
            Ok(claims) => claims,
            Err(refused) => return AuthFuture::ready(AuthOutcome::Rejected(self.judge.refuse(refused, by_dpop))),
        };
        if let Err(unproven) = evidence.check(&claims) {
            return AuthFuture::ready(AuthOutcome::Rejected(self.unproven(unproven, by_dpop)));
        }
        let decided = self.weigh(claims, by_dpop, limit, fresh);
        match (evidence.into_proof(), &self.dpop) {
            (Some(proof), Some((_, proofs))) => proofs.once(decided, proof, limit),
            _ => decided,
        }
    }

    /// The holder of the token is unknown: whoever presents it does not have its key.
    #[cold]
    fn unproven(&self, unproven: Unproven, by_dpop: bool) -> Rejection {
        match (unproven, &self.dpop) {
            (Unproven::Proof(error), Some((_, proofs))) => proofs.refuse(error),
            (Unproven::Proof(error), None) => Rejection::internal(error),
            (Unproven::Token(error), _) => self.judge.refuse(Refused::from(error), by_dpop),
        }
    }

    /// Admits a token, unless it is revoked.
    #[inline]
    fn weigh(&self, claims: Claims, by_dpop: bool, limit: &TimeLimit, fresh: bool) -> AuthFuture {
        let covers = |list: &&Arc<dyn TokenRevocation>, claims: &Claims| {
            claims.principal().issuer().is_none_or(|issuer| list.covers(issuer))
        };
        match &self.revocation {
            Some(revocation) if covers(&revocation, &claims) => {
                if let Err(error) = claims.check_revocable() {
                    let refused = Refused::of(claims.into_principal(), error);
                    return AuthFuture::ready(AuthOutcome::Rejected(self.judge.refuse(refused, by_dpop)));
                }
                let judge = Arc::clone(&self.judge);
                let status = if fresh { revocation.status_fresh(&claims) } else { revocation.status(&claims) };
                limit.bound(status, too_late).map(move |status| judge.weigh(claims, status, by_dpop))
            }
            _ => AuthFuture::ready(AuthOutcome::Authenticated(claims.into_principal())),
        }
    }

    #[inline]
    fn verify(&self, token: &[u8], clock: &Clock, fresh: bool) -> MaybeReady<Result<Claims, Refused>> {
        let unknown = || MaybeReady::ready(Err(of_no_issuer(token, &self.verifiers)));
        self.verifier(token).map_or_else(unknown, |verifier| verifier.check(token, clock, fresh))
    }

    #[inline]
    fn verifier(&self, token: &[u8]) -> Option<&TokenVerifier> {
        select(&self.verifiers, token)
    }

    /// Returns the header with a newer nonce, for the answer to a request with a proof.
    #[inline]
    pub(super) fn newer_nonce(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        let (source, proofs) = self.dpop.as_ref()?;
        source.read(request.headers(), || false).ok()??;
        proofs.newer_nonce(request)
    }

    /// Returns whether the header or the cookie contains a credential with the form of a token.
    pub(super) fn recognizes(&self, request: &RequestHead<'_>) -> bool {
        let presented = self.presented(request).ok().flatten();
        presented.is_some_and(|presented| presented.credential.secret().split(|byte| *byte == b'.').count() == 3)
    }
}

/// A token that was found in a request.
struct Presented<'a> {
    credential: Credential<'a>,
    by: By,
}

/// How a token is presented.
enum By {
    /// In a header or a subprotocol, without a proof.
    Header,
    /// The browser may have attached it to a request that another website has caused.
    Cookie,
    /// With the scheme `DPoP`.
    Dpop,
}

/// Refuses a request that another website may have made with the cookie.
fn check_same_site(request: &RequestHead<'_>) -> Result<(), Rejection> {
    let checked = same_site::check(request.method(), request.uri(), request.headers());
    checked.map_err(|cause| Rejection::cross_site(cause).refused_by(LAYER))
}

fn too_late(late: TimedOut) -> Result<TokenStatus, BoxError> {
    Err(format!("the list of revoked tokens {late}").into())
}
