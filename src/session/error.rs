use std::{error::Error, fmt, sync::Arc};

use http::StatusCode;

use crate::{BoxError, Rejection, RejectionKind, base::error::with_causes};

/// Why no token was issued, refreshed or revoked. The error converts into a [`Rejection`], so handlers can use `?`.
///
/// ```
/// use tower_auth::{Rejection, session::SessionError};
///
/// let refusal = Rejection::from(SessionError::Invalid("the session was logged out".into()));
/// assert_eq!(refusal.status().as_u16(), 401);
/// assert_eq!(SessionError::Expired.oauth_code(), "invalid_grant");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The refresh token is none of this service's: 401. It may be a guess.
    Unknown,
    /// The refresh token is genuine, and cannot be used, because its session has ended: 401. The text is for the log.
    Invalid(Arc<str>),
    /// The session has expired: 401.
    Expired,
    /// The refresh token was issued to another client: 401.
    WrongClient,
    /// The session is bound to a key, and the request has no proof of it: 401. The token was not used up.
    WrongProofKey,
    /// The proof of possession was used before: 400. The text is for the log.
    Proof(Arc<str>),
    /// The account or an organisation of the holder is suspended: 401.
    Suspended,
    /// The key is no longer active: 401.
    KeyInactive,
    /// The caller was not authenticated by an API key, so there is nothing to exchange: 403.
    NotAKey,
    /// The key has restrictions, which could not be applied to its tokens: 403.
    KeyRestricted,
    /// The asked scope is malformed, or the holder does not have it: 400.
    Scope(String),
    /// The caller of [`begin`](super::Sessions::begin) was authenticated by a token of this service, whose session
    /// would outlive what it came from: 403.
    OwnToken,
    /// The token would be longer than 8 KiB, which verifiers and servers refuse: 400. Ask for fewer scopes.
    TooLong,
    /// The tokens of this service are for other audiences: 400.
    Target(String),
    /// The token of another issuer does not verify, or no rule accepts it: 401. The text is for the log.
    Subject(Arc<str>),
    /// A token cannot be signed: 503. The text is for the log.
    Signing(Arc<str>),
    /// The store failed or did not answer in time: 503. The text is for the log. A change may or may not have been
    /// carried out: a refresh can be repeated with the same token within the [grace](super::SessionPolicy::grace), and
    /// a log-out at any time.
    Store(Arc<str>),
    /// The store that remembers which proofs were used failed, is full, or did not answer in time: 503. The text is for the
    /// log. Nothing was changed.
    ProofStore(Arc<str>),
}

impl SessionError {
    /// Returns the error code of RFC 6749, section 5.2, of RFC 8693, section 2.2.2, or of RFC 9449, section 5.
    #[must_use]
    pub const fn oauth_code(&self) -> &'static str {
        match self {
            Self::Unknown
            | Self::Invalid(_)
            | Self::Expired
            | Self::WrongClient
            | Self::WrongProofKey
            | Self::Suspended
            | Self::KeyInactive => "invalid_grant",
            Self::NotAKey | Self::KeyRestricted | Self::OwnToken => "unauthorized_client",
            Self::Scope(_) | Self::TooLong => "invalid_scope",
            Self::Target(_) => "invalid_target",
            Self::Subject(_) => "invalid_request",
            Self::Proof(_) => "invalid_dpop_proof",
            Self::Signing(_) | Self::Store(_) | Self::ProofStore(_) => "temporarily_unavailable",
        }
    }

    /// Returns whether the same request may succeed later: the service is at fault, and not the request.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Signing(_) | Self::Store(_) | Self::ProofStore(_))
    }

    /// Returns whether the client may have guessed the token that it has presented. A token that this service has made
    /// is no guess, also if it cannot be used any more: nobody else can make one.
    #[must_use]
    pub const fn is_guess(&self) -> bool {
        matches!(self, Self::Unknown | Self::Subject(_))
    }

    pub(super) fn invalid(why: impl Into<Arc<str>>) -> Self {
        Self::Invalid(why.into())
    }
}

