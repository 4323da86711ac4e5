//! The router: metadata for everybody, and the MCP server behind the guards.

use std::sync::Arc;

use axum::Router;
use http::Uri;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tower::Layer as _;
use tower_auth::{
    AuthStack, BearerLayer, BoxError, Rejection, TokenVerifier, mcp::McpScopes, resource::ProtectedResource,
};

use super::notes::{Notes, Store};

/// Where the server is.
pub(crate) struct Site {
    /// Without a path.
    pub(crate) public_url: String,
    /// The websites whose pages may call.
    pub(crate) origins: Vec<String>,
}

pub(crate) fn router(site: &Site, tokens: TokenVerifier) -> Result<Router, BoxError> {
    // What a client asks for first. The refusal of a tool names what else it needs.
    let first = ["notes:read"];
    let resource = ProtectedResource::builder(&format!("{}/mcp", site.public_url))
        .verifier(&tokens)
        .scopes(first)
        .name("Notes")
        .build()?;
    let tokens = BearerLayer::new(tokens).resource_metadata(&resource).challenge_scopes(first);
    let stack = AuthStack::builder().auth(tokens).build()?;
    let scopes = McpScopes::new()
        .tool("notes_list", ["notes:read"])
        .tool("notes_write", ["notes:read", "notes:write"])
        .tool("whoami", [])
        .build()?;

    let host = site.public_url.parse::<Uri>()?.host().ok_or("the public URL has no host")?.to_owned();
    // By default, the SDK accepts requests to loopback only, and answers any other host 403. It does not check `Origin`.
    let config = StreamableHttpServerConfig::default();
    let hosts: Vec<String> = config.allowed_hosts.iter().cloned().chain([host]).collect();
    let config =
        config.with_allowed_hosts(hosts).with_allowed_origins(site.origins.clone()).enforce_origin_validation();
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
        .route_service("/.well-known/oauth-protected-resource", resource.clone())
        .route_service("/.well-known/oauth-protected-resource/{*path}", resource)
        .merge(private.layer(stack.guards()))
        .fallback(|| async { Rejection::not_found() })
        .layer(stack.envelope()))
}
