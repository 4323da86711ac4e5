//! The same refusals from inside: a handler, a late refusal, an extractor's caller, gRPC.

use axum::{Router, routing};
use http::{HeaderValue, Request, Response, header};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, KeyRecord, LateRefusal, Rejection, RequestExt as _, rejection::StepUp,
};

use super::{METADATA, bearer, token, told};
use crate::{
    support::{Body, KEY, get, store, strict},
    tokens::hand,
};

fn stack(auth: impl Into<AuthLayer>) -> AuthStack {
    AuthStack::builder().auth(auth).clock(&hand()).late_refusals().build().unwrap()
}

fn step_up() -> Rejection {
    Rejection::step_up(StepUp::new().acr_values(["urn:mfa"]).max_age(std::time::Duration::from_secs(60)))
}

fn expected() -> [(Rejection, u16, String); 3] {
    let login = r#"Bearer error="insufficient_user_authentication", acr_values="urn:mfa", max_age="60""#;
    [
        (
            Rejection::insufficient_scope(["a", "b"]),
            403,
            format!("Bearer error=\"insufficient_scope\", scope=\"a b\", {METADATA}"),
        ),
        (Rejection::insufficient_scope([""; 0]), 403, format!("Bearer error=\"insufficient_scope\", {METADATA}")),
        (step_up(), 401, format!("{login}, {METADATA}")),
    ]
}

/// Answers a request with a token, and one with a key, both whole and in layers by themselves.
async fn answers(handler: impl Fn(Request<Body>) -> Response<Body> + Clone + Send + 'static) -> Vec<(u16, String)> {
    let (scheme, keys) = store(KeyRecord::new("k1", "acme"));
    let auth = AuthLayer::first(bearer()).then(ApiKeyLayer::new(scheme, keys));
    let stack = stack(auth);
    let by_token = || get("/", &[("authorization", &token("read"))]);
    let by_key = || get("/", &[("x-api-key", KEY)]);
    let mut all = Vec::new();
    for request in [by_token(), by_key()] {
        let response = stack.layer(strict(handler.clone())).oneshot(request).await.unwrap();
        let (status, challenge) = told(&response);
        all.push((status, challenge.to_owned()));
    }
    let apart = stack.envelope().layer(stack.guards().layer(strict(handler)));
    let response = apart.oneshot(by_token()).await.unwrap();
    let (status, challenge) = told(&response);
    all.push((status, challenge.to_owned()));
    all
}

#[tokio::test]
async fn a_handler_and_a_late_refusal_get_the_same_challenge() {
    for (refusal, status, challenge) in expected() {
        let (own, late) = (refusal.clone(), refusal.clone());
        let returned = answers(move |_| own.clone().into_response()).await;
        let handed_in = answers(move |request| {
            request.late_refusal().unwrap().refuse(late.clone()).unwrap();
            Response::new(Body::default())
        })
        .await;
        // Who has a key is asked for no scope; a handler that demands a login is taken at its word.
        let of_key = if status == 403 { String::new() } else { challenge.clone() };
        let expected = vec![(status, challenge.clone()), (status, of_key), (status, challenge)];
        assert_eq!((returned, handed_in), (expected.clone(), expected), "{refusal}");
    }
}

/// A challenge that a handler has written itself stays.
#[tokio::test]
async fn an_own_challenge_is_kept() {
    for (refusal, status, _) in expected() {
        let own = refusal.header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Own x=\"y\""));
        let answers = answers(move |_| own.clone().into_response()).await;
        assert_eq!(answers, vec![(status, "Own x=\"y\"".to_owned()); 3]);
    }
}

/// Without a gate in front, the refusal of a login still has its challenge, because a 401 must have one.
#[test]
fn a_401_has_its_challenge_without_a_gate() {
    let response: Response<()> = step_up().into_response();
    assert_eq!(
        told(&response).1,
        r#"Bearer error="insufficient_user_authentication", acr_values="urn:mfa", max_age="60""#
    );
    let response: Response<()> = Rejection::insufficient_scope(["a"]).into_response();
    assert_eq!(told(&response), (403, ""), "nobody knows how the caller has authenticated");
}

/// One tool of many asks for more.
#[tokio::test]
async fn a_tool_steps_up_in_axum() {
    let tool = |handle: LateRefusal| async move {
        let _too_late = handle.refuse(Rejection::insufficient_scope(["notes:write"]));
        "the client does not read this"
    };
    let app = Router::new().route("/", routing::post(tool)).layer(stack(bearer()));
    let request = Request::post("/").header("authorization", token("read")).body(axum::body::Body::empty()).unwrap();
    let response = app.oneshot(request).await.unwrap();
    let expected = format!("Bearer error=\"insufficient_scope\", scope=\"notes:write\", {METADATA}");
    assert_eq!(told(&response), (403, &*expected));
}

/// A gRPC client reads the same in the details of the status: HTTP's challenge is none of its metadata.
#[tokio::test]
async fn a_grpc_client_reads_the_details() {
    let stack = stack(bearer());
    for (refusal, code, details) in [
        (step_up(), "16", ["reason INSUFFICIENT_USER_AUTHENTICATION", "acrValues", "urn:mfa"]),
        (
            Rejection::insufficient_scope(["a", "b"]),
            "7",
            ["reason INSUFFICIENT_PERMISSIONS", "requiredPermissions", "a,b"],
        ),
    ] {
        let handler = strict(move |request: Request<Body>| {
            request.late_refusal().unwrap().refuse(refusal.clone()).unwrap();
            Response::new(Body::default())
        });
        let mut request = get(
            "/notes.Notes/Delete",
            &[("authorization", &token("read")), ("content-type", "application/grpc"), ("te", "trailers")],
        );
        *request.method_mut() = http::Method::POST;
        let response = stack.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["grpc-status"]),
            (200, &HeaderValue::from_static(code))
        );
        assert!(!response.headers().contains_key("www-authenticate"));
        let decoded = crate::grpc::decoded(response.headers());
        assert!(details.iter().all(|detail| decoded.contains(detail)), "{decoded}");
    }
}
