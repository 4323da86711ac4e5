use std::{error::Error, fmt, sync::Arc};

/// Why a token is not accepted. It is for logs: a client learns that the token is invalid or expired, and no more.
///
/// ```
/// use tower_auth::token::TokenError;
///
/// assert_eq!(TokenError::Expired.to_string(), "the token is expired");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum TokenError {
    /// It is no signed token in compact form, or its header or claims cannot be read.
    Malformed(&'static str),
    /// No key of the issuer has its `kid` and its algorithm.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// `iss` is missing or another.
    WrongIssuer,
    /// `aud` is missing or names others.
    WrongAudience,
    /// `typ` is missing or another: it is a token for something else.
    WrongType,
    /// A claim that is required is missing, or one has a value that it cannot have.
    BadClaim(&'static str),
    /// `nbf` is in the future.
    NotYetValid,
    /// The signature holds, and `exp` has passed.
    Expired,
    /// It was taken back ([`TokenStatus::Revoked`](super::TokenStatus::Revoked)).
    Revoked,
    /// Its subject is locked out ([`TokenStatus::Suspended`](super::TokenStatus::Suspended)).
    Suspended,
    /// The issuer's keys cannot be had: nobody can tell.
    Unavailable(Arc<str>),
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "the token is malformed: {what}"),
            Self::UnknownKey => f.write_str("no key of the issuer has the token's kid and algorithm"),
            Self::BadSignature => f.write_str("the token's signature does not hold"),
            Self::WrongIssuer => f.write_str("the token is from another issuer"),
            Self::WrongAudience => f.write_str("the token is for another audience"),
            Self::WrongType => f.write_str("the token's typ is not one that is accepted here"),
            Self::BadClaim(what) => write!(f, "a claim of the token is not good: {what}"),
            Self::NotYetValid => f.write_str("the token is not yet valid"),
            Self::Expired => f.write_str("the token is expired"),
            Self::Revoked => f.write_str("the token was revoked"),
            Self::Suspended => f.write_str("the subject of the token is suspended"),
            Self::Unavailable(why) => write!(f, "the keys of the token's issuer cannot be had: {why}"),
        }
    }
}

impl Error for TokenError {}
