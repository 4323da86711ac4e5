//! The layers of other crates that verify tokens, all with the same checks. Only `benches/peers` depends on these crates.

use axum::body::Body;
use jsonwebtoken::Algorithm;
use jwt_authorizer::{IntoLayer as _, JwtAuthorizer, Validation, layer::AuthorizationLayer};
use serde::Deserialize;
use tower_oauth2_resource_server::{
    layer::OAuth2ResourceServerLayer, server::OAuth2ResourceServer, tenant::TenantConfiguration,
    validation::ClaimsValidationSpec,
};

use super::issuer::{AUDIENCE, ISSUER};

/// The claims that the peers read.
#[derive(Clone, Deserialize)]
#[expect(dead_code, reason = "a handler would read it")]
pub(crate) struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    exp: u64,
    iat: u64,
    jti: String,
    scope: String,
}

/// tower-oauth2-resource-server's layer with the keys of this JSON Web Key Set.
pub(crate) fn resource_server(jwks: String, algorithm: Algorithm) -> OAuth2ResourceServerLayer<Body, Claims> {
    let audience = vec![AUDIENCE.to_owned()];
    let tenant = TenantConfiguration::static_builder(jwks)
        .audiences(&audience)
        .claims_validation(ClaimsValidationSpec::new().exp(true).iss(ISSUER).aud(&audience))
        .allowed_algorithms(&[algorithm])
        .build()
        .expect("the settings are complete");
    let server = wait_for(OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build());
    server.expect("the settings are complete").into_layer()
}

/// jwt-authorizer's layer with the keys of this JSON Web Key Set.
pub(crate) fn authorizer(jwks: &str) -> AuthorizationLayer<Claims> {
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]);
    let authorizer = JwtAuthorizer::<Claims>::from_jwks_text(jwks).validation(validation).build();
    wait_for(authorizer).expect("the settings are complete").into_layer()
}

/// Waits for a future that fetches nothing and is soon ready.
pub(crate) fn wait_for<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers can be built")
        .block_on(future)
}
