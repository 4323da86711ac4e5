//! The endpoints on real sockets: below a path of axum, and on plain hyper.

use std::net::SocketAddr;

use axum::Router;
use tower_auth::{ErrorEnvelopeLayer, endpoints::WellKnown};

use super::{Desk, Value, form};
use crate::support::{
    server::{Reply, exchange},
    sockets,
};

async fn send(address: SocketAddr, head: String, body: String) -> Reply {
    let request =
        format!("{head}\r\nhost: api.test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    tokio::task::spawn_blocking(move || exchange(address, request.as_bytes())).await.unwrap()
}

/// Exchanges, refreshes by both forms, introspects, logs out.
async fn assert_served(desk: &Desk, address: SocketAddr, base: &str) {
    let key = format!("x-api-key: {}", desk.key.expose());
    let tokens = send(address, format!("POST {base}/token HTTP/1.1\r\n{key}"), String::new()).await;
    assert_eq!((tokens.status, tokens.header("pragma")), (200, vec!["no-cache"]), "{}", tokens.body);
    let text = |reply: &Reply, name: &str| reply.json()[name].as_str().unwrap().to_owned();

    let json = "content-type: application/json";
    let body = serde_json::json!({ "refresh_token": text(&tokens, "refresh_token") }).to_string();
    let refreshed = send(address, format!("POST {base}/refresh HTTP/1.1\r\n{json}"), body).await;
    let of_form = "content-type: application/x-www-form-urlencoded";
    let body = form(&[("grant_type", "refresh_token"), ("refresh_token", &text(&refreshed, "refresh_token"))]);
    let refreshed = send(address, format!("POST {base}/token HTTP/1.1\r\n{of_form}"), body).await;
    let access = text(&refreshed, "access_token");

    let introspect =
        || send(address, format!("POST {base}/introspect HTTP/1.1\r\n{of_form}\r\n{key}"), form(&[("token", &access)]));
    assert_eq!(introspect().await.json()["active"], Value::Bool(true));
    let body = serde_json::json!({ "refresh_token": text(&refreshed, "refresh_token") }).to_string();
    let out = send(address, format!("POST {base}/logout HTTP/1.1\r\n{json}"), body).await;
    assert_eq!((out.status, out.json()["success"].as_bool()), (200, Some(true)));
    assert_eq!(introspect().await.body, r#"{"active":false}"#);

    let refused = send(address, format!("POST {base}/token HTTP/1.1\r\n{of_form}"), form(&[("grant_type", "x")])).await;
    assert_eq!((refused.status, text(&refused, "error")), (400, "unsupported_grant_type".to_owned()));
    let huge = send(address, format!("POST {base}/token HTTP/1.1\r\n{of_form}"), "x".repeat(70_000)).await;
    assert_eq!(huge.status, 413);
    let got = send(address, format!("GET {base}/token HTTP/1.1"), String::new()).await;
    assert_eq!((got.status, got.header("allow")), (405, vec!["POST"]));
}

#[tokio::test]
async fn below_a_path_of_axum() {
    let desk = Desk::new();
    let documents = WellKnown::new(&desk.sessions, "https://api.test/v1/auth").unwrap().endpoints(&desk.endpoints);
    let app = Router::new()
        .nest_service("/v1/auth", desk.endpoints.clone())
        .route_service("/.well-known/{*document}", documents)
        .layer(ErrorEnvelopeLayer::detailed().adopt_foreign_errors());
    let running = sockets::axum(app).await;
    assert_served(&desk, running.address, "/v1/auth").await;
    for (method, path, status) in [
        ("GET", "/.well-known/jwks.json", 200),
        ("HEAD", "/.well-known/jwks.json", 200),
        ("GET", "/.well-known/oauth-authorization-server", 200),
        ("GET", "/.well-known/oauth-authorization-server/x", 404),
        ("POST", "/.well-known/jwks.json", 405),
    ] {
        let reply = send(running.address, format!("{method} {path} HTTP/1.1"), String::new()).await;
        assert_eq!(reply.status, status, "{method} {path}");
        let length: usize = reply.header("content-length")[0].parse().unwrap();
        assert!(length > 0 && (reply.body.len() == length) != (method == "HEAD"), "{method} {path}");
    }
}

/// Documents that are nested get a path without the prefix, and find the whole one.
#[tokio::test]
async fn documents_below_a_prefix_of_axum() {
    let desk = Desk::new();
    let documents = WellKnown::new(&desk.sessions, "https://api.test/v1/auth").unwrap();
    let running = sockets::axum(Router::new().nest_service("/.well-known", documents)).await;
    let reply = send(running.address, "GET /.well-known/jwks.json HTTP/1.1".to_owned(), String::new()).await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn on_plain_hyper() {
    let desk = Desk::new();
    let endpoints = desk.endpoints.clone();
    let running = sockets::hyper(move |_| endpoints.clone()).await;
    assert_served(&desk, running.address, "/anything").await;
    let documents = WellKnown::new(&desk.sessions, "https://api.test/v1/auth").unwrap();
    let running = sockets::hyper(move |_| documents.clone()).await;
    let reply = send(running.address, "GET /.well-known/jwks.json HTTP/1.1".to_owned(), String::new()).await;
    assert_eq!((reply.status, reply.json()["keys"].as_array().unwrap().len()), (200, 1));
}
