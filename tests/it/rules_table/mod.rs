//! `Rules`: the grammar of patterns, whole segments (pitfall p06), paths that can be read in two ways (rule 018),
//! public routes, what a stranger learns, and a slow reference that must agree.

mod access;
mod fresh;
mod paths;
mod patterns;
mod reference;

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, ConfigError, Principal, Rules, testing::FakeAuth};

use crate::support::{Body, ok};

fn alice() -> Principal {
    Principal::builder("alice").scopes(["read"]).build()
}

/// Everybody is alice, who has the scope `read`.
fn known(rules: Rules) -> AuthStack {
    AuthStack::builder().auth(FakeAuth::always(alice())).rules(rules).build().unwrap()
}

/// Nobody brings a credential.
fn stranger(rules: Rules) -> AuthStack {
    AuthStack::builder().auth(FakeAuth::never()).rules(rules).build().unwrap()
}

async fn ask(stack: &AuthStack, method: &str, path: &str) -> u16 {
    let request = Request::builder().method(method).uri(path).body(Body::default()).unwrap();
    stack.layer(ok()).oneshot(request).await.unwrap().status().as_u16()
}

fn build(rules: Rules) -> Result<AuthStack, ConfigError> {
    AuthStack::builder().auth(FakeAuth::always(alice())).rules(rules).build()
}
