//! Tokens: the server's own, for the demo, and those of an issuer outside.

use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm as Signed, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    BearerLayer, BoxError, Principal, Secret, Task, TokenVerifier,
    jwks::JwksClient,
    token::{Algorithm, KeySet, TokenVerifierBuilder, VerifyingKey},
};

use crate::{common::ORGANIZATION, login::random, options::Outside};

const ISSUER: &str = "freddy";
const AUDIENCE: &str = "freddy";
/// What the server's own tokens are good for.
const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// What makes the server's own tokens.
pub(crate) struct Mint(Secret);

impl Mint {
    pub(crate) fn new() -> Result<Self, BoxError> {
        Ok(Self(Secret::new(random()? + &random()?)))
    }

    /// A token that may read, and one whose time is over.
    pub(crate) fn demo(&self) -> Result<(String, String), BoxError> {
        let now = SystemTime::now();
        Ok((self.token(now, "demo")?, self.token(now - 2 * LIFETIME, "expired")?))
    }

    /// A token that may do what this caller may, and how long it is good.
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

/// What a token that a key was exchanged for says of the key.
#[derive(Deserialize)]
pub(crate) struct Exchanged {
    #[allow(dead_code, reason = "only one of the servers exchanges keys for tokens")]
    pub(crate) key_id: Option<String>,
}

fn claims(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    // A remembered token is let in without a signature to check, whoever else guesses from its address.
    builder
        .organizations_from("organizations")
        .roles_from("roles")
        .account_from("account")
        .plan_from("plan")
        .claims::<Exchanged>()
        .cache(10_000)
}

/// Tokens of this server, and of the issuer outside if there is one; with what keeps its keys up to date.
pub(crate) async fn layer(mint: &Mint, outside: Option<Outside>) -> Result<(BearerLayer, Option<Task>), BoxError> {
    let own = BearerLayer::new(mint.verifier()?);
    let Some(Outside { jwks, issuer, audience }) = outside else { return Ok((own, None)) };
    let builder = if jwks.starts_with("https://") {
        TokenVerifier::jwks(issuer, jwks)
    } else if jwks.starts_with("http://") {
        tracing::warn!("the keys of {issuer} come over plain HTTP: whoever is on the way can put in others");
        TokenVerifier::source(issuer, JwksClient::new(jwks).insecure_http())
    } else {
        let document = std::fs::read(&jwks).map_err(|error| format!("cannot read the key set {jwks}: {error}"))?;
        TokenVerifier::key_set(issuer, KeySet::from_json(&document)?)
    };
    let builder = builder.audience(audience).typ(["at+jwt", "JWT"]).allow_missing_typ();
    let tokens = claims(builder).leeway(Duration::from_secs(60)).build()?;
    let refresh = tokens.start();
    if let Err(error) = tokens.ready(Duration::from_secs(5)).await {
        tracing::warn!("{error}; its tokens are answered 503 until it answers");
    }
    Ok((own.or(tokens), Some(refresh)))
}
