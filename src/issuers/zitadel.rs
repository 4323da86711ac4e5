//! Zitadel.

use super::domain::{check_host, check_word, faulty};
use crate::{
    ConfigError,
    token::{ClaimSource, TokenVerifier, TokenVerifierBuilder},
};

/// JWT access tokens of a Zitadel instance, for one project. The arguments are the host of the instance, and the id of the
/// project whose API this service is.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::zitadel("example.zitadel.cloud", "69234237810729019").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is the host, without a path. `aud` is a list: clients, and the id of the project if the client has asked for the scope
/// `urn:zitadel:iam:org:project:id:<project>:aud`. The roles of the project are the **names of the members** of
/// `urn:zitadel:iam:org:project:<project>:roles`. The organisation to which the user belongs is in
/// `urn:zitadel:iam:user:resourceowner:id`, if the client has asked for the scope `urn:zitadel:iam:user:resourceowner`.
///
/// # What it refuses
///
/// - Tokens without the id of the project in `aud`. If a client cannot ask for the scope, add its id:
///   `.audience("<client id>")`.
/// - The roles of other projects: the claim `urn:zitadel:iam:org:project:roles`, which names no project, is not read.
/// - Id tokens: they have the same type, key and audiences, and are known by `at_hash` and `nonce`, which no access token has.
///
/// # What you set
///
/// Access tokens are **opaque by default**. Set the application's token type to JWT, or ask Zitadel about them:
///
/// ```
/// use tower_auth::{Secret, TokenVerifier, jwks::IntrospectionClient, token::ClaimSource};
///
/// # fn f(secret: &Secret) -> Result<(), tower_auth::ConfigError> {
/// let server = IntrospectionClient::new("https://example.zitadel.cloud/oauth/v2/introspect")
///     .client_secret_basic("my-api", secret);
/// let tokens = TokenVerifier::introspect("https://example.zitadel.cloud", server)
///     .audience("69234237810729019")
///     .roles_from(ClaimSource::path(["urn:zitadel:iam:org:project:69234237810729019:roles"]).member_names())
///     .build()?;
/// # Ok(())
/// # }
/// ```
///
/// Built from the pages *Claims in ZITADEL* and *Scopes in ZITADEL*, and the source of its library; not tested against a live server.
pub fn zitadel(host: &str, project: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check(host, project) {
        return faulty("zitadel", fault);
    }
    let roles = format!("urn:zitadel:iam:org:project:{project}:roles");
    TokenVerifier::discover(format!("https://{host}"))
        .typ(["JWT"])
        .audience(project)
        // A text cannot be compared with a boolean, so each token with these claims is refused.
        .forbid_claim("at_hash", [false])
        .forbid_claim("nonce", [false])
        .roles_from(ClaimSource::path([roles]).member_names())
        .organizations_from("urn:zitadel:iam:user:resourceowner:id")
}

fn check(host: &str, project: &str) -> Result<(), ConfigError> {
    check_host("zitadel", host, "example.zitadel.cloud")?;
    check_word("zitadel", "the id of the project", project, "69234237810729019")
}
