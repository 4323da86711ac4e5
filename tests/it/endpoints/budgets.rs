//! Budgets of failed attempts in front of the endpoints, and envelopes around them.

use std::net::IpAddr;

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, ClientIp, ErrorEnvelopeLayer, PeerAddr, Quota, RateLimitLayer};

use super::{Body, Desk, FORM, JSON, Told, bare, basic, error, foreign, form, json, post, refresh_token, told};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const EXCHANGE: (&str, &str) = ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
const STRANGER: &str = "ak_0000000000000000000000000000000000000000";

fn from(mut request: Request<Body>) -> Request<Body> {
    request.extensions_mut().insert(PeerAddr("192.0.2.1".parse::<IpAddr>().unwrap()));
    request
}

fn guesses() -> Vec<(&'static str, Request<Body>)> {
    let subject = foreign("stranger");
    let exchange = [EXCHANGE, ("subject_token", &*subject), ("subject_token_type", JWT)];
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", "rt_forged")];
    let credentials = ("grant_type", "client_credentials");
    vec![
        ("a wrong key", bare("/token", &[("x-api-key", STRANGER)])),
        ("a wrong key, in a form", post("/token", FORM, &[("x-api-key", STRANGER)], form(&[credentials]))),
        ("a wrong secret", post("/token", FORM, &[], form(&[credentials, ("client_secret", STRANGER)]))),
        ("by Basic, of which decoding changes the secret", {
            let wrong = basic("", &STRANGER.replace("00000", "+%300"));
            post("/token", FORM, &[("authorization", &wrong)], form(&[credentials]))
        }),
        ("by Basic", post("/token", FORM, &[("authorization", &basic("", STRANGER))], form(&[credentials]))),
        ("a forged refresh token", post("/token", FORM, &[], form(&refresh))),
        ("the same as JSON", post("/refresh", JSON, &[], r#"{"refresh_token":"rt_forged"}"#)),
        ("a forged subject token", post("/token", FORM, &[], form(&exchange))),
        ("a wrong key, to revoke", post("/revoke", FORM, &[("x-api-key", STRANGER)], form(&[("token", "x")]))),
        ("to introspect", post("/introspect", FORM, &[("x-api-key", STRANGER)], form(&[("token", "x")]))),
    ]
}

fn innocent(desk: &Desk, refresh: &str) -> Vec<Request<Body>> {
    vec![
        bare("/token", &desk.key()),
        bare("/token", &[]),
        post("/token", FORM, &[], form(&[("grant_type", "client_credentials")])),
        post("/token", FORM, &[], "scope=%00"),
        post("/token", FORM, &desk.key(), form(&[("grant_type", "client_credentials"), ("scope", "admin")])),
        post("/refresh", JSON, &[], json!({ "refresh_token": refresh }).to_string()),
        post("/revoke", FORM, &[], form(&[("token", "unknown")])),
        post("/introspect", FORM, &desk.key(), form(&[("token", "unknown")])),
        post("/logout", JSON, &[], r#"{"refresh_token":"rt_forged"}"#),
        bare("/nowhere", &[]),
    ]
}

/// Two attempts are allowed: the third guess is refused by the budget, whatever the first two were.
#[tokio::test]
async fn every_guess_is_charged_and_nothing_else() {
    for place in 0..guesses().len() {
        let desk = Desk::new();
        let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()).clock(&desk.hand);
        let service = budget.layer(desk.endpoints.clone());
        let session = desk.session(None).await;
        for request in innocent(&desk, refresh_token(&session)) {
            let status = service.clone().oneshot(from(request)).await.unwrap().status();
            assert_ne!(status.as_u16(), 429);
        }
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let (_, request) = guesses().swap_remove(place);
            statuses.push(service.clone().oneshot(from(request)).await.unwrap().status().as_u16());
        }
        let (name, _) = &guesses()[place];
        assert!([400, 401].contains(&statuses[0]) && statuses[0] == statuses[1], "{name}: {statuses:?}");
        assert_eq!(statuses[2], 429, "{name}: {statuses:?}");
    }
}

/// Inside of a stack with a budget, the check of a secret is charged where it is made, and once.
#[tokio::test]
async fn the_budget_of_a_stack_in_front_is_charged_once() {
    let desk = Desk::new();
    let budget = RateLimitLayer::failures(Quota::per_minute(3), ClientIp::peer());
    let stack =
        AuthStack::builder().auth(desk.keys.clone().optional()).limit(budget).clock(&desk.hand).build().unwrap();
    let service = stack.layer(desk.endpoints.clone());
    let ask = async |secret: &str| {
        let body = form(&[("grant_type", "client_credentials"), ("client_secret", secret)]);
        told(service.clone().oneshot(from(post("/token", FORM, &[], body))).await.unwrap()).await
    };
    for _ in 0..3 {
        assert_eq!(ask(STRANGER).await.error(), error(401, "invalid_client"));
        assert_eq!(ask(desk.key.expose()).await.status, 200, "a good secret costs nothing");
    }
    let refused = ask(STRANGER).await;
    assert_eq!(refused.error(), error(429, "temporarily_unavailable"));
    assert_eq!((refused.header("retry-after"), refused.header("cache-control")), (Some("20"), Some("no-store")));
    assert_eq!(ask(desk.key.expose()).await.status, 200, "what is in memory is not delayed");
}

/// A genuine key that may not introspect is charged to its holder, and not to the address.
#[tokio::test]
async fn a_genuine_client_does_not_spend_the_budget_of_its_address() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()).clock(&desk.hand);
    let service = budget.layer(desk.endpoints.clone());
    let session = desk.session(Some("web-app")).await;
    for _ in 0..3 {
        let request = post("/introspect", FORM, &[("x-api-key", other.expose())], form(&[("token", "x")]));
        service.clone().oneshot(from(request)).await.unwrap();
        let headers = [("x-api-key", other.expose())];
        let request = post("/revoke", FORM, &headers, form(&[("token", session.access_token.expose())]));
        service.clone().oneshot(from(request)).await.unwrap();
    }
    assert_eq!(service.oneshot(from(bare("/token", &desk.key()))).await.unwrap().status().as_u16(), 200);
}

