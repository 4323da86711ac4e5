use std::{borrow::Cow, fmt};

/// The authentication method that identified the caller.
///
/// ```
/// use tower_auth::{AuthMethod, Principal};
///
/// assert_eq!(Principal::builder("alice").build().method(), &AuthMethod::Other("custom".into()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuthMethod {
    /// An API key.
    ApiKey,
    /// A bearer token (JWT).
    Token,
    /// Another method by name, such as mutual TLS or a session cookie.
    Other(Cow<'static, str>),
}

impl fmt::Display for AuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApiKey => "api_key",
            Self::Token => "token",
            Self::Other(name) => name,
        })
    }
}
