//! The router: metadata for everybody, and the MCP server behind the guards.

use std::sync::Arc;

use axum::{Json, Router, routing::get};
use http::{HeaderValue, Response, Uri, header};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use serde_json::json;
use tower::{Layer as _, util::MapResponseLayer};
use tower_auth::{AuthStack, BearerLayer, BoxError, Rejection, TokenVerifier, mcp::McpScopes};

use super::notes::{Notes, Store};

/// Where the server is.
pub(crate) struct Site {
    /// Without a path.
    pub(crate) public_url: String,
    pub(crate) issuer: String,
    /// The websites whose pages may call.
    pub(crate) origins: Vec<String>,
}

pub(crate) fn router(site: &Site, tokens: TokenVerifier) -> Result<Router, BoxError> {
    let stack = AuthStack::builder().auth(BearerLayer::new(tokens)).build()?;
    let scopes = McpScopes::new()
        .tool("notes_list", ["notes:read"])
        .tool("notes_write", ["notes:read", "notes:write"])
        .tool("whoami", [])
        .build()?;

    let host = site.public_url.parse::<Uri>()?.host().ok_or("the public URL has no host")?.to_owned();
    // By default, the SDK accepts requests to loopback only, and answers any other host 403. It does not check `Origin`.
    let config = StreamableHttpServerConfig::default()
        .with_allowed_hosts([host])
        .with_allowed_origins(site.origins.clone())
        .enforce_origin_validation();
    let store = Store::default();
    let server = StreamableHttpService::new(
        move || Ok(Notes::new(Arc::clone(&store))),
        Arc::new(LocalSessionManager::default()),
        config,
    );

    // Clients call both addresses.
    let server = scopes.layer(server);
    let private = Router::new().route_service("/mcp", server.clone()).route_service("/mcp/", server);
    Ok(Router::new()
        .merge(metadata(site))
        .merge(private.layer(stack.guards()).layer(MapResponseLayer::new(name_metadata(site)?)))
        .fallback(|| async { Rejection::not_found() })
        .layer(stack.envelope()))
}

const DOCUMENT: &str = "/.well-known/oauth-protected-resource";

/// Serves the metadata (RFC 9728) at the address below `/mcp` and at the root, for pages of any website.
// replaced at merge
fn metadata(site: &Site) -> Router {
    let document = json!({
        "resource": format!("{}/mcp", site.public_url),
        "authorization_servers": [site.issuer],
        // What a client asks for first; a refusal names what else it needs.
        "scopes_supported": ["notes:read"],
        "bearer_methods_supported": ["header"],
    });
    let answer = get(move || {
        let document = document.clone();
        async move { ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(document)) }
    });
    Router::new().route(DOCUMENT, answer.clone()).route(&format!("{DOCUMENT}/mcp"), answer)
}

/// Adds the address of the metadata to the challenges of refusals.
// replaced at merge
fn name_metadata<B>(site: &Site) -> Result<impl Fn(Response<B>) -> Response<B> + Clone + use<B>, BoxError> {
    let parameter = format!(", resource_metadata=\"{}{DOCUMENT}/mcp\"", site.public_url);
    HeaderValue::try_from(&parameter)?;
    Ok(move |mut response: Response<B>| {
        if let Some(challenge) = response.headers_mut().get_mut(header::WWW_AUTHENTICATE)
            && let Ok(longer) = HeaderValue::from_bytes(&[challenge.as_bytes(), parameter.as_bytes()].concat())
        {
            *challenge = longer;
        }
        response
    })
}
