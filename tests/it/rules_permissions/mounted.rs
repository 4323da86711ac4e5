//! What clients receive: 403 and its details, 401, 500 and 503, and axum's extractors.

use axum::{Router, routing};
use http::{HeaderName, Request, StatusCode};
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, Principal, Rejection, RejectionKind,
    RequestExt as _, RequireLayer,
    permission::{Denial, OrgSource, Permission, Verdict, any_scope, authenticated, from_fn, member_of, role, scope},
};

use super::{answer, keys};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, json as body_of, ok, strict, text},
};

fn reader() -> ApiKeyLayer {
    keys(KeyRecord::new("k1", "acme").scopes(["read"]).organizations(["acme"]))
}

/// Kind and details of the answer to a key that may read alone, asked once in the stack and once further in.
async fn refused(policy: impl Permission + Clone, path: &str, headers: &[(&str, &str)]) -> (RejectionKind, Value) {
    let headers = [&[("x-api-key", KEY)], headers].concat();
    let within = AuthStack::builder().auth(reader()).require(policy.clone()).build().unwrap();
    let around = AuthStack::builder().auth(reader()).build().unwrap();
    let one = answer(within.layer(ok()), get(path, &headers)).await;
    let other = answer(around.layer(RequireLayer::new(policy).layer(ok())), get(path, &headers)).await;
    let (one_kind, other_kind) = (Rejection::of(&one).unwrap().kind(), Rejection::of(&other).unwrap().kind());
    assert_eq!((one_kind, one.status()), (other_kind, other.status()));
    let (mut one, mut other) = (body_of(one).await, body_of(other).await);
    assert_eq!(one["error"]["details"], other["error"]["details"]);
    assert_eq!(one["error"]["code"], other["error"]["code"].take());
    (one_kind, one["error"]["details"].take())
}

#[tokio::test]
async fn r003_a_denial_tells_what_was_required() {
    let insufficient = RejectionKind::InsufficientPermissions;
    let scopes = |list: &[&str]| (insufficient, json!({"required_permissions": list}));
    assert_eq!(refused(scope("write"), "/", &[]).await, scopes(&["write"]));
    assert_eq!(refused(any_scope(["write", "admin"]), "/", &[]).await, scopes(&["write", "admin"]));
    assert_eq!(refused(role("admin"), "/", &[]).await, (insufficient, json!({"required_role": "admin"})));
    assert_eq!(refused(from_fn(|_, _| false), "/", &[]).await, (insufficient, json!({})));
    let own = from_fn(|_, _| Verdict::Denied(Denial::new().role("owner").permissions(["transfer"])));
    let both = json!({"required_role": "owner", "required_permissions": ["transfer"]});
    assert_eq!(refused(own, "/", &[]).await, (insufficient, both));
}

#[tokio::test]
async fn r003_a_denied_combination_tells_what_would_have_done() {
    let insufficient = RejectionKind::InsufficientPermissions;
    let either = json!({"required_role": "admin", "required_permissions": ["write", "admin"]});
    let policy = role("admin").or(scope("write")).or(any_scope(["write", "admin"]));
    assert_eq!(refused(policy, "/", &[]).await, (insufficient, either));
    let first = json!({"required_permissions": ["write"]});
    assert_eq!(refused(scope("write").and(role("admin")), "/", &[]).await, (insufficient, first));
    let second = json!({"required_role": "admin"});
    assert_eq!(refused(scope("read").and(role("admin")), "/", &[]).await, (insufficient, second));
    let member = member_of(OrgSource::path_after("organizations"));
    let not_member = json!({"required_role": "admin"});
    let policy = member.clone().or(role("admin"));
    assert_eq!(refused(policy, "/organizations/other", &[]).await, (insufficient, not_member), "a role would do");
    let organization = (RejectionKind::OrganizationDenied, json!({"organization_id": "other"}));
    assert_eq!(refused(member.and(role("admin")), "/organizations/other", &[]).await, organization);
}

#[tokio::test]
async fn r091_a_stranger_to_an_organisation_is_told_its_id() {
    let header = member_of(OrgSource::header(HeaderName::from_static("x-org")));
    let path = member_of(OrgSource::path_after("organizations"));
    let closure = member_of(OrgSource::from_fn(|_| Some("other".to_owned())));
    let denied = |id: &str| (RejectionKind::OrganizationDenied, json!({"organization_id": id}));
    assert_eq!(refused(header.clone(), "/", &[("x-org", "other")]).await, denied("other"));
    assert_eq!(refused(path.clone(), "/organizations/other/x", &[]).await, denied("other"));
    assert_eq!(refused(closure, "/", &[]).await, denied("other"));
    assert_eq!(refused(header, "/", &[]).await, (RejectionKind::OrganizationDenied, json!({})), "none was named");
    let long = "x".repeat(1000);
    let (_, details) = refused(path, &format!("/organizations/{long}"), &[]).await;
    assert_eq!(details["organization_id"].as_str().unwrap().len(), 128);
}

