//! Okta.

use super::domain::{check_host, check_word, faulty};
use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

/// Access tokens of a custom authorization server of Okta. The server is `default`, or the id that Okta's console shows.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::okta("example.okta.com", "default")
///     .audience("api://default") // the audience of the authorization server
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://<domain>/oauth2/<server>`. The header has no `typ`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`: the login of a user, or the client's id for a machine |
/// | scopes | `scp`, a list |
///
/// A login can change, and be given to another person later. `.subject_from("uid")` with
/// `.subject_from(ClaimSource::new("cid").prefix("client:"))` uses ids that stay the same.
///
/// # What is refused
///
/// - A token of the org authorization server, whose issuer has no `/oauth2/`: Okta publishes no keys for services to check it.
///   It can be [introspected](TokenVerifier::introspect):
///
/// ```
/// use tower_auth::{Secret, TokenVerifier, jwks::IntrospectionClient};
///
/// let org = IntrospectionClient::new("https://example.okta.com/oauth2/v1/introspect")
///     .client_secret_basic("0oa1b2c3d4E5f6G7h8i9", &Secret::new("the secret of that client"));
/// let tokens = TokenVerifier::introspect("https://example.okta.com", org).audience("https://example.okta.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// - An id token: its audience is the client. Never use a client's id as the audience of an authorization server.
/// - A token of another authorization server of the same domain.
///
/// # What remains yours
///
/// The audience. Groups are a claim that you define in Okta: `.roles_from("groups")`. To admit some clients only, add
/// `.client("cid", [..])`.
///
/// # Source
///
/// Okta Developer, "Authorization servers", "Validate access tokens", "Key rotation". The claims `cid`, `uid` and `scp` and the missing
/// `typ` are those of common tokens. Built from this, and not tested against the live service.
pub fn okta(domain: &str, server: &str) -> TokenVerifierBuilder {
    let checked = check_host("okta", domain, "example.okta.com")
        .and_then(|()| check_console(domain))
        .and_then(|()| check_word("okta", "the authorization server", server, "default"));
    if let Err(fault) = checked {
        return faulty("okta", fault);
    }
    TokenVerifier::discover(format!("https://{domain}/oauth2/{server}")).allow_missing_typ().scopes_from("scp")
}

/// Rejects the domain of the console, which is in the address bar when the settings are copied.
fn check_console(domain: &str) -> Result<(), ConfigError> {
    match domain.split_once('.') {
        Some((name, rest)) if name.ends_with("-admin") && rest.starts_with("okta") => Err(ConfigError::new(
            format!("issuers::okta got {domain:?}, which is the domain of the console"),
            "use the domain without -admin, such as \"example.okta.com\"",
        )),
        _ => Ok(()),
    }
}
