//! No token and no key comes out but in its answer.

use std::fmt::Write as _;

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ErrorEnvelopeLayer, Rejection,
    endpoints::{SessionCookies, WellKnown},
};

use super::{Desk, FORM, JSON, bare, basic, foreign, form, json, post, refresh_token};
use crate::no_leak::Logs;

/// Whether ten characters in a row of a secret occur in a text.
fn has(text: &str, secret: &str) -> bool {
    (0..=secret.len().saturating_sub(10)).any(|at| text.contains(&secret[at..(at + 10).min(secret.len())]))
}

#[tokio::test]
async fn refusals_logs_and_debug_show_no_secret() {
    let logs = Logs::capture();
    let desk = Desk::new();
    let endpoints = desk.endpoints.clone().cookies(SessionCookies::new());
    let session = desk.session(None).await;
    let wrong = "ak_Zq7Xw9Vk3Jp5Gy8Qj2Wz4Kx6Vb1Nq0Pf7Jg9Hx3Q";
    let (key, refresh, token) = (desk.key.expose(), refresh_token(&session), foreign("stranger"));
    let forged = format!("{}{}", &refresh[..refresh.len() - 41], &wrong[3..]);
    let jwt = "urn:ietf:params:oauth:token-type:jwt";
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    let cookie = format!("__Host-refresh={forged}");
    let two = format!("__Host-refresh={refresh}; __Host-refresh={refresh}");
    let credentials = ("grant_type", "client_credentials");
    let requests = [
        bare("/token", &[("x-api-key", wrong)]),
        bare(&format!("/token?client_secret={wrong}"), &[]),
        post("/token", FORM, &[("authorization", &basic("key_1", wrong))], form(&[credentials])),
        post("/token", FORM, &[], form(&[credentials, ("client_secret", wrong)])),
        post("/token", FORM, &[], form(&[credentials, ("client_secret", wrong), ("client_secret", wrong)])),
        post("/token", FORM, &[], form(&[credentials, ("client_secret", key), ("client_id", wrong)])),
        post("/token", FORM, &[("x-api-key", key)], form(&[credentials, ("client_secret", key)])),
        post("/token", FORM, &[], form(&[("grant_type", "refresh_token"), ("refresh_token", &forged)])),
        post("/token", FORM, &[], form(&[("grant_type", "refresh_token"), ("refresh_token", &format!("{refresh}\n"))])),
        post(
            "/token",
            FORM,
            &[],
            form(&[("grant_type", exchange), ("subject_token", &token), ("subject_token_type", jwt)]),
        ),
        post("/token", FORM, &[], form(&[("grant_type", exchange), ("subject_token", &token)])),
        post("/token", FORM, &[], form(&[("grant_type", wrong)])),
        post("/token", JSON, &[("x-api-key", key)], format!("{{\"{wrong}\":1}}")),
        post("/refresh", JSON, &[], json!({ "refresh_token": forged }).to_string()),
        post("/refresh", JSON, &[], format!("{{\"refresh_token\":\"{refresh}")),
        post("/refresh", JSON, &[], format!("[\"{refresh}\"]")),
        post("/revoke", FORM, &[("x-api-key", wrong)], form(&[("token", refresh)])),
        post("/revoke", FORM, &[("x-api-key", key)], form(&[("token", refresh), ("token", refresh)])),
        bare("/refresh", &[("cookie", &cookie), ("sec-fetch-site", "same-origin")]),
        bare("/refresh", &[("cookie", &two), ("sec-fetch-site", "same-origin")]),
        bare("/refresh", &[("cookie", &cookie), ("sec-fetch-site", "cross-site")]),
    ];
    let service = ErrorEnvelopeLayer::detailed().layer(endpoints.clone());
    let mut out = String::new();
    for request in requests {
        let response = service.clone().oneshot(request).await.unwrap();
        assert!(response.status().is_client_error());
        write!(out, "{:?} {:?}", response.headers(), Rejection::of(&response)).unwrap();
        out += &crate::support::text(response).await;
    }
    let documents = WellKnown::new(&desk.sessions, "https://api.test").unwrap();
    let cookies: Vec<_> = SessionCookies::new().set(&session).collect();
    write!(out, "{endpoints:?} {documents:?} {session:?} {cookies:?}").unwrap();
    let log = logs.text();
    assert!(log.contains("refused"), "{log}");
    let allowed = format!("\"/{wrong}\""); // the unknown field, which the client itself has named
    let out = out.replace(&allowed, "").replace(&format!("/{wrong}"), "");
    for (name, secret) in [("key", key), ("wrong", wrong), ("refresh", refresh), ("forged", &forged), ("token", &token)]
    {
        // The end of a token is its signature. It begins with its header, or with the id of the session.
        let secret = &secret[secret.len() - 40..];
        assert!(!has(&out, secret), "{name} in {out}");
        assert!(!has(&log, secret), "{name} in {log}");
    }
}
