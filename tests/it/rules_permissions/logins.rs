//! Policies about the login behind a token (RFC 9470): who satisfies them, and what the others are told.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{
    AuthFuture, AuthMethod, AuthOutcome, AuthStack, Authenticator, ClientIp, PeerAddr, Permission, Principal,
    PrincipalBuilder, Quota, RateLimitLayer, Rejection, RejectionKind, RequestHead, RequireLayer,
    permission::{Denial, Verdict, acr, from_fn, logged_in_within, role, scope},
    rejection::StepUp,
    testing::ManualClock,
};

use super::{answer, keys};
use crate::support::{KEY, get, json as body_of, ok};

const START: &str = "2027-01-15T08:00:00Z";

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Authenticates everybody as this principal, by a token unless it says otherwise.
#[derive(Clone)]
struct As(Principal);

impl Authenticator for As {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(if request.headers().contains_key("bad") {
            AuthOutcome::Rejected(Rejection::new(RejectionKind::InvalidToken))
        } else {
            AuthOutcome::Authenticated(self.0.clone())
        })
    }

    fn challenge(&self) -> &'static str {
        "Bearer realm=\"api\""
    }
}

fn alice() -> PrincipalBuilder {
    Principal::builder("alice").method(AuthMethod::Token).scopes(["read"])
}

/// Status, challenge and details of the answer to this principal.
async fn told(policy: impl Permission, who: PrincipalBuilder) -> (u16, String, Value) {
    let stack = AuthStack::builder().auth(As(who.build())).require(policy).clock(&ManualClock::at(START));
    let response = answer(stack.build().unwrap().layer(ok()), get("/", &[])).await;
    let challenge = response.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body: Value = if status == 200 { Value::Null } else { body_of(response).await };
    (status, challenge.unwrap_or_default(), body["error"]["details"].clone())
}

fn needs(rest: &str) -> String {
    format!("Bearer error=\"insufficient_user_authentication\", {rest}")
}