/// An exchange costs as much as any other request with the key, and both share one bucket.
#[tokio::test]
async fn a_limit_counts_the_requests_of_a_key_and_reports_them() {
    use std::sync::{Arc, Mutex};
    use tower_auth::Plans;
    let desk = Desk::new();
    let plans = Plans::new().plan("standard", [Quota::per_minute(3)]).fallback("standard").build().unwrap();
    let limit = RateLimitLayer::by_plan(&plans).clock(&desk.hand);
    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let endpoints = desk.endpoints.clone().limit(limit.clone()).on_decision(move |decision| {
        let who = decision.principal().and_then(|who| who.credential_id()).unwrap_or("-").to_owned();
        seen.lock().unwrap().push((decision.is_admitted(), who));
    });
    let left = |told: &Told| told.header("x-ratelimit-remaining").map(str::to_owned);
    let exchanged = super::ask(&endpoints, bare("/token", &desk.key())).await;
    assert_eq!((exchanged.status, left(&exchanged)), (200, Some("2".to_owned())));
    let inspected = post("/introspect", FORM, &desk.key(), "token=x");
    let inspected = super::ask(&endpoints, inspected).await;
    assert_eq!((inspected.status, left(&inspected)), (200, Some("1".to_owned())));
    let echo = crate::support::strict(|_: Request<Body>| http::Response::new(Body::default()));
    let service = AuthStack::builder().clock(&desk.hand).auth(desk.keys.clone()).limit(limit).build();
    let answer = service.unwrap().guards().layer(echo).oneshot(crate::support::get("/", &desk.key())).await.unwrap();
    assert_eq!(answer.headers()["x-ratelimit-remaining"], "0", "the same bucket");

    let refused = super::ask(&endpoints, bare("/token", &desk.key())).await;
    assert_eq!(refused.kind(), (429, tower_auth::RejectionKind::RateLimited));
    assert!(refused.header("retry-after").is_some());
    let grant = form(&[("grant_type", "client_credentials"), ("client_secret", desk.key.expose())]);
    let refused = super::ask(&endpoints, post("/token", FORM, &[], grant)).await;
    assert_eq!(refused.error(), error(429, "temporarily_unavailable"));
    assert!(refused.header("retry-after").is_some());
    let session = desk.session(None).await;
    let body = json!({ "refresh_token": refresh_token(&session) }).to_string();
    let refreshed = super::ask(&endpoints, post("/refresh", JSON, &[], body)).await;
    assert_eq!((refreshed.status, left(&refreshed)), (200, None), "a client without a key has no plan");
    super::ask(&endpoints, bare("/token", &[("x-api-key", STRANGER)])).await;
    super::ask(&endpoints, post("/refresh", JSON, &[], r#"{"refresh_token":"rt_forged"}"#)).await;
    let (yes, no, key, nobody) = (true, false, || "key_1".to_owned(), || "-".to_owned());
    assert_eq!(
        *told.lock().unwrap(),
        [
            (yes, key()),
            (yes, key()),
            (no, key()),
            (no, key()),
            (yes, nobody()),
            (no, nobody()),
            (yes, nobody()),
            (no, nobody()), // it supersedes the admission
        ]
    );
}

#[tokio::test]
async fn limits_by_address_stand_in_front() {
    let desk = Desk::new();
    for limit in [
        RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()),
        RateLimitLayer::by_address([Quota::per_minute(2)], ClientIp::peer()),
    ] {
        let told = super::ask(&desk.endpoints.clone().limit(limit), bare("/token", &desk.key())).await;
        assert_eq!(told.kind(), (500, tower_auth::RejectionKind::Internal));
        let cause = told.refusal.unwrap().private_cause().unwrap().to_string();
        assert!(cause.contains("in front"), "{cause}");
    }
}

/// After everyone was logged out, the browsers of an office present their tokens once more, from one address.
#[tokio::test]
async fn a_genuine_refresh_token_that_has_ended_is_no_guess() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let budget = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer()).clock(&desk.hand);
    let service = budget.layer(desk.endpoints.clone());
    let ask = async |request| service.clone().oneshot(from(request)).await.unwrap().status().as_u16();
    let (used, of_key, of_page) = (desk.session(None).await, desk.exchanged().await, desk.session(Some("web")).await);
    let of_key = of_key["refresh_token"].as_str().unwrap();
    let as_json = |token: &str| post("/refresh", JSON, &[], json!({ "refresh_token": token }).to_string());
    let as_form = |token: &str, headers: &[(&str, &str)]| {
        post("/token", FORM, headers, form(&[("grant_type", "refresh_token"), ("refresh_token", token)]))
    };
    assert_eq!(ask(as_json(refresh_token(&used))).await, 200);
    desk.hand.advance(std::time::Duration::from_secs(60));
    assert!(desk.store.set_state("key_1", tower_auth::KeyState::Paused));
    for _ in 0..3 {
        assert_eq!(ask(as_json(refresh_token(&used))).await, 401, "it was replaced, and used again");
        assert_eq!(ask(as_json(of_key)).await, 401, "the key is paused");
        let another = [("x-api-key", other.expose())];
        assert_eq!(ask(as_form(refresh_token(&of_page), &another)).await, 400, "it is another client's");
    }
    desk.sessions.end_all().await.unwrap();
    for _ in 0..3 {
        assert_eq!(ask(as_json(refresh_token(&of_page))).await, 401, "everyone was logged out");
    }
    desk.hand.advance(std::time::Duration::from_secs(100 * 24 * 3600));
    for _ in 0..3 {
        assert_eq!(ask(as_form(refresh_token(&of_page), &[])).await, 400, "the session has expired");
    }
    for status in [401, 401, 429] {
        assert_eq!(ask(as_json("rt_forged")).await, status, "a forged one is a guess");
    }
}

