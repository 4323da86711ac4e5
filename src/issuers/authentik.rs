//! authentik.

use super::domain::{check_issuer, faulty};
use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

const EXAMPLE: &str = "https://id.example.com/application/o/my-app/";

/// JWT access tokens of a provider of authentik. The arguments are its issuer, `https://<host>/application/o/<slug>/` with the slash
/// at the end, and its client id.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::authentik("https://id.example.com/application/o/my-app/", "kpF2mY0w").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `aud` is the client id, in access tokens and in id tokens. Access tokens also have `azp`, the client id again, which id tokens
/// have not. `groups` are the roles, if the scope with them is mapped.
///
/// # What it refuses
///
/// Id tokens, which have the audience, type and key of access tokens, by their missing `azp`; tokens of other providers.
///
/// # What you set
///
/// - In authentik: a signing key. Without one, tokens are signed with the client secret (HS256), and whoever has the secret can
///   make tokens of every user. If that must be, `.also_keys([VerifyingKey::hmac(Algorithm::Hs256, &client_secret)?])`.
/// - In authentik: no encryption key. An encrypted token (JWE) is not read.
/// - Services of one provider share its client id, so they share its tokens. Make a provider for each service.
///
/// The issuer mode *global* is not supported: the keys are found below the issuer of the provider.
///
/// Built from the documentation and the source of authentik; not tested against a live server.
pub fn authentik(issuer: &str, client_id: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check(issuer, client_id) {
        return faulty("authentik", fault);
    }
    TokenVerifier::jwks(issuer.to_owned(), format!("{issuer}jwks/"))
        .typ(["JWT"])
        .audience(client_id)
        .client("azp", [client_id])
        .roles_from("groups")
}

fn check(issuer: &str, client_id: &str) -> Result<(), ConfigError> {
    check_issuer("authentik", issuer, EXAMPLE)?;
    let slug = issuer.strip_suffix('/').and_then(|issuer| issuer.rsplit_once("/application/o/"));
    if slug.is_none_or(|(_, slug)| slug.is_empty() || slug.contains('/')) {
        return Err(ConfigError::new(
            format!("issuers::authentik got {issuer:?}, which is not the issuer of one provider"),
            format!("use the exact value of iss in the tokens, with the slash at the end, such as {EXAMPLE:?}"),
        ));
    }
    if client_id.trim() != client_id || client_id.is_empty() {
        return Err(ConfigError::new(
            format!("issuers::authentik got {client_id:?} as the client id"),
            "use the client id of the provider",
        ));
    }
    Ok(())
}
