use std::{error::Error, fmt, sync::Arc};

/// The reason why a token is not accepted. The text is for logs and is never sent to a client.
///
/// ```
/// use tower_auth::token::TokenError;
///
/// assert_eq!(TokenError::Expired.to_string(), "the token is expired");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// The token is not a signed token in compact form, or its header or claims cannot be parsed.
    Malformed(&'static str),
    /// No key of the issuer has the token's `kid` and algorithm.
    UnknownKey,
    /// The signature is invalid.
    BadSignature,
    /// `iss` is missing or names another issuer.
    WrongIssuer,
    /// `aud` is missing or names only other audiences.
    WrongAudience,
    /// The claim of the client is missing or names another client
    /// ([`TokenVerifierBuilder::client`](super::TokenVerifierBuilder::client)).
    WrongClient,
    /// The claim with this name is missing although a value is required, or has a value that is not accepted
    /// ([`require_claim`](super::TokenVerifierBuilder::require_claim),
    /// [`forbid_claim`](super::TokenVerifierBuilder::forbid_claim)).
    WrongClaim(Arc<str>),
    /// `typ` is missing or not accepted, for example because the token is an id token.
    WrongType,
    /// A parameter of the header is missing or has another value than the accepted ones
    /// ([`require_header`](super::TokenVerifierBuilder::require_header)). It has the name of the parameter.
    WrongHeader(Arc<str>),
    /// A required claim is missing, or a claim has an invalid value.
    BadClaim(&'static str),
    /// `nbf` is in the future.
    NotYetValid,
    /// The signature is valid, and `exp` has passed.
    Expired,
    /// The signature is valid, and the token was issued too long ago
    /// ([`max_age`](super::TokenVerifierBuilder::max_age), [`issued_after`](super::TokenVerifierBuilder::issued_after)).
    /// A client is told that the token is expired.
    TooOld,
    /// The authorization server says that the token is not active: it is unknown, expired, revoked, or not for this service
    /// (RFC 7662, section 2.2).
    Inactive,
    /// The token was revoked ([`TokenStatus::Revoked`](super::TokenStatus::Revoked)).
    Revoked,
    /// The subject of the token is suspended ([`TokenStatus::Suspended`](super::TokenStatus::Suspended)).
    Suspended,
    /// The token is bound to a key or a certificate (`cnf`), and nothing proves that the caller has it.
    Unproven(&'static str),
    /// The issuer's keys could not be fetched, or the token could not be introspected, so it is unknown whether it is valid.
    Unavailable(Arc<str>),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the token is malformed: {what}"),
            Self::UnknownKey => f.write_str("no key of the issuer has the token's kid and algorithm"),
            Self::BadSignature => f.write_str("the token's signature is invalid"),
            Self::WrongIssuer => f.write_str("the token is from another issuer"),
            Self::WrongAudience => f.write_str("the token is for another audience"),
            Self::WrongClient => f.write_str("the token is of another client"),
            Self::WrongClaim(claim) => write!(f, "the token's claim {claim} has a value that is not accepted here"),
            Self::WrongType => f.write_str("the token's typ is not one that is accepted here"),
            Self::WrongHeader(name) => write!(f, "the token's header has no accepted value of {name}"),
            Self::BadClaim(what) => write!(f, "a claim of the token is invalid: {what}"),
            Self::NotYetValid => f.write_str("the token is not yet valid"),
            Self::Expired => f.write_str("the token is expired"),
            Self::TooOld => f.write_str("the token was issued too long ago"),
            Self::Revoked => f.write_str("the token was revoked"),
            Self::Suspended => f.write_str("the subject of the token is suspended"),
            Self::Unproven(why) => write!(f, "the binding of the token (cnf) is not proved: {why}"),
            Self::Unavailable(why) => write!(f, "the token's issuer did not say whether it is valid: {why}"),
            Self::Inactive => f.write_str(
                "the token is not active: the server does not know it, or it is expired, revoked, or not for this service",
            ),
        }
    }
}

impl Error for TokenError {}
