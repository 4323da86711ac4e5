//! Auth0.

use super::domain::{check_host, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// Access tokens of Auth0. The domain is that of the tenant, or the custom domain by which clients get their tokens.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::auth0("example.eu.auth0.com")
///     .audience("https://api.example.com") // the identifier of the API in Auth0
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://<domain>/`, with a slash. Both profiles of access tokens are accepted: that of Auth0 (`typ` is `JWT`) and
/// that of RFC 9068 (`at+jwt`).
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, such as `auth0|<id>`, or `<client>@clients` for a machine |
/// | scopes | `scope`: what the application was granted |
/// | roles | `permissions`, if the API has role-based access and adds permissions to tokens: what the user may do |
/// | organisations | `org_id` |
///
/// `permissions` are not scopes here, because they do not depend on what the application was granted. If all applications are
/// your own, `.scopes_from("scope").scopes_from("permissions")` merges the two. Roles of a custom claim are added with
/// `.roles_from("https://example.com/roles")`.
///
/// # What is refused
///
/// - An id token: its audience is the application, and nothing else tells it apart. Never use the id of an application as the
///   audience of an API.
/// - A token that a client got without an `audience`: it is opaque, and no JWT.
/// - A token of another tenant, or of another domain of the tenant. Add a second domain with
///   [`also_issuer`](TokenVerifierBuilder::also_issuer), with `https://` and the slash.
///
/// # What remains yours
///
/// The audience. To admit some applications only, add `.client("azp", [..])`, or `.client("client_id", [..])` in the profile of RFC
/// 9068. An API that is set to HS256 needs [`TokenVerifier::keys`] instead.
///
/// # Source
///
/// Auth0 Docs, "Access Token Profiles", "JSON Web Key Sets", "Signing Algorithms". Built from this documentation, and not tested
/// against the live service.
pub fn auth0(domain: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_host("auth0", domain, "example.eu.auth0.com") {
        return faulty("auth0", fault);
    }
    TokenVerifier::jwks(format!("https://{domain}/"), format!("https://{domain}/.well-known/jwks.json"))
        .typ(["at+jwt", "JWT"])
        .roles_from("permissions")
        .organizations_from("org_id")
}
