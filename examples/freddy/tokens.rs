//! Tokens: the server's own, for the demo, and those of an external issuer.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm as Signed, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    BearerLayer, BoxError, Principal, Secret, Task, TokenVerifier,
    jwks::JwksClient,
    token::{Algorithm, KeySet, TokenVerifierBuilder, VerifyingKey},
};

use crate::{common::demo::ORGANIZATION, login::random, options::Outside};

const ISSUER: &str = "freddy";
const AUDIENCE: &str = "freddy";
/// How long the server's own tokens are valid.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// Issues the server's own tokens.
pub(crate) struct Mint(Secret);

impl Mint {
    pub(crate) fn new() -> Result<Self, BoxError> {
        Ok(Self(Secret::new(random()? + &random()?)))
    }

    /// Issues a token with the scope `read`, and an expired one.
    pub(crate) fn demo(&self) -> Result<(String, String), BoxError> {
        let now = SystemTime::now();
        Ok((self.token(now, "demo")?, self.token(now - 2 * LIFETIME, "expired")?))
    }

    /// Issues a token with the caller's permissions, and returns its lifetime too.
    #[allow(dead_code, reason = "only one of the servers exchanges keys for tokens")]
    pub(crate) fn exchange(&self, who: &Principal) -> Result<(String, Duration), BoxError> {
        let claims = json!({
            "sub": who.subject(), "client_id": "freddy", "key_id": who.credential_id(), "jti": format!("token_{}", random()?),
            "scope": who.scopes().join(" "), "organizations": who.organizations(), "account": who.account(),
            "roles": who.roles(), "plan": who.plan(),
        });
        Ok((self.sign(claims, SystemTime::now())?, LIFETIME))
    }

    fn token(&self, issued: SystemTime, id: &str) -> Result<String, BoxError> {
        let claims = json!({
            "sub": "user_1", "client_id": "freddy", "jti": format!("token_{id}"),
            "scope": "read", "organizations": [ORGANIZATION], "account": "acct_demo", "plan": "standard",
        });
        self.sign(claims, issued)
    }

    fn sign(&self, mut claims: Value, issued: SystemTime) -> Result<String, BoxError> {
        let issued = issued.duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        claims["iss"] = ISSUER.into();
        claims["aud"] = AUDIENCE.into();
        claims["iat"] = issued.into();
        claims["exp"] = (issued + LIFETIME.as_secs()).into();
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Signed::HS256) };
        Ok(encode(&header, &claims, &EncodingKey::from_secret(self.0.expose().as_bytes()))?)
    }

    fn verifier(&self) -> Result<TokenVerifier, BoxError> {
        let key = VerifyingKey::hmac(Algorithm::Hs256, &self.0)?;
        Ok(claims(TokenVerifier::keys(ISSUER, [key]).audience(AUDIENCE)).build()?)
    }
}

/// The claim of a token that was issued in exchange for a key: the id of that key.
#[derive(Deserialize)]
pub(crate) struct Exchanged {
    #[allow(dead_code, reason = "only one of the servers exchanges keys for tokens")]
    pub(crate) key_id: Option<String>,
}

fn claims(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    // A cached token needs no signature check, so that guesses from the same address do not block it.
    builder
        .organizations_from("organizations")
        .roles_from("roles")
        .account_from("account")
        .plan_from("plan")
        .claims::<Exchanged>()
        .cache(10_000)
}

/// Returns the layer for this server's tokens and those of the external issuer, if any, and the task that refreshes its keys.
pub(crate) async fn layer(mint: &Mint, outside: Option<Outside>) -> Result<(BearerLayer, Option<Task>), BoxError> {
    let own = BearerLayer::new(mint.verifier()?);
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
    let tokens = claims(builder).leeway(Duration::from_secs(60)).build()?;
    let refresh = tokens.start();
    if let Err(error) = tokens.ready(Duration::from_secs(5)).await {
        tracing::warn!("{error}; tokens of this issuer are answered 503 until its keys are fetched");
    }
    Ok((own.or(tokens), Some(refresh)))
}
