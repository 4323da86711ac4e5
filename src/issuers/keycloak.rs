//! Keycloak.

use super::domain::{check_issuer, check_word, faulty};
use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

const EXAMPLE: &str = "https://id.example.com/realms/main";

/// Access tokens of a Keycloak realm. The argument is the issuer: `https://<host>/realms/<realm>`, and before Keycloak 17
/// `https://<host>/auth/realms/<realm>`.
///
/// ```
/// use tower_auth::{issuers, token::ClaimSource};
///
/// let tokens = issuers::keycloak("https://id.example.com/realms/main")
///     .audience("billing")
///     // The roles of the client "billing", beside those of the realm:
///     .roles_from(ClaimSource::path(["resource_access", "billing", "roles"]).prefix("billing:"))
///     // If the realm has organisations:
///     .organizations_from(ClaimSource::new("organization").member_names())
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// The header has `typ` `JWT`, or `at+jwt` by a setting of the client. The **claim** `typ` says what the token is: `Bearer` or
/// `DPoP` for access tokens. Scopes are in `scope`, the roles of the realm in `realm_access`, and those of clients in
/// `resource_access`. The client is in `azp`.
///
/// # What it refuses
///
/// Id tokens, refresh tokens, offline tokens and log-out tokens, by the claim `typ`: their header is that of an access token.
/// A token of type `DPoP` is bound to a key and needs its proof.
///
/// # What you set
///
/// - The audience. Keycloak writes `aud` by mappers: add an *audience* mapper with the client id of your API. Without one, `aud`
///   is often `account`, which every client of the realm gets, or is missing. If it is missing, set
///   [`client`](TokenVerifierBuilder::client) with `azp`.
/// - The roles of clients, with a prefix: a role of a client may have the name of a role of the realm.
/// - Organisations: the claim `organization` is an object by alias, unless its mapper is set to write names. For names, use
///   `.organizations_from("organization")`.
/// - [`subject_from`](TokenVerifierBuilder::subject_from) for lightweight tokens without the scope `basic`: they have no `sub`
///   and are refused.
///
/// `iss` follows the host of the request unless the server has a hostname: set one, so that all clients get one issuer.
///
/// Built from the server administration guide and the source of Keycloak; not tested against a live server.
pub fn keycloak(issuer: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check(issuer) {
        return faulty("keycloak", fault);
    }
    TokenVerifier::discover(issuer.to_owned())
        .typ(["JWT", "at+jwt"])
        .require_claim("typ", ["Bearer", "DPoP"])
        .roles_from("/realm_access/roles")
}

fn check(issuer: &str) -> Result<(), ConfigError> {
    check_issuer("keycloak", issuer, EXAMPLE)?;
    match issuer.rsplit_once("/realms/") {
        Some((_, realm)) => check_word("keycloak", "the realm", realm, "main"),
        None => Err(ConfigError::new(
            format!("issuers::keycloak got {issuer:?}, which names no realm"),
            format!("use the exact value of iss in the tokens, such as {EXAMPLE:?}"),
        )),
    }
}
