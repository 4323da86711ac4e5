//! WorkOS: sessions of AuthKit, and Connect.

use super::domain::{check_host, check_word, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// Session tokens of WorkOS AuthKit. The argument is the client id of the environment.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::workos_session("client_01HXYZ").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is `https://api.workos.com`, the same for all customers of WorkOS, and there is **no `aud`**. The URL of the keys names
/// the client id, so the keys are the only thing that separates your tokens from those of others, and the audience is not
/// checked. `permissions` are the scopes, `role` and `roles` the roles, `org_id` is the organisation, and `sid` the session.
///
/// # What it refuses
///
/// Tokens of other environments: their keys are at another URL. Tokens of WorkOS Connect: their issuer is another.
///
/// # What you set
///
/// - An authentication domain of your own: `.also_issuer("https://auth.example.com")`. The issuer
///   `https://api.workos.com/user_management/<client id>`, which some environments have, is accepted.
/// - `.forbid_claim("/act/sub", [false])`, if nobody may act for a user: a text cannot be compared with a boolean, so the token of
///   an impersonator is refused.
///
/// The documentation does not tell the `typ` of the header, so tokens without one are accepted, and `JWT`.
///
/// Built from the reference *Session tokens* of WorkOS; not tested against the live service.
pub fn workos_session(client_id: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_word("workos_session", "the client id", client_id, "client_01HXYZ") {
        return faulty("workos_session", fault);
    }
    TokenVerifier::jwks("https://api.workos.com", format!("https://api.workos.com/sso/jwks/{client_id}"))
        .also_issuer(format!("https://api.workos.com/user_management/{client_id}"))
        .accept_any_audience()
        .typ(["JWT"])
        .allow_missing_typ()
        .scopes_from("permissions")
        .roles_from("role")
        .roles_from("roles")
        .organizations_from("org_id")
}

/// Access tokens of WorkOS Connect: OAuth and MCP clients, and machines. The argument is the AuthKit domain, such as
/// `example.authkit.app`.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::workos_connect("example.authkit.app").audience("https://api.example.com/mcp").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is the AuthKit domain, `aud` the resource that the client has asked for, and `scope` a string. `sub` is the user, or the
/// client itself if it is a machine. `org_id` is the organisation. `sid` is the id of a **consent** and not of a session, so a
/// revocation list by session means consents here.
///
/// # What it refuses
///
/// Tokens for other resources, and session tokens: their issuer is another.
///
/// # What you set
///
/// The audience: the resource of RFC 8707 that your [`ProtectedResource`](crate::resource::ProtectedResource) names. Clients that
/// name no resource get tokens for the client id of the environment. Add it only if all its services may share tokens.
///
/// The documentation does not tell the `typ` of the header, so tokens without one are accepted, and `JWT` and `at+jwt`.
///
/// Built from the page *Access token claims* of WorkOS; not tested against the live service.
pub fn workos_connect(domain: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_host("workos_connect", domain, "example.authkit.app") {
        return faulty("workos_connect", fault);
    }
    TokenVerifier::discover(format!("https://{domain}"))
        .typ(["JWT", "at+jwt"])
        .allow_missing_typ()
        .organizations_from("org_id")
}
