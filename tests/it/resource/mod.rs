//! A resource server that clients discover: its metadata (RFC 9728), and the challenges that lead there (RFC 6750, RFC
//! 9470).

mod challenges;
mod document;
mod handlers;
mod served;

use http::{Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, BearerLayer, envelope::EnvelopeBody, resource::ProtectedResource};

use crate::{
    support::{Body, get, ok},
    tokens::{
        self, NOW,
        mint::{claims, key},
    },
};

const RESOURCE: &str = "https://api.example.com/mcp";
const URL: &str = "https://api.example.com/.well-known/oauth-protected-resource/mcp";
/// The same as a parameter of a challenge.
const METADATA: &str = "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource/mcp\"";

fn resource() -> ProtectedResource {
    ProtectedResource::builder(RESOURCE).issuer("https://id.example.com/").build().unwrap()
}

fn bearer() -> BearerLayer {
    BearerLayer::new(tokens::strict().build().unwrap()).resource_metadata(&resource())
}

/// A token with these scopes.
fn token(scopes: &str) -> String {
    let key = key("rs256");
    format!("Bearer {}", key.seal(key.header(), claims(NOW).text("scope", scopes)))
}

/// The status of an answer, and its challenge.
fn told<B>(response: &Response<B>) -> (u16, &str) {
    let lines: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert!(lines.len() < 2, "{lines:?}");
    (response.status().as_u16(), lines.first().map_or("", |line| line.to_str().unwrap()))
}

async fn ask(stack: &AuthStack, request: Request<Body>) -> Response<EnvelopeBody<Body>> {
    stack.layer(ok()).oneshot(request).await.unwrap()
}

async fn with_token(stack: &AuthStack, path: &str, scopes: &str) -> Response<EnvelopeBody<Body>> {
    ask(stack, get(path, &[("authorization", &token(scopes))])).await
}
