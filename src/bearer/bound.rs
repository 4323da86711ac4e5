//! What a request proves besides its token: that the caller has the key or the certificate to which the token is bound.

use std::sync::Arc;

use http::{Extensions, HeaderName, HeaderValue, header};

use super::judge::LAYER;
use crate::{
    AuthFuture, AuthOutcome, BoxError, Challenge, ClientCertificate, Dpop, Rejection, RejectionKind, RequestHead,
    base::{
        clock::TimedOut,
        credential::{self, Repeated},
        time_limit::TimeLimit,
    },
    dpop::{Proof, ProofError, Replay, Target},
    token::{Claims, TokenError},
};

/// The proofs of a request.
pub(super) struct Evidence<'a> {
    proof: Option<Box<Proof>>,
    certificate: Certificate<'a>,
}

/// The certificate of the connection. Most tokens are not bound, so it is looked for only if it is needed.
enum Certificate<'a> {
    In(&'a Extensions),
    Found(Option<ClientCertificate>),
}

/// Why the evidence is not enough.
pub(super) enum Unproven {
    Token(TokenError),
    Proof(ProofError),
}

impl<'a> Evidence<'a> {
    pub(super) fn of(request: &RequestHead<'a>, proof: Option<Proof>) -> Self {
        Self { proof: proof.map(Box::new), certificate: Certificate::In(request.extensions()) }
    }

    /// Returns the evidence for a future that outlives the request.
    pub(super) fn into_owned(self) -> Evidence<'static> {
        Evidence { certificate: Certificate::Found(self.certificate()), proof: self.proof }
    }

    fn certificate(&self) -> Option<ClientCertificate> {
        match &self.certificate {
            Certificate::In(extensions) => extensions.get().copied(),
            Certificate::Found(found) => *found,
        }
    }

    /// Returns whether the token came with the scheme `DPoP`.
    pub(super) const fn is_dpop(&self) -> bool {
        self.proof.is_some()
    }

    /// Checks that the request proves what the token asks for.
    #[inline]
    pub(super) fn check(&self, claims: &Claims) -> Result<(), Unproven> {
        // A proof is always checked; a verifier that ignores bindings asks for none.
        let bound = if self.is_dpop() { claims.confirmation() } else { claims.asked_binding() };
        if bound.is_none() && !self.is_dpop() {
            return Ok(());
        }
        let unproven = |why| Err(Unproven::Token(TokenError::Unproven(why)));
        let Some(bound) = bound else {
            return unproven("the token came with the scheme DPoP, and is not bound to a key");
        };
        if bound.is_unknown() {
            return unproven("it has a member that is not known, or one with a value of another type");
        }
        match (bound.jkt(), &self.proof) {
            (Some(_), None) => return unproven(AS_BEARER),
            (None, Some(_)) => {
                return unproven("the token came with the scheme DPoP, and is bound to a certificate only");
            }
            (Some(jkt), Some(proof)) if !proof.is_of(jkt) => {
                return unproven("the token is bound to another key (jkt) than that of the DPoP proof");
            }
            _ => {}
        }
        if let Some(expected) = bound.certificate() {
            match self.certificate() {
                None => return unproven(NO_CERTIFICATE),
                Some(own) if own.thumbprint() != expected => {
                    return unproven(
                        "the token is bound to another certificate (x5t#S256) than that of the connection",
                    );
                }
                Some(_) => {}
            }
        }
        // The signature last, because it is the only costly part.
        self.proof.as_ref().map_or(Ok(()), |proof| proof.verify()).map_err(Unproven::Proof)
    }

    pub(super) fn into_proof(self) -> Option<Box<Proof>> {
        self.proof
    }
}

const AS_BEARER: &str = "the token is bound to a DPoP key (jkt), and came as a plain bearer token; BearerLayer::dpop checks \
                         proofs, and TokenVerifierBuilder::accept_bound_tokens_as_bearer ignores bindings";
const NO_CERTIFICATE: &str = "the token is bound to a client certificate (x5t#S256), and the request has no extension \
                              ClientCertificate; what accepts the connections inserts it";
pub(super) const NOT_DPOP: &str =
    "the token came as a bearer token, and Dpop::require asks for the scheme DPoP and a proof";

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The check of proofs, and the challenges of its refusals, built once.
#[derive(Clone)]
pub(super) struct ProofCheck {
    pub(super) settings: Arc<Dpop>,
    invalid: Arc<HeaderValue>,
    nonce: Arc<HeaderValue>,
}

impl ProofCheck {
    pub(super) fn new(settings: Dpop, offer: &Challenge) -> Self {
        let (settings, invalid, nonce) = (Arc::new(settings), invalid(offer), nonce(offer));
        Self { settings, invalid, nonce }
    }

