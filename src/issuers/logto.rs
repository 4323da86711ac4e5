//! Logto.

use super::domain::{check_host, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// Access tokens of Logto for an API resource. The argument is the host: `<tenant>.logto.app`, or the custom domain.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::logto("example.logto.app").audience("https://api.example.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is `https://<host>/oidc`, the algorithm is ES384, and the header has `typ` `at+jwt`. `aud` is the API resource, `scope` a
/// string, and `client_id` the application. A token for an organisation has `organization_id`, or the audience
/// `urn:logto:organization:<id>`.
///
/// # What it refuses
///
/// Id tokens, by their `typ` and their audience, and tokens for other resources.
///
/// # What you set
///
/// - The audience: the indicator of the API resource, exactly as registered. For tokens of an organisation without a resource, add
///   `.audience("urn:logto:organization:<id>")` for each; they name the organisation nowhere else.
/// - Clients that ask for no resource get **opaque** tokens. Let them ask for one, or ask Logto:
///
/// ```
/// use tower_auth::{Secret, TokenVerifier, jwks::IntrospectionClient};
///
/// # fn f(secret: &Secret) -> Result<(), tower_auth::ConfigError> {
/// let server = IntrospectionClient::new("https://example.logto.app/oidc/token/introspection")
///     .client_secret_basic("my-application", secret);
/// let tokens = TokenVerifier::introspect("https://example.logto.app/oidc", server)
///     .audience("https://api.example.com")
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// Built from what is known of Logto's tokens, without a page at hand; not tested against the live service. Compare it with a token
/// of yours first.
pub fn logto(host: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_host("logto", host, "example.logto.app") {
        return faulty("logto", fault);
    }
    let issuer = format!("https://{host}/oidc");
    let keys = format!("{issuer}/jwks");
    TokenVerifier::jwks(issuer, keys).organizations_from("organization_id")
}