#[tokio::test]
async fn r091_no_organisation_found_is_500_and_never_a_grant() {
    for source in [OrgSource::path_after("organizations"), OrgSource::from_fn(|_| None)] {
        let logs = Logs::capture();
        let shown = format!("{source:?}");
        let (kind, details) = refused(member_of(source), "/v1/models", &[]).await;
        assert_eq!((kind, details), (RejectionKind::Internal, json!({})), "{shown}");
        assert!(logs.text().contains("member_of found no organisation"), "{}", logs.text());
    }
}

#[tokio::test]
async fn r003_what_nobody_could_tell_is_503() {
    let policy = from_fn(|_, _| Verdict::Undecided("the policy service is down".into()));
    assert_eq!(refused(policy.clone(), "/", &[]).await, (RejectionKind::Unavailable, json!({})));
    let response = answer(reader().layer(RequireLayer::new(policy).layer(ok())), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn r002_a_visitor_is_401_with_the_challenge_and_the_policy_is_not_asked() {
    let asked = from_fn(|_, _| -> bool { panic!("a policy was asked about nobody") });
    let outer = AuthLayer::first(reader()).optional();
    for layer in [RequireLayer::new(authenticated()), RequireLayer::new(asked)] {
        let response = answer(outer.layer(layer.layer(ok())), get("/", &[])).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], r#"ApiKey realm="api""#);
        assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::MissingCredential);
    }
    let response = answer(outer.layer(RequireLayer::scope("read").layer(ok())), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn r003_without_authentication_outside_it_is_500_and_the_log_names_what_is_missing() {
    let enveloped = ErrorEnvelopeLayer::detailed();
    for service in [RequireLayer::scope("read"), RequireLayer::new(authenticated()).mask_as_not_found()] {
        let logs = Logs::capture();
        let response = answer(service.layer(ok()), get("/", &[("x-api-key", KEY)])).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let (log, said) = (logs.text(), "no authentication layer stands in front of this route");
        assert!(log.contains("ERROR") && log.contains(said) && log.contains("mount an AuthStack"), "{log}");
        assert!(log.contains("layer=\"permission\""), "{log}");
        let response = answer(enveloped.layer(service.layer(ok())), get("/", &[])).await;
        assert!(!text(response).await.contains("mount"));
    }
}

fn me() -> Router {
    Router::new()
        .route("/me", routing::get(|who: Principal| async move { who.subject().to_owned() }))
        .route(
            "/who",
            routing::get(|who: Option<Principal>| async move {
                who.map_or("nobody".to_owned(), |who| who.subject().to_owned())
            }),
        )
        .route(
            "/any",
            routing::get(|request: Request<axum::body::Body>| async move {
                request.principal().map(|who| who.subject().to_owned())
            }),
        )
}

#[tokio::test]
async fn r002_axums_extractors_read_the_outcome() {
    let optional = me().layer(AuthLayer::first(reader()).optional());
    let required = me().layer(reader());
    let key = [("x-api-key", KEY)];
    for path in ["/me", "/who", "/any"] {
        assert_eq!(text(answer(optional.clone(), get(path, &key)).await).await, "acme");
        assert_eq!(text(answer(required.clone(), get(path, &key)).await).await, "acme");
        assert_eq!(answer(required.clone(), get(path, &[])).await.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(text(answer(optional.clone(), get("/who", &[])).await).await, "nobody");
    for path in ["/me", "/any"] {
        let response = answer(optional.clone(), get(path, &[])).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()["www-authenticate"], r#"ApiKey realm="api""#);
        assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::MissingCredential);
    }
}

/// What is logged while an extractor finds that nobody authenticated.
async fn logged_without_authentication(app: Router, path: &str) -> String {
    let logs = Logs::capture();
    let response = answer(app, get(path, &[])).await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    logs.text()
}

#[tokio::test]
async fn r002_extractors_without_authentication_are_500_and_the_log_says_why() {
    for path in ["/me", "/who", "/any"] {
        let log = logged_without_authentication(me().layer(ErrorEnvelopeLayer::detailed()), path).await;
        assert!(log.contains("no authentication layer stands in front of this route"), "{path}: {log:?}");
    }
}

/// Without the stack there is no envelope either.
#[tokio::test]
async fn r002_extractors_without_any_layer_are_500_and_the_log_says_why() {
    for path in ["/me", "/who", "/any"] {
        let log = logged_without_authentication(me(), path).await;
        assert!(log.contains("no authentication layer stands in front of this route"), "{path}: {log:?}");
    }
}

/// On any host, without axum.
#[tokio::test]
async fn r091_a_handler_asks_the_principal_about_one_object() {
    let handler = strict(|request: Request<Body>| match request.principal() {
        Ok(who) if who.account() == Some("acme") => http::Response::new(Body::default()),
        Ok(_) => Rejection::new(RejectionKind::OrganizationDenied).into_response(),
        Err(refusal) => refusal.into_response(),
    });
    let other = keys(KeyRecord::new("k2", "globex"));
    let key = [("x-api-key", KEY)];
    assert_eq!(answer(reader().layer(handler.clone()), get("/", &key)).await.status(), StatusCode::OK);
    assert_eq!(answer(other.layer(handler.clone()), get("/", &key)).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(answer(handler, get("/", &key)).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
}
