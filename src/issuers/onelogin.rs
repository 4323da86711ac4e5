//! OneLogin.

use super::domain::{check_label, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// JWT access tokens of OneLogin's API authorization servers. The argument is the first word of `<name>.onelogin.com`.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::onelogin("example").audience("https://api.example.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The expected shape
///
/// `iss` is `https://<name>.onelogin.com/oidc/2`, `scope` a string, and `groups`, if they are mapped, are the roles. The `typ` of the
/// header is `JWT`, or there is none.
///
/// # What it refuses
///
/// Tokens for other audiences, and so id tokens: their audience is the client.
///
/// # What you set
///
/// - The audience of the API authorization server. Applications without one get opaque tokens.
///
/// No page about these tokens was at hand: this preset is built **from experience alone**, and was not tested against the live service.
/// Compare it with a token of yours first.
pub fn onelogin(name: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_label("onelogin", "the name of the account", name, "example") {
        return faulty("onelogin", fault);
    }
    let issuer = format!("https://{name}.onelogin.com/oidc/2");
    let keys = format!("{issuer}/certs");
    TokenVerifier::jwks(issuer, keys).typ(["JWT"]).allow_missing_typ().roles_from("groups")
}
