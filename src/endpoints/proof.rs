//! The proof of possession in a request for tokens (RFC 9449, section 5), which binds them to the key of the client.

use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::{fault::Fault, settings::Settings};
use crate::{
    FullBody, Rejection, RejectionKind, RequestHead,
    base::credential::{self, Repeated},
    dpop::{ProofError, Target},
    session::TokenRequest,
};

const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Why a proof is refused.
#[derive(Debug)]
pub(super) struct Refused {
    error: ProofError,
    /// The nonce that the next proof must have.
    nonce: Option<HeaderValue>,
}

impl Refused {
    /// There is no proof where one is required.
    pub(super) const fn missing() -> Self {
        Self { error: ProofError::Required, nonce: None }
    }
}

/// Returns a request with the key of the proof. Without a proof it asks for tokens that are not bound.
///
/// # Errors
/// If the proof is wrong, or is missing and required.
pub(super) fn request(settings: &Settings, head: &RequestHead<'_>) -> Result<TokenRequest, Refused> {
    let Some(dpop) = &settings.guarding.dpop else { return Ok(TokenRequest::new()) };
    let now = settings.sessions.clock().now();
    let read = match credential::proof(head.headers()) {
        Err(Repeated) => Err(ProofError::Repeated),
        Ok(None) if dpop.is_required() => Err(ProofError::Required),
        Ok(None) => return Ok(TokenRequest::new()),
        Ok(Some(proof)) => {
            let (method, path) = (head.method().as_str(), head.asked_path().unwrap_or_default());
            let read = dpop.read(proof, Target { method, path, token: None, now });
            read.and_then(|proof| proof.verify().map(|()| proof))
        }
    };
    match read {
        Ok(proof) => Ok(TokenRequest::new().proven(dpop.clone(), proof)),
        Err(error) => {
            let nonce = matches!(error, ProofError::Nonce(_)).then(|| dpop.nonce(now)).flatten();
            Err(Refused { error, nonce: nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) })
        }
    }
}

/// Returns whether all tokens must be bound. A browser that has cookies cannot refresh them then: nothing checks a proof
/// next to a cookie.
pub(super) fn is_required(settings: &Settings) -> bool {
    settings.guarding.dpop.as_ref().is_some_and(|dpop| dpop.is_required())
}

/// Adds the newest nonce to the answer to a proof with an older one (RFC 9449, section 8.2).
pub(super) fn with_newer_nonce(
    settings: &Settings,
    head: &RequestHead<'_>,
    mut answer: Response<FullBody>,
) -> Response<FullBody> {
    let Some(dpop) = settings.guarding.dpop.as_ref().filter(|_| answer.status().is_success()) else { return answer };
    let proof = credential::proof(head.headers()).ok().flatten();
    let nonce = proof.and_then(|proof| dpop.newer_nonce(proof, settings.sessions.clock().now()));
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
        answer.headers_mut().insert(NONCE, nonce);
    }
    answer
}

/// The answer of a token endpoint: 400 (RFC 9449, sections 5 and 8). Behind it is a refusal that the budget of failed
/// attempts counts, because a wrong proof costs as much as a wrong token. A missing nonce is a step of the protocol.
impl From<Refused> for Fault {
    fn from(Refused { error, nonce }: Refused) -> Self {
        let is_guess = !matches!(error, ProofError::Nonce(_) | ProofError::Required);
        let rejection = Rejection::new(RejectionKind::InvalidToken).cause(error);
        let rejection = if is_guess { rejection } else { rejection.no_guess() };
        match nonce {
            Some(nonce) => Self::use_dpop_nonce(rejection.header(NONCE, nonce)),
            None => Self::invalid_dpop_proof(rejection),
        }
    }
}

/// The answer of a handler.
impl From<Refused> for Rejection {
    fn from(Refused { error, nonce }: Refused) -> Self {
        let (code, message) = match nonce {
            Some(_) => ("USE_DPOP_NONCE", "The DPoP proof must have the nonce that DPoP-Nonce names."),
            None => ("INVALID_DPOP_PROOF", "The DPoP proof is missing or invalid."),
        };
        let rejection = Self::custom(StatusCode::BAD_REQUEST, code).message(message).cause(error);
        match nonce {
            Some(nonce) => rejection.header(NONCE, nonce),
            None => rejection,
        }
    }
}
