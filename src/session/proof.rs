//! The proof of a request for tokens: that it is used once, and that a refresh has the right key.

use super::{Session, SessionError, Sessions, TokenRequest};
use crate::{base::error::with_causes, dpop::Replay};

impl Sessions {
    /// Uses the proof of a request up. It is called last, so that no stranger fills the store of used proofs.
    pub(super) async fn use_up(&self, request: &TokenRequest) -> Result<(), SessionError> {
        let Some(proof) = &request.proof else { return Ok(()) };
        match self.0.limit.wait(proof.record()).await {
            Ok(Ok(Replay::New)) => Ok(()),
            Ok(Ok(Replay::Seen)) => Err(SessionError::Proof("it was used before (jti)".into())),
            Ok(Ok(Replay::Full)) => Err(SessionError::ProofStore(FULL.into())),
            Ok(Err(error)) => Err(SessionError::ProofStore(with_causes(&*error).into())),
            Err(late) => Err(SessionError::ProofStore(format!("it {late}").into())),
        }
    }
}

const FULL: &str = "it has no room for another proof, or for another one of this key; use a larger MemoryReplayStore, a \
                    shorter Dpop::max_age, or a store that several processes share";

/// Checks that a request has the key that the session is bound to (RFC 9449, section 5). The client that the
/// session belongs to needs none if it has authenticated itself: its own key proves as much.
pub(super) fn check_key(session: &Session, request: &TokenRequest) -> Result<(), SessionError> {
    let grant = &session.grant;
    match session.proof_key() {
        Some(key)
            if request.proof_key.as_deref() != Some(key)
                && !request.is_by_owner(grant.client_id(), grant.first_key()) =>
        {
            Err(SessionError::WrongProofKey)
        }
        _ => Ok(()),
    }
}
