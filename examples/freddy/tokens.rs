//! The tokens of an external issuer, beside the server's own.

use std::time::Duration;

use tower_auth::{BearerLayer, BoxError, Task, TokenVerifier, jwks::JwksClient, token::KeySet};

use crate::options::Outside;

/// Adds the tokens of the external issuer, if any, and returns the task that refreshes its keys.
pub(crate) async fn or_those_of(
    own: BearerLayer,
    outside: Option<Outside>,
) -> Result<(BearerLayer, Option<Task>), BoxError> {
    let Some(Outside { jwks, issuer, audience }) = outside else { return Ok((own, None)) };
    let builder = if jwks.starts_with("https://") {
        TokenVerifier::jwks(issuer, jwks)
    } else if jwks.starts_with("http://") {
        tracing::warn!(
            "the keys of {issuer} are fetched over plain HTTP: anyone on the network path can replace them; use an https:// URL"
        );
        TokenVerifier::source(issuer, JwksClient::new(jwks).insecure_http())
    } else {
        let document = std::fs::read(&jwks).map_err(|error| format!("cannot read the key set {jwks}: {error}"))?;
        TokenVerifier::key_set(issuer, KeySet::from_json(&document)?)
    };
    let builder = builder.audience(audience).typ(["at+jwt", "JWT"]).allow_missing_typ();
    let builder =
        builder.organizations_from("organizations").roles_from("roles").account_from("account").plan_from("plan");
    let tokens = builder.cache(10_000).leeway(Duration::from_secs(60)).build()?;
    let refresh = tokens.start();
    if let Err(error) = tokens.ready(Duration::from_secs(5)).await {
        tracing::warn!("{error}; tokens of this issuer are answered 503 until its keys are fetched");
    }
    Ok((own.or(tokens), Some(refresh)))
}
