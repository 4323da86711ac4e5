use std::time::Duration;

use serde_json::{Map, Value};

use super::unused::Unused;
use crate::Secret;

/// Tokens that were issued, as they are sent to the client. Send them with `Cache-Control: no-store`.
///
/// `Debug` shows no token.
///
/// ```
/// use tower_auth::session::IssuedTokens;
///
/// fn body(tokens: &IssuedTokens) -> String {
///     tokens.to_json().to_string()
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct IssuedTokens {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if the client gets one.
    pub refresh_token: Option<Secret>,
    /// How long the access token is valid, in whole seconds.
    pub expires_in: Duration,
    /// How long the refresh token can be used.
    pub refresh_expires_in: Option<Duration>,
    /// The scopes of the access token.
    pub scopes: Vec<String>,
    /// The id of the session: the `sid` of the access token.
    pub session: Option<String>,
    /// The thumbprint of the key that the access token is bound to (`jkt`). Its `token_type` is `DPoP` then.
    pub proof_key: Option<String>,
}

impl IssuedTokens {
    /// Returns the answer of a token endpoint (RFC 6749, section 5.1): `access_token`, `token_type`, `expires_in`,
    /// `refresh_token` if there is one, and `scope`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let members = [
            ("access_token", Some(self.access_token.expose().into())),
            ("token_type", Some(token_type(self.proof_key.is_some()).into())),
            ("expires_in", Some(self.expires_in.as_secs().into())),
            ("refresh_token", self.refresh_token.as_ref().map(|token| token.expose().into())),
            ("scope", Some(self.scopes.join(" ").into())),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>().into()
    }
}

/// Returns the type of an access token (RFC 9449, section 5).
pub(super) const fn token_type(is_bound: bool) -> &'static str {
    if is_bound { "DPoP" } else { "Bearer" }
}

/// What a client asks for when it exchanges or refreshes a token. The default is all that the holder may have.
///
/// ```
/// use tower_auth::session::TokenRequest;
///
/// let request = TokenRequest::new().scope("read write");
/// assert_eq!(request, TokenRequest::new().scopes(["read", "write"]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a request does nothing until it is passed on"]
pub struct TokenRequest {
    pub(super) scopes: Option<Vec<String>>,
    pub(super) audience: Option<String>,
    pub(super) client: Option<String>,
    /// The id of the first key of the line of the client's key.
    pub(super) line: Option<String>,
    pub(super) no_refresh: bool,
    pub(super) proof_key: Option<String>,
    pub(super) proof: Option<Unused>,
}

impl TokenRequest {
    /// Asks for all.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks for these scopes only, separated by spaces (RFC 6749, section 3.3). A text without a scope asks for none.
    ///
    /// The token keeps the account, the organisations, the roles and the plan of its holder. A route that a narrowed
    /// token must not open requires a scope, not a role alone.
    pub fn scope(self, scope: &str) -> Self {
        self.scopes(scope.split(' ').filter(|scope| !scope.is_empty()))
    }

    /// Asks for these scopes only.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        Self { scopes: Some(scopes.into_iter().map(Into::into).collect()), ..self }
    }

    /// Asks for a token that is for this audience only: one of the issuer's.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Says which client asks. At a refresh, it must be the client that the session belongs to.
    pub fn client(self, id: impl Into<String>) -> Self {
        Self { client: Some(id.into()), ..self }
    }

    /// Says of which line of keys the client's key is: a key and its successors by rotation are one client.
    #[cfg(feature = "strict-body")]
    pub(crate) fn line(self, first_key: Option<&str>) -> Self {
        Self { line: first_key.map(str::to_owned), ..self }
    }

    /// Returns whether a token of this owner is another client's. A token that was issued to no client is anyone's who
    /// has it.
    pub(super) fn is_others(&self, owner: Option<&str>, line: Option<&str>) -> bool {
        let (Some(client), Some(owner)) = (self.client.as_deref(), owner) else { return false };
        client != owner && !(self.line.is_some() && self.line.as_deref() == line)
    }

    /// Returns whether the owner of a token asks, authenticated by its key.
    pub(super) fn is_by_owner(&self, owner: Option<&str>, line: Option<&str>) -> bool {
        self.line.is_some() && self.client.is_some() && owner.is_some() && !self.is_others(owner, line)
    }

    /// Asks for a token that is bound to the key with this thumbprint (`jkt`, RFC 9449, section 6.1), of which the client
    /// has proven to have it: check its proof before. `AuthEndpoints` (feature `strict-body`) does so. A session that
    /// begins with it is bound too: see the [module page](crate::session).
    ///
    /// ```
    /// use tower_auth::session::TokenRequest;
    ///
    /// let request = TokenRequest::new().proof_key("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    /// ```
    pub fn proof_key(self, thumbprint: impl Into<String>) -> Self {
        Self { proof_key: Some(thumbprint.into()), ..self }
    }

    /// Adds a proof whose signature was checked. It is used up when everything else about the request was found right.
    #[cfg(feature = "strict-body")]
    pub(crate) fn proven(self, settings: std::sync::Arc<crate::Dpop>, proof: crate::dpop::Proof) -> Self {
        let asked = self.proof_key(proof.thumbprint());
        Self { proof: Some(Unused::new(settings, proof)), ..asked }
    }

    /// Asks for no refresh token.
    pub fn without_refresh(self) -> Self {
        Self { no_refresh: true, ..self }
    }
}
