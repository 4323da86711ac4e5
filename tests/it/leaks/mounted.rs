//! The endpoint where services mount it: in axum, under an envelope, and in the main example server.

use std::fs;

use axum::Router;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_auth::{ErrorEnvelopeLayer, registry::AuditFilter};

use super::{Desk, IDENTIFIER, entry, published, report, signature, signed};
use crate::{
    support::{
        json as body_of,
        server::{Reply, Server},
    },
    tokens::mint,
};

#[tokio::test]
async fn it_is_a_route_of_axum_and_the_envelope_writes_its_refusals() {
    let desk = Desk::new();
    let key = desk.create().await;
    let app = Router::new()
        .route_service("/secret-scanning/github", desk.reports.clone())
        .layer(ErrorEnvelopeLayer::compact().keep_request_ids());
    let mut request = report([key.secret.expose()]);
    request.headers_mut().insert("x-request-id", "delivery-7".parse().unwrap());
    let answer = app.clone().oneshot(request).await.unwrap();
    assert_eq!(body_of(answer).await[0]["label"], "true_positive");
    assert_eq!(desk.revocations(&key).await[0].request_id.as_deref(), Some("delivery-7"));

    let mut wrong = signed("[]");
    wrong.headers_mut().insert("github-public-key-identifier", "another".parse().unwrap());
    let refused = app.oneshot(wrong).await.unwrap();
    assert_eq!((refused.status().as_u16(), &refused.headers()["cache-control"]), (401, &"no-store".parse().unwrap()));
    let body = body_of(refused).await.to_string();
    assert!(body.contains("INVALID_SIGNATURE") && !body.contains("another"), "{body}");
}

fn deliver(server: &Server, body: &Value) -> Reply {
    let body = body.to_string();
    let headers = [
        "content-type: application/json".to_owned(),
        format!("github-public-key-identifier: {IDENTIFIER}"),
        format!("github-public-key-signature: {}", signature(mint::key("es256"), body.as_bytes())),
    ];
    server.request("POST /secret-scanning/github", &headers.each_ref().map(|line| &**line), &body)
}

#[test]
fn freddy_revokes_a_key_that_github_reports() {
    let file = format!("{}/github-keys.json", env!("CARGO_TARGET_TMPDIR"));
    fs::write(&file, published(&[(IDENTIFIER, mint::P256, true)])).unwrap();
    let server = Server::start("freddy", &["--github-keys", &file]);
    let key = server.demo("read").to_owned();
    let models = || server.request("GET /v1/models", &[&format!("x-api-key: {key}")], "").status;
    assert_eq!(models(), 200);
    let reply = deliver(&server, &json!([entry(&key), entry("ak_nobodys")]));
    assert_eq!((reply.status, reply.header("cache-control")), (200, vec!["no-store"]), "{}", reply.body);
    let labels: Vec<Value> = reply.json().as_array().unwrap().iter().map(|one| one["label"].clone()).collect();
    assert_eq!(labels, ["true_positive", "false_positive"]);
    assert_eq!(models(), 401);
    let unsigned = server.request("POST /secret-scanning/github", &["content-type: application/json"], "[]");
    assert_eq!((unsigned.status, unsigned.code()), (401, "AUTHENTICATION_REQUIRED".to_owned()));
    let (_, _, log) = server.stop();
    assert!(log.contains("a key was leaked") && !log.contains(&key), "{log}");
}

#[test]
fn freddy_without_the_keys_of_github_has_no_such_path() {
    let server = Server::start("freddy", &[]);
    assert_eq!(deliver(&server, &json!([])).status, 404);
}

#[tokio::test]
async fn a_service_without_a_request_id_writes_none() {
    let desk = Desk::new();
    let key = desk.create().await;
    desk.reports.clone().oneshot(report([key.secret.expose()])).await.unwrap();
    let rows = desk.keys.audit(&desk.admin, &AuditFilter::key(key.key.id())).await.unwrap().items;
    assert_eq!((rows.len(), rows[1].request_id.as_deref()), (2, None));
}
