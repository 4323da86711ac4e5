//! What else of a request and its response a proof touches: headers, budgets, prefixes of paths.

use std::sync::{Arc, Mutex};

use axum::{Router, routing::get as route};
use http::{HeaderMap, Request, Response};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthLayer, AuthStack, BearerLayer, ClientIp, Dpop, PeerAddr, Quota, RateLimitLayer, dpop::Nonces};

use super::{ORIGIN, Proof, layer, prove, request, request_for, token_of};
use crate::{
    support::{Body, strict},
    tokens::{ask, hand, stack_of},
};

/// The headers that the service behind a stack sees.
async fn seen(auth: AuthLayer, request: Request<Body>) -> HeaderMap {
    let seen = Arc::new(Mutex::new(None));
    let inner = {
        let seen = Arc::clone(&seen);
        strict(move |request: Request<Body>| {
            *seen.lock().unwrap() = Some(request.headers().clone());
            Response::new(Body::default())
        })
    };
    assert_eq!(stack_of(auth).layer(inner).oneshot(request).await.unwrap().status(), 200);
    let headers = seen.lock().unwrap().take();
    headers.unwrap()
}

#[tokio::test]
async fn a_proof_is_hidden_and_removed_with_its_token() {
    let token = token_of("es256");
    let with_proof = || request("DPoP", &token, &[&Proof::of("es256", &token).sealed()]);
    let headers = seen(layer().into(), with_proof()).await;
    assert!(headers["dpop"].is_sensitive() && headers["authorization"].is_sensitive());
    let headers = seen(layer().strip_credentials(), with_proof()).await;
    assert!(!headers.contains_key("dpop") && !headers.contains_key("authorization"));
    assert!(AuthLayer::from(layer()).sensitive_headers().iter().any(|name| name == "dpop"));
}

#[tokio::test]
async fn responses_do_not_vary_by_the_proof() {
    let token = token_of("es256");
    let response = stack_of(layer())
        .layer(crate::support::ok())
        .oneshot(request("DPoP", &token, &[&Proof::of("es256", &token).sealed()]))
        .await
        .unwrap();
    let vary: Vec<_> = response.headers().get_all("vary").iter().collect();
    assert!(vary.is_empty(), "{vary:?}");
}

/// A stack with a budget of two failures for an address, and with a cache of tokens.
fn counted(dpop: Dpop) -> AuthStack {
    let tokens = crate::tokens::strict().cache(100).build().unwrap();
    let failures = RateLimitLayer::failures(Quota::per_hour(2), ClientIp::peer());
    AuthStack::builder().auth(BearerLayer::new(tokens).dpop(dpop)).limit(failures).clock(&hand()).build().unwrap()
}

async fn from_here(stack: &AuthStack, token: &str, proof: &str) -> u16 {
    let mut request = request("DPoP", token, &[proof]);
    request.extensions_mut().insert(PeerAddr([192, 0, 2, 7].into()));
    ask(stack, request).await.status
}

#[tokio::test]
async fn a_bad_proof_is_a_failed_attempt_and_a_missing_nonce_is_none() {
    let token = token_of("es256");
    let good = || Proof::of("es256", &token);
    let stack = counted(Dpop::new(ORIGIN).nonces(Nonces::new([7; 32]).unwrap()));
    for _ in 0..10 {
        assert_eq!(from_here(&stack, &token, &good().sealed()).await, 401);
    }
    let stack = counted(Dpop::new(ORIGIN));
    assert_eq!(from_here(&stack, &token, &good().sealed()).await, 200);
    for _ in 0..2 {
        assert_eq!(from_here(&stack, &token, &Proof::of("ed25519", &token).sealed()).await, 401);
    }
    // Spent: no signature is checked any more, whether the token is known or not.
    for proof in [Proof::of("ed25519", &token).sealed(), good().sealed()] {
        assert_eq!(from_here(&stack, &token, &proof).await, 429);
    }
}

/// The failures of a thief are not those of the holder.
#[tokio::test]
async fn who_has_the_token_only_is_not_its_holder() {
    let stack = counted(Dpop::new(ORIGIN));
    let token = token_of("es256");
    for _ in 0..5 {
        from_here(&stack, &token, &Proof::of("ed25519", &token).sealed()).await;
    }
    let mut request = request("DPoP", &token, &[&Proof::of("es256", &token).sealed()]);
    request.extensions_mut().insert(PeerAddr([198, 51, 100, 7].into()));
    ask(&stack, request).await.assert_accepted();
}

/// Inside `nest`, the path of the request has no prefix any more, and the proof has it.
#[tokio::test]
async fn the_path_is_the_one_that_the_client_asked_for() {
    let inner = Router::new().route("/things", route(|| async { "" })).layer(stack_of(layer()));
    let app = Router::new().nest("/v1", inner);
    let token = token_of("es256");
    let proof =
        |path: &str| Proof::of("es256", &token).claim(|claims| claims.text("htu", &format!("{ORIGIN}{path}"))).sealed();
    for (path, status) in [("/v1/things", 200), ("/things", 401)] {
        let request = request_for("GET", "/v1/things", "DPoP", &token, &[&proof(path)]);
        let request = request.map(|_| axum::body::Body::empty());
        assert_eq!(app.clone().oneshot(request).await.unwrap().status().as_u16(), status, "{path}");
    }
}

#[tokio::test]
async fn the_scheme_has_no_case() {
    let (stack, token) = (stack_of(layer()), token_of("es256"));
    for scheme in ["DPoP", "dpop", "DPOP"] {
        ask(&stack, request(scheme, &token, &[&Proof::of("es256", &token).sealed()])).await.assert_accepted();
    }
    prove(&stack, &token, "").await.assert_bad_proof("no header");
}
