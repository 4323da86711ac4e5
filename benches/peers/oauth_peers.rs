//! The peers that are resource servers of OAuth: oauth-resource-server, which is a layer, and huskarl-resource-server, which
//! answers a question. Both get the keys in memory, so that nothing is fetched.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use axum::body::Body;
use http::{Method, Request, Response, StatusCode, Uri};
use huskarl_crypto_native::symmetric::SymmetricKey;
use huskarl_resource_server::{
    core::{
        EndpointUrl, Error,
        crypto::verifier::{JwsVerifier, JwsVerifierFactory, JwsVerifierPlatform},
        jwk::{Jwk, PrivateJwk},
        platform::MaybeSendBoxFuture,
    },
    validator::rfc9068::Rfc9068Validator,
};
use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator, http_layer::HttpAuthLayer};
use serde::Deserialize;
use tower::Service;

use super::{
    issuer::{AUDIENCE, ISSUER},
    tokens::Issuer,
};

type Answer = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// oauth-resource-server's layer. It refuses secrets, so there is none for HMAC.
pub(crate) fn oauth_resource_server(issuer: &Issuer) -> HttpAuthLayer {
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.into(),
        resource: "https://api.example.com".to_owned(),
        required_scope: Some("read".to_owned()),
        ..OAuthConfig::default()
    };
    let config = config.resolve(KeyNaming::Dotted("oauth")).expect("the settings are complete").expect("it is enabled");
    let validator = OAuthValidator::builder(&config).initial_jwks(&issuer.jwks()).build();
    let validator = Arc::new(validator.expect("the settings are complete"));
    HttpAuthLayer::builder().oauth(validator).build().expect("the settings are complete")
}

/// The claims that huskarl reads beside those of the profile.
#[derive(Clone, Deserialize)]
struct More {}

/// A service that asks huskarl-resource-server's validator for the profile of RFC 9068.
#[derive(Clone)]
pub(crate) struct Huskarl {
    validator: Arc<Rfc9068Validator<More>>,
    uri: Uri,
}

impl Huskarl {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        let validator = Rfc9068Validator::builder()
            .with_claims::<More>()
            .issuer(ISSUER.to_owned())
            .audience(AUDIENCE.to_owned())
            .jws_verifier_factory(OneKey::of(issuer))
            .build();
        let validator = super::token_peers::wait_for(validator).expect("the settings are complete");
        Self { validator: Arc::new(validator), uri: Uri::from_static("https://api.example.com/") }
    }
}

impl Service<Request<Body>> for Huskarl {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Answer {
        let this = self.clone();
        Box::pin(async move {
            let found = this.validator.validate_request(request.headers(), &Method::GET, &this.uri, None).await;
            match found.outcome {
                Ok(Some(token)) => {
                    request.extensions_mut().insert(Arc::new(token));
                    Ok(Response::new(Body::empty()))
                }
                _ => {
                    let mut refusal = Response::new(Body::empty());
                    *refusal.status_mut() = StatusCode::UNAUTHORIZED;
                    Ok(refusal)
                }
            }
        })
    }
}

/// One key in the place of a key set.
struct OneKey {
    jwk: String,
}

impl OneKey {
    fn of(issuer: &Issuer) -> Self {
        let set: serde_json::Value = serde_json::from_str(&issuer.jwks()).expect("the JSON is a key set");
        Self { jwk: set["keys"][0].to_string() }
    }
}

impl JwsVerifierFactory for OneKey {
    fn build(
        &self,
        _: Option<&EndpointUrl>,
        platform: Arc<dyn JwsVerifierPlatform>,
    ) -> MaybeSendBoxFuture<'static, Result<Arc<dyn JwsVerifier>, Error>> {
        let jwk: Jwk = serde_json::from_str(&self.jwk).expect("the JSON is a key");
        Box::pin(async move {
            if let Some(PrivateJwk::Symmetric(secret)) = jwk.private_jwk() {
                let key: Arc<dyn JwsVerifier> = Arc::new(SymmetricKey::from_jwk(secret)?);
                return Ok(key);
            }
            let public = jwk.public_jwk().expect("the key is public or a secret");
            let key = platform.create_verifier_from_jwk(public).await;
            Ok(key.expect("the key can be used"))
        })
    }
}
