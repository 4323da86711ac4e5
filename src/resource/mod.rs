//! A resource server that clients can discover: its metadata (RFC 9728), for OAuth clients and for MCP (feature
//! `aws-lc-rs` or `rust-crypto`).
//!
//! A client that calls the service without a token reads in the challenge where the metadata are. The metadata name the
//! authorization servers and the scopes, and the client gets a token there. [`ProtectedResource`] is the document and the
//! service that answers it. Its URL is in the challenges if the same value is passed to
//! [`BearerLayer::resource_metadata`](crate::BearerLayer::resource_metadata).
//!
//! ```
//! use axum::{Router, routing::post};
//! use tower_auth::{AuthStack, BearerLayer, ConfigError, Principal, Rules, TokenVerifier, permission::scope, resource::ProtectedResource};
//!
//! fn app(tokens: TokenVerifier) -> Result<Router, ConfigError> {
//!     let rules = Rules::new().require("POST /mcp", scope("notes:read")).challenge_scopes();
//!     let resource = ProtectedResource::builder("https://api.example.com/mcp") // as clients call the service
//!         .verifier(&tokens)
//!         .rules(&rules)
//!         .name("Notes")
//!         .build()?;
//!     let tokens = BearerLayer::new(tokens).resource_metadata(&resource);
//!     let stack = AuthStack::builder().auth(tokens).rules(rules).build()?;
//!     let private = Router::new()
//!         .route("/mcp", post(|who: Principal| async move { who.subject().to_owned() }))
//!         .layer(stack);
//!     Ok(Router::new()
//!         .route_service("/.well-known/oauth-protected-resource", resource.clone())
//!         .route_service("/.well-known/oauth-protected-resource/{*path}", resource)
//!         .merge(private)) // the metadata are outside of the authentication
//! }
//! ```
//!
//! | a client sends | answer |
//! |---|---|
//! | no token | 401 `Bearer realm="api", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp", scope="notes:read"` |
//! | `GET /.well-known/oauth-protected-resource/mcp` | 200, the metadata |
//! | a token without a scope | 403 `Bearer error="insufficient_scope", scope="notes:read", resource_metadata="…"` |
//! | a token of a login that is too weak ([`acr`](crate::permission::acr)) | 401 `Bearer error="insufficient_user_authentication", acr_values="…", resource_metadata="…"` |
//!
//! # The identifier
//!
//! The URL that is given to [`ProtectedResource::builder`] is published exactly as it is. Clients compare it with the URL
//! that their user has typed, and stop if it differs: write it as users do, with the path, without a slash at the end, and
//! with the port if there is one. It comes from the configuration, because a client chooses the `Host` of a request.
//!
//! It need not be an audience of the tokens. Some authorization servers write it into `aud` (RFC 8707), others write a name
//! of their own: give the verifier the [audience](crate::token::TokenVerifierBuilder::audience) that the tokens have.
//!
//! # Where it is served
//!
//! Clients look at two addresses: `/.well-known/oauth-protected-resource` with the path of the resource behind it, and
//! without. Both are answered, with a slash at the end or without. If the host has several resources, only one of them can
//! be at the second address: call [`not_at_root`](ProtectedResourceBuilder::not_at_root) for the others. A proxy in front
//! must pass both addresses on. The service of the resource itself should also answer `/mcp/` like `/mcp`: some clients
//! call it so.
//!
//! The documents are public. Mount them outside of the guards, and outside of a router that is `nest`ed. On a host without
//! axum, call the service for paths that begin with `/.well-known/oauth-protected-resource`:
//!
//! ```
//! use http::{Request, Response};
//! use tower::{Service as _, ServiceExt as _};
//! use tower_auth::{FullBody, resource::ProtectedResource};
//!
//! async fn well_known<B>(resource: &ProtectedResource, request: Request<B>) -> Response<FullBody> {
//!     let Ok(answer) = resource.clone().oneshot(request).await;
//!     answer
//! }
//! ```
//!
//! # Scopes
//!
//! Clients that ignore challenges ask for all scopes of the metadata at once, and fail if the user may not have one of
//! them. If some rules are for few users, name the basic scopes with [`scopes`](ProtectedResourceBuilder::scopes) instead of
//! [`rules`](ProtectedResourceBuilder::rules). The challenge of a 403 asks for the others when they are needed.
//! `offline_access`, with which clients ask for a refresh token, is never named.
//!
//! # Browsers
//!
//! Any website may read the metadata: they are answered with `Access-Control-Allow-Origin: *`, and so are preflights. A
//! client in a browser must also be able to read `WWW-Authenticate` of the 401 and 403 of the service itself. Expose it with
//! the CORS layer [in front of the stack](crate::stack#with-cors-tracing-and-other-layers).
//!
//! # When not to use it
//!
//! If clients are configured with their authorization server, or have keys. The metadata of an authorization server are
//! another document: `endpoints::WellKnown` (feature `strict-body`).

mod builder;
mod service;

pub use self::{builder::ProtectedResourceBuilder, service::ProtectedResource};
