//! Amazon Cognito.

use super::domain::faulty;
use crate::{
    ConfigError,
    token::{ClaimSource, TokenVerifier, TokenVerifierBuilder},
};

/// Access tokens of a user pool of Amazon Cognito, got by these app clients. The pool is its id, which begins with the region.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::cognito("eu-west-1_AbCdEf123", ["7l5hvv9bbk8gnd6b5pdgd2hm2b"]).build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://cognito-idp.<region>.amazonaws.com/<pool>`. The header has no `typ`, and the claims have no `aud`: the
/// app client is in `client_id`, and stands in for the audience.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, a UUID; the user's name is in `username` |
/// | scopes | `scope`, such as `aws.cognito.signin.user.admin` or `<resource server>/<scope>` |
/// | roles | `cognito:groups` |
///
/// # What is refused
///
/// - An id token: its `token_use` is `id`. The same keys sign it.
/// - A token of another app client of the pool, and of another pool or region.
/// - A token with an `aud`, until you name it: if clients ask for tokens of a resource, add `.audience("https://api.example.com")`.
///   Audience and client are then both required.
///
/// # What remains yours
///
/// Nothing. A token is good until it expires, also if its user has signed out.
///
/// # Source
///
/// AWS, "aws-jwt-verify", and Amazon Verified Permissions about clients and audiences of Cognito. Built from these, and not tested
/// against the live service.
pub fn cognito<S: Into<String>>(user_pool: &str, app_clients: impl IntoIterator<Item = S>) -> TokenVerifierBuilder {
    let region = match region_of(user_pool) {
        Ok(region) => region,
        Err(fault) => return faulty("cognito", fault),
    };
    let issuer = format!("https://cognito-idp.{region}.amazonaws.com/{user_pool}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    TokenVerifier::jwks(issuer, keys)
        .client("client_id", app_clients)
        .allow_missing_typ()
        .require_claim("token_use", ["access"])
        .roles_from(ClaimSource::path(["cognito:groups"]))
}

fn region_of(user_pool: &str) -> Result<&str, ConfigError> {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match user_pool.split_once('_') {
        Some((region, id))
            if (1..=32).contains(&region.len())
                && region.contains('-')
                && region.bytes().all(lower)
                && (1..=64).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Ok(region)
        }
        _ => Err(ConfigError::new(
            format!("issuers::cognito got {user_pool:?}, which is not the id of a user pool"),
            "use the id with its region, and not a name, an ARN or a URL, such as \"eu-west-1_AbCdEf123\"",
        )),
    }
}