/// In the words of OAuth, whatever the envelope is.
#[tokio::test]
async fn r096_an_envelope_leaves_the_errors_of_oauth_alone() {
    let desk = Desk::new();
    for layer in [
        ErrorEnvelopeLayer::detailed().adopt_foreign_errors(),
        ErrorEnvelopeLayer::compact().adopt_foreign_errors().adopt_text_errors(),
        ErrorEnvelopeLayer::problem_json(),
        ErrorEnvelopeLayer::openai(),
    ] {
        let service = layer.layer(desk.endpoints.clone());
        let ask = async |request| -> Told { told(service.clone().oneshot(request).await.unwrap()).await };
        for (name, request) in guesses() {
            let alone = super::ask(&desk.endpoints, guesses().into_iter().find(|(other, _)| *other == name).unwrap().1);
            let (alone, told) = (alone.await, ask(request).await);
            assert_eq!(told.status, alone.status, "{name}");
            assert_eq!(told.header("www-authenticate"), alone.header("www-authenticate"), "{name}");
            assert_eq!((told.header("cache-control"), told.header("pragma")), (Some("no-store"), Some("no-cache")));
            assert!(told.header("x-request-id").is_some());
            if alone.body.is_empty() {
                assert!(!told.body.is_empty(), "{name}: the envelope writes it");
            } else {
                assert_eq!((told.error(), &told.body), (alone.error(), &alone.body), "{name}");
            }
        }
        let revoked = ask(post("/revoke", FORM, &[], form(&[("token", "unknown")]))).await;
        assert_eq!((revoked.status, &*revoked.body), (200, ""));
        assert_eq!(ask(bare("/nowhere", &[])).await.status, 404);
    }
    let unknown = post("/token", JSON, &desk.key(), r#"{"scopes":"read"}"#);
    let told = told(ErrorEnvelopeLayer::detailed().layer(desk.endpoints.clone()).oneshot(unknown).await.unwrap()).await;
    assert_eq!(told.status, 422);
    assert!(told.body.contains("VALIDATION_ERROR") && told.body.contains("/scopes"), "{}", told.body);
}
