use std::{error::Error, fmt};

/// Why a proof is refused. The text is for logs.
#[derive(Debug)]
pub(crate) enum ProofError {
    /// There is no header with a proof.
    Missing,
    /// There is no header with a proof, in a request for tokens that must be bound.
    #[cfg(feature = "strict-body")]
    Required,
    /// There is more than one.
    Repeated,
    /// The proof cannot be read, or is no proof. The text continues "the proof is refused".
    Bad(&'static str),
    /// A value of the proof is not the expected one.
    Wrong(String),
    /// The proof has no nonce that is still good. The client may try again with a fresh one.
    Nonce(&'static str),
    /// The proof was used before.
    Used,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the token came with the scheme DPoP, and the request has no header DPoP"),
            #[cfg(feature = "strict-body")]
            Self::Required => {
                f.write_str("the request for a token has no header DPoP, and Dpop::require asks for a proof")
            }
            Self::Repeated => f.write_str("the request has more than one DPoP proof"),
            Self::Bad(why) | Self::Nonce(why) => write!(f, "the DPoP proof is refused: {why}"),
            Self::Wrong(why) => write!(f, "the DPoP proof is refused: {why}"),
            Self::Used => f.write_str("the DPoP proof was used before (jti)"),
        }
    }
}

impl Error for ProofError {}
