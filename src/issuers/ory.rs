//! Ory Hydra, and Ory Network.

use super::domain::{check_issuer, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// JWT access tokens of Ory Hydra or of an Ory Network project. The argument is the issuer exactly as it is configured, often with
/// a slash at the end: compare it with `iss` of a token.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::ory_hydra("https://example.projects.oryapis.com")
///     .audience("https://api.example.com")
///     .organizations_from("/ext/organization") // if your consent app writes it
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// Scopes are a list in `scp`, a string in `scope`, or both, by the setting `scope_claim`: both are read. `aud` is an empty list if
/// the client has asked for no audience, the client is in `client_id`, and claims of your own are in `ext`.
///
/// # What it refuses
///
/// Tokens for other audiences, and so id tokens: the audience of those is the client. The keys are the same.
///
/// # What you set
///
/// - The audience, which clients must ask for and be allowed to ask for. For clients that do not, set
///   [`client`](TokenVerifierBuilder::client) with `client_id`, and with an audience beside it
///   [`audience_or_client`](TokenVerifierBuilder::audience_or_client).
/// - Access tokens are **opaque by default** (`ory_at_…`). Set the strategy `jwt`, for all clients or for one, or ask Hydra's
///   admin API about them:
///
/// ```
/// use tower_auth::{Secret, TokenVerifier, jwks::IntrospectionClient};
///
/// # fn f(key: &Secret) -> Result<(), tower_auth::ConfigError> {
/// let server = IntrospectionClient::new("https://example.projects.oryapis.com/admin/oauth2/introspect").bearer(key);
/// let tokens = TokenVerifier::introspect("https://example.projects.oryapis.com", server)
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// Built from the documentation of Ory and the source of its library; not tested against a live server.
pub fn ory_hydra(issuer: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_issuer("ory_hydra", issuer, "https://example.projects.oryapis.com") {
        return faulty("ory_hydra", fault);
    }
    let keys = format!("{}/.well-known/jwks.json", issuer.strip_suffix('/').unwrap_or(issuer));
    TokenVerifier::jwks(issuer.to_owned(), keys).typ(["JWT", "at+jwt"]).scopes_from("scope").scopes_from("scp")
}
