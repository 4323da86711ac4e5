//! The tokens of an external issuer. The server accepts them, and exchanges them for its own.

use std::time::Duration;

use tower_auth::{BoxError, Task, TokenVerifier, jwks::JwksClient, session::ExchangeRule, token::KeySet};

use crate::{
    common::demo::{ACCOUNT, ORGANIZATION},
    options::Outside,
};

/// The rule of exchange (RFC 8693): a token of a member of the demo's organisation, by its claim `organizations`, becomes one
/// that reads for this organisation. The subject gets the issuer in front, so that it is no user of this server.
pub(crate) fn members_may_read(tokens: TokenVerifier) -> ExchangeRule {
    let rule = ExchangeRule::new(tokens).claim("organizations", ORGANIZATION).scopes(["read"]);
    rule.account(ACCOUNT).organizations([ORGANIZATION]).plan("standard")
}

/// Returns the verifier of the external issuer's tokens, and the task that refreshes its keys.
pub(crate) async fn of_issuer(Outside { jwks, issuer, audience }: Outside) -> Result<(TokenVerifier, Task), BoxError> {
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
    Ok((tokens, refresh))
}