/// The error of a store, with all of its causes.
impl From<BoxError> for SessionError {
    fn from(error: BoxError) -> Self {
        Self::Store(with_causes(&*error).into())
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("the refresh token is none of this service's"),
            Self::Invalid(why) => write!(f, "the refresh token cannot be used: {why}"),
            Self::Expired => f.write_str("the session has expired"),
            Self::WrongClient => f.write_str("the refresh token was issued to another client"),
            Self::WrongProofKey => f.write_str(
                "the session is bound to a key, and the request has no DPoP proof of it (AuthEndpoints::dpop reads proofs)",
            ),
            Self::Proof(why) => write!(f, "the DPoP proof is refused: {why}"),
            Self::Suspended => f.write_str("the account or an organisation of the holder is suspended"),
            Self::KeyInactive => f.write_str("the key is no longer active"),
            Self::NotAKey => f.write_str("the caller was not authenticated by an API key"),
            Self::KeyRestricted => f.write_str(
                "the key has restrictions, which would not bind its tokens \
                 (SessionPolicy::exchange_restricted_keys allows the exchange)",
            ),
            Self::OwnToken => {
                f.write_str("the caller was authenticated by a token of this service, which begins no session")
            }
            Self::TooLong => f.write_str("the token would be longer than 8 KiB; ask for fewer scopes"),
            Self::Scope(scope) => write!(f, "the scope {scope:?} was not granted"),
            Self::Target(audience) => write!(f, "no token is issued for the audience {audience:?}"),
            Self::Subject(why) => write!(f, "the presented token is not accepted: {why}"),
            Self::Signing(why) => write!(f, "no token can be signed: {why}"),
            Self::Store(why) => write!(f, "the store of sessions failed: {why}"),
            Self::ProofStore(why) => write!(f, "the store of used DPoP proofs failed: {why}"),
        }
    }
}

impl Error for SessionError {}

/// No budget of failed attempts is charged for a genuine token: after a log-out everywhere, all browsers of an office
/// present theirs once more.
impl From<SessionError> for Rejection {
    fn from(error: SessionError) -> Self {
        let custom = |status, code: &'static str, message: &'static str| Self::custom(status, code).message(message);
        let rejection = match &error {
            SessionError::Unknown
            | SessionError::Invalid(_)
            | SessionError::WrongClient
            | SessionError::WrongProofKey
            | SessionError::Subject(_) => Self::new(RejectionKind::InvalidToken),
            SessionError::Proof(_) => {
                custom(StatusCode::BAD_REQUEST, "INVALID_DPOP_PROOF", "The DPoP proof was used before.")
            }
            SessionError::Expired => Self::new(RejectionKind::ExpiredToken),
            SessionError::Suspended => Self::new(RejectionKind::Suspended),
            SessionError::KeyInactive => Self::new(RejectionKind::InvalidKey),
            SessionError::NotAKey => {
                custom(StatusCode::FORBIDDEN, "API_KEY_REQUIRED", "Only an API key can be exchanged for a token.")
            }
            SessionError::KeyRestricted => custom(
                StatusCode::FORBIDDEN,
                "API_KEY_RESTRICTED",
                "An API key with restrictions cannot be exchanged for a token.",
            ),
            SessionError::Scope(_) => {
                custom(StatusCode::BAD_REQUEST, "INVALID_SCOPE", "The requested scope was not granted.")
            }
            SessionError::OwnToken => {
                custom(StatusCode::FORBIDDEN, "OPERATION_NOT_ALLOWED", "A token cannot begin a session.")
            }
            SessionError::TooLong => {
                custom(StatusCode::BAD_REQUEST, "INVALID_SCOPE", "The token would be too long. Ask for fewer scopes.")
            }
            SessionError::Target(_) => {
                custom(StatusCode::BAD_REQUEST, "INVALID_TARGET", "No token is issued for the requested audience.")
            }
            SessionError::Signing(_) | SessionError::Store(_) | SessionError::ProofStore(_) => {
                return Self::unavailable(error);
            }
        };
        let is_genuine = rejection.status() == StatusCode::UNAUTHORIZED && !error.is_guess();
        let rejection = rejection.cause(error);
        if is_genuine { rejection.no_guess() } else { rejection }
    }
}
