//! Descope.

use super::domain::{check_word, faulty};
use crate::token::{ClaimSource, TokenVerifier, TokenVerifierBuilder};

/// Session JWTs of a Descope project. The argument is the id of the project.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::descope("P2abcdefghijklmnopqrstuvwxyz")
///     .accept_any_audience() // or .audience(..), if the template of the JWT sets one
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is the **id of the project**, or by a template `https://api.descope.com/<project>`: both are accepted. `drn` says what the
/// token is: `DS` for a session, `DSR` for a refresh token. `permissions` are the scopes, `roles` the roles. `tenants` is an object
/// by the id of the tenant; the principal is a member of all of them.
///
/// # What it refuses
///
/// Refresh tokens, which are JWTs of the same key, and tokens of other projects.
///
/// # What you set
///
/// - There is no `aud` by default. The keys are those of one project, so `accept_any_audience` accepts the tokens of all
///   applications of the project, and of no other. If services of the project must be kept apart, set `aud` in the template of the
///   JWT, and call [`audience`](TokenVerifierBuilder::audience).
/// - Roles inside a tenant are in `tenants`, below its id, and are not read: read them with
///   [`claims`](TokenVerifierBuilder::claims), or for one tenant with
///   `.roles_from(ClaimSource::path(["tenants", "<tenant>", "roles"]).prefix("<tenant>:"))`.
/// - A region or domain of your own: `.also_issuer(..)` for the name, and [`keys_from`](TokenVerifierBuilder::keys_from) for the keys.
///
/// Built from the pages *Session overview* and *API Management* about Descope, and for the names of claims from experience; not
/// tested against the live service.
pub fn descope(project: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_word("descope", "the id of the project", project, "P2abcdefghijklmnopqrstuvwxyz") {
        return faulty("descope", fault);
    }
    let url = format!("https://api.descope.com/{project}");
    let keys = format!("{url}/.well-known/jwks.json");
    TokenVerifier::jwks(project.to_owned(), keys)
        .also_issuer(url)
        .typ(["JWT"])
        .require_claim("drn", ["DS"])
        .scopes_from("permissions")
        .roles_from("roles")
        .organizations_from(ClaimSource::new("tenants").member_names())
}