    /// The same with another challenge.
    pub(super) fn offering(self, offer: &Challenge) -> Self {
        Self { invalid: invalid(offer), nonce: nonce(offer), ..self }
    }

    /// Reads the proof of a request for this token, and checks everything but its signature.
    pub(super) fn read(&self, request: &RequestHead<'_>, token: &[u8]) -> Result<Proof, Rejection> {
        let now = request.time_limit().clock().now();
        let read = match credential::proof(request.headers()) {
            Err(Repeated) => Err(ProofError::Repeated),
            Ok(None) => Err(ProofError::Missing),
            Ok(Some(proof)) => {
                let (method, path) = (request.method().as_str(), request.asked_path().unwrap_or_default());
                self.settings.read(proof, Target { method, path, token: Some(token), now })
            }
        };
        read.map_err(|error| match (&error, self.settings.nonce(now)) {
            (ProofError::Nonce(_), Some(nonce)) => self.demand(error, &nonce),
            _ => self.refuse(error),
        })
    }

    pub(super) fn refuse(&self, error: ProofError) -> Rejection {
        let challenge = Some(Arc::clone(&self.invalid));
        Rejection::new(RejectionKind::InvalidToken).challenge(challenge).cause(error).refused_by(LAYER)
    }

    /// Asks for another proof with this nonce. It is a step of the protocol and no guess.
    fn demand(&self, error: ProofError, nonce: &str) -> Rejection {
        let challenge = Some(Arc::clone(&self.nonce));
        let rejection = Rejection::new(RejectionKind::InvalidToken).challenge(challenge).cause(error).no_guess();
        let rejection = rejection.header(header::CACHE_CONTROL, NO_STORE).refused_by(LAYER);
        match HeaderValue::try_from(nonce) {
            Ok(nonce) => rejection.header(NONCE, nonce),
            Err(_) => rejection,
        }
    }

    /// Returns the header with a newer nonce for the answer to a proof.
    pub(super) fn newer_nonce(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        let proof = credential::proof(request.headers()).ok()??;
        let nonce = self.settings.newer_nonce(proof, request.time_limit().clock().now())?;
        Some((NONCE, HeaderValue::try_from(nonce).ok()?))
    }

    /// Admits a request whose proof was not used before. It comes last, so that only right proofs are remembered.
    pub(super) fn once(&self, decided: AuthFuture, proof: Box<Proof>, limit: &TimeLimit) -> AuthFuture {
        match decided.now() {
            Ok(AuthOutcome::Authenticated(who)) => {
                let (this, recorded) = (self.clone(), self.settings.record(&proof));
                limit.bound(recorded, too_late).map(move |recorded| match this.judge(recorded) {
                    Ok(()) => AuthOutcome::Authenticated(who),
                    Err(rejection) => AuthOutcome::Rejected(rejection),
                })
            }
            Ok(other) => AuthFuture::ready(other),
            Err(decided) => {
                let (this, limit) = (self.clone(), limit.clone());
                AuthFuture::bounded(async move { this.once(AuthFuture::ready(decided.await), proof, &limit).await })
            }
        }
    }

    fn judge(&self, recorded: Result<Replay, BoxError>) -> Result<(), Rejection> {
        match recorded {
            Ok(Replay::New) => Ok(()),
            Ok(Replay::Seen) => Err(self.refuse(ProofError::Used)),
            Ok(Replay::Full) => Err(Rejection::unavailable(FULL).refused_by(LAYER)),
            Err(why) => Err(Rejection::unavailable(why).refused_by(LAYER)),
        }
    }
}

const FULL: &str = "there is no room to remember another DPoP proof, or another one of this key; use a larger \
                    MemoryReplayStore, a shorter Dpop::max_age, or a store that several processes share";

fn too_late(late: TimedOut) -> Result<Replay, BoxError> {
    Err(format!("the store of used DPoP proofs {late}").into())
}

fn invalid(offer: &Challenge) -> Arc<HeaderValue> {
    challenge(offer, "invalid_dpop_proof", "The DPoP proof is invalid")
}

fn nonce(offer: &Challenge) -> Arc<HeaderValue> {
    challenge(offer, "use_dpop_nonce", "The DPoP proof must have the nonce that DPoP-Nonce names")
}

fn challenge(offer: &Challenge, error: &str, description: &str) -> Arc<HeaderValue> {
    let challenge = offer.clone().param("error", error).param("error_description", description);
    // A challenge is visible ASCII, so the conversion does not fail.
    Arc::new(HeaderValue::try_from(challenge.as_str()).unwrap_or(HeaderValue::from_static("DPoP")))
}