#[tokio::test]
async fn only_a_named_class_satisfies() {
    let mfa = || acr(["urn:mfa", "urn:key"]);
    for class in ["urn:mfa", "urn:key"] {
        assert_eq!(told(mfa(), alice().acr(class)).await.0, 200, "{class}");
    }
    let refused = (401, needs(r#"acr_values="urn:mfa urn:key""#), json!({"acr_values": ["urn:mfa", "urn:key"]}));
    for class in ["", "urn:mfa ", "URN:MFA", "urn", "urn:mfa urn:key", "urn:stronger"] {
        assert_eq!(told(mfa(), alice().acr(class)).await, refused, "{class:?}");
    }
    assert_eq!(told(mfa(), alice()).await, refused, "no class at all");
    let nothing: [&str; 0] = [];
    let bare = "Bearer error=\"insufficient_user_authentication\"".to_owned();
    assert_eq!(told(acr(nothing), alice().acr("urn:mfa")).await, (401, bare, json!({})));
}

#[tokio::test]
async fn a_login_is_recent_up_to_its_age() {
    let now = tower_auth::Clock::from(&ManualClock::at(START)).now();
    let recent = || logged_in_within(seconds(300));
    for (case, login) in
        [("just now", now), ("at the limit", now - seconds(300)), ("a clock that is ahead", now + seconds(60))]
    {
        assert_eq!(told(recent(), alice().logged_in_at(login)).await.0, 200, "{case}");
    }
    let refused = (401, needs(r#"max_age="300""#), json!({"max_age": 300}));
    for (case, login) in [
        ("too long ago", now - seconds(300) - Duration::from_millis(1)),
        ("in the future", now + seconds(60) + Duration::from_millis(1)),
        ("in 1970", std::time::SystemTime::UNIX_EPOCH),
    ] {
        assert_eq!(told(recent(), alice().logged_in_at(login)).await, refused, "{case}");
    }
    assert_eq!(told(recent(), alice()).await, refused, "no time at all");
    let half = logged_in_within(Duration::from_millis(90_900));
    assert_eq!(told(half, alice()).await.1, needs(r#"max_age="90""#), "rounded down");
}

/// One challenge says all that another login must have, and all scopes.
#[tokio::test]
async fn a_combination_asks_once_for_everything() {
    let login = acr(["urn:mfa"]).and(logged_in_within(seconds(300))).and(logged_in_within(seconds(60)));
    let all = needs(r#"acr_values="urn:mfa", max_age="60", scope="pay""#);
    let details = json!({"acr_values": ["urn:mfa"], "max_age": 60});
    assert_eq!(told(login.clone().and(scope("pay")), alice()).await, (401, all.clone(), details));
    let classes = acr(["a", "b", "c"]).and(acr(["c", "b"]));
    assert_eq!(told(classes, alice().acr("a")).await.1, needs(r#"acr_values="b c""#));
    // The scope is missing first; nobody knows yet whether the login will do.
    let (status, challenge, _) = told(scope("pay").and(login.clone()), alice()).await;
    assert_eq!((status, &*challenge), (403, r#"Bearer error="insufficient_scope", scope="pay""#));
    // Either is a way out; a login is one that the user has.
    let (status, challenge, _) = told(role("admin").or(acr(["urn:mfa"])), alice()).await;
    assert_eq!((status, challenge), (401, needs(r#"acr_values="urn:mfa""#)));
    assert_eq!(told(role("admin").or(acr(["urn:mfa"])), alice().roles(["admin"])).await.0, 200);
    // A policy of somebody else's.
    let own = from_fn(|_, _| Verdict::Denied(Denial::new().step_up(StepUp::new().acr_values(["x", "two words"]))));
    assert_eq!(told(own, alice()).await.1, needs(r#"acr_values="x""#));
}

/// Nobody logs in with a key, so its holder is not sent to a login page.
#[tokio::test]
async fn a_key_cannot_step_up() {
    let by_key = || alice().method(AuthMethod::ApiKey);
    for told in [told(acr(["urn:mfa"]), by_key()).await, told(logged_in_within(seconds(300)), by_key()).await] {
        assert_eq!(told, (403, String::new(), json!({})));
    }
    assert_eq!(told(scope("read").or(acr(["urn:mfa"])), by_key()).await.0, 200);
    let keys = keys(tower_auth::KeyRecord::new("k1", "acme"));
    let service = keys.layer(RequireLayer::new(acr(["urn:mfa"])).layer(ok()));
    assert_eq!(answer(service, get("/", &[("x-api-key", KEY)])).await.status(), StatusCode::FORBIDDEN);
    // Another method may have a login: a session of a website.
    let by_cookie = alice().method(AuthMethod::Other("session".into()));
    assert_eq!(told(acr(["urn:mfa"]), by_cookie).await.1, needs(r#"acr_values="urn:mfa""#));
}

/// The caller has proved who it is, so that neighbours at its address pay nothing for it.
#[tokio::test]
async fn the_address_is_not_charged() {
    for hand_in_late in [false, true] {
        let failures = RateLimitLayer::failures(Quota::per_hour(2), ClientIp::peer());
        let builder = AuthStack::builder().auth(As(alice().build())).limit(failures).late_refusals();
        let stack = if hand_in_late { builder } else { builder.require(acr(["urn:mfa"])) }.build().unwrap();
        let handler = crate::support::strict(|request: http::Request<crate::support::Body>| {
            use tower_auth::RequestExt as _;
            request.late_refusal().unwrap().refuse(Rejection::step_up(StepUp::new())).unwrap();
            http::Response::default()
        });
        let service = stack.layer(handler);
        let ask = |headers| {
            let mut request = get("/", headers);
            request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
            answer(service.clone(), request)
        };
        // The budget of the credential is spent after two.
        let statuses = [ask(&[]).await, ask(&[]).await, ask(&[]).await].map(|told| told.status().as_u16());
        assert_eq!(statuses, [401, 401, 429], "late: {hand_in_late}");
        // That of the address is not.
        assert_eq!(ask(&[("bad", "1")]).await.status().as_u16(), 401, "late: {hand_in_late}");
    }
}

#[tokio::test]
async fn the_refusal_names_what_is_needed_to_the_log() {
    let logs = crate::no_leak::Logs::capture();
    told(acr(["urn:mfa"]).and(logged_in_within(seconds(300))), alice()).await;
    let text = logs.text();
    assert!(text.contains("acr:urn:mfa max_age:300") && text.contains("subject=\"alice\""), "{text}");
}

#[test]
fn a_table_of_rules_describes_them() {
    let policy = acr(["a", "b"]).and(logged_in_within(seconds(300)));
    assert_eq!(policy.describe(), "login of class a or b and login within 300 s");
}
