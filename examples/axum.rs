//! axum: public, private and optional routes, scopes, members of an organisation, and one format for every refusal.
//!
//! ```console
//! $ cargo run --example axum
//! $ curl localhost:8080/health                                                         # 200, no credential needed
//! $ curl localhost:8080/v1/models                                                      # 401 AUTHENTICATION_REQUIRED
//! $ curl localhost:8080/v1/models -H 'x-api-key: wrong-key'                            # 401 INVALID_API_KEY
//! $ curl localhost:8080/v1/models -H 'x-api-key: reader-key'                           # 200
//! $ curl localhost:8080/v1/models/ftg-9 -H 'x-api-key: reader-key'                     # 404 MODEL_NOT_FOUND
//! $ curl -X POST localhost:8080/v1/models -H 'x-api-key: reader-key'                   # 403 INSUFFICIENT_PERMISSIONS
//! $ curl -X POST localhost:8080/v1/models -H 'x-api-key: writer-key'                   # 201
//! $ curl localhost:8080/v1/organizations/acme/projects -H 'x-api-key: reader-key'      # 200
//! $ curl localhost:8080/v1/organizations/globex/projects -H 'x-api-key: reader-key'    # 403 ORGANIZATION_ACCESS_DENIED
//! $ curl localhost:8080/v1/prices                                                      # 200, the list
//! $ curl localhost:8080/v1/prices -H 'x-api-key: reader-key'                           # 200, your prices
//! $ curl localhost:8080/nowhere                                                        # 404 NOT_FOUND
//! ```

use axum::{Json, Router, extract::Path, http::StatusCode, routing};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, BoxError, ErrorEnvelopeLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore,
    Principal, Rejection, RequireLayer, permission,
};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (scheme, keys) = (KeyScheme::ephemeral(KeyFormat::opaque(8)), MemoryKeyStore::new());
    let reader = KeyRecord::new("key_1", "ann").scopes(["read"]).organizations(["acme"]);
    keys.insert(&scheme, "reader-key", reader)?;
    keys.insert(&scheme, "writer-key", KeyRecord::new("key_2", "bob").scopes(["read", "write"]))?;
    let keys = ApiKeyLayer::new(scheme, keys);
    let envelope = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let stack = AuthStack::builder().envelope(envelope).auth(keys.clone()).build()?;

    let listener = tokio::net::TcpListener::bind(listen()).await?;
    println!("{}", serde_json::json!({ "listening": format!("http://{}", listener.local_addr()?) }));
    let app = app(&stack, keys.optional());
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<std::net::SocketAddr>()).await?)
}

fn app(stack: &AuthStack, browse: AuthLayer) -> Router {
    // Inside `nest`, the path has lost its prefix; the path parameter is still there.
    let members = RequireLayer::new(permission::member_of(permission::OrgSource::axum_param("org")));
    let organization = Router::new().route("/projects", routing::get(projects)).route_layer(members);
    let private = Router::new()
        .route("/v1/models", routing::get(|who: Principal| async move { format!("models of {}", who.subject()) }))
        .route("/v1/models", routing::post(|| async { StatusCode::CREATED }).route_layer(RequireLayer::scope("write")))
        .route("/v1/models/{id}", routing::get(model))
        .nest("/v1/organizations/{org}", organization)
        .route_layer(RequireLayer::scope("read"))
        .layer(stack.guards());
    Router::new()
        .route("/health", routing::get(|| async { "ok" })) // public: not behind the guards
        .route("/v1/prices", routing::get(prices).layer(browse)) // the key is optional, a bad key is refused
        .merge(private)
        .fallback(|| async { Rejection::not_found() })
        .layer(stack.envelope())
}

async fn model(Path(id): Path<String>) -> Result<String, Rejection> {
    if id == "ftg-3" {
        return Ok(id);
    }
    Err(Rejection::custom(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND").message("There is no such model."))
}

async fn prices(who: Option<Principal>) -> &'static str {
    if who.is_some() { "yours" } else { "the list" }
}

async fn projects(who: Principal) -> Json<Vec<String>> {
    Json(who.organizations().to_vec())
}

/// Returns the address after `--listen`, or the default.
fn listen() -> String {
    std::env::args().skip_while(|word| word != "--listen").nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned())
}
