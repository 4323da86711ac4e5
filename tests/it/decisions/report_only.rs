//! Guards that only report: authentication, a table, a policy.

use http::{Request, Response, StatusCode};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthLayer, AuthStack, Principal, Rejection, RejectionKind, RequestExt as _, RequireLayer, Rules,
    permission::{Verdict, from_fn, scope},
    stack::AuthStackBuilder,
};
use tracing::Level;

use super::{Events, KEYED, Line, Observed, TRACE_ID, Told, from_peer, keys, record};
use crate::support::{Body, KEY, get, ok, strict};

/// The outcome of a request, what the observer received, and the levels of the log lines.
async fn reported(stack: AuthStack, observed: &Observed, request: Request<Body>) -> (u16, Vec<Told>, Vec<Line>) {
    let events = Events::capture();
    let response = stack.layer(ok()).oneshot(request).await.unwrap();
    (response.status().as_u16(), observed.take(), events.take())
}

#[tokio::test]
async fn a_guard_that_only_reports_tells_and_lets_pass() {
    let table = || Rules::new().require("/", scope("admin"));
    let quiet = AuthLayer::from(keys(record())).report_only();
    let observed = Observed::default();
    let builder = || AuthStack::builder().on_decision(observed.observer());
    let unknown = KEY.replace('1', "2");
    let cases: [(AuthStack, Request<Body>, RejectionKind, &str, u64); 5] = [
        (
            builder().auth(quiet.clone()).build().unwrap(),
            from_peer("/", &[]),
            RejectionKind::MissingCredential,
            "auth",
            401,
        ),
        (
            builder().auth(quiet.clone()).build().unwrap(),
            from_peer("/", &[("x-api-key", &unknown)]),
            RejectionKind::InvalidKey,
            "api_key",
            401,
        ),
        (
            builder().auth(quiet).build().unwrap(),
            from_peer("/", &[KEYED[0], KEYED[0]]),
            RejectionKind::MalformedRequest,
            "auth",
            400,
        ),
        (
            builder().auth(keys(record())).rules(table().report_only()).build().unwrap(),
            from_peer("/", &KEYED),
            RejectionKind::InsufficientPermissions,
            "rules",
            403,
        ),
        (
            builder().auth(keys(record())).rules(Rules::new().report_only()).build().unwrap(),
            from_peer("/unknown", &KEYED),
            RejectionKind::NotFound,
            "rules",
            404,
        ),
    ];
    for (stack, request, kind, layer, would) in cases {
        let (status, told, lines) = reported(stack, &observed, request).await;
        assert_eq!(status, 200, "{kind:?}");
        let [report, admitted] = &told[..] else { panic!("{told:?}") };
        assert_eq!((report.kind, report.layer), (Some(kind), layer));
        assert!(report.admitted && !report.enforced, "{report:?}");
        assert!(
            admitted.admitted && admitted.enforced && admitted.kind.is_none() && admitted.layer == "gate",
            "{admitted:?}"
        );
        let [warning, admission] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!((warning.level, admission.level), (Level::WARN, Level::DEBUG), "{lines:?}");
        assert_eq!(warning.values["message"], "request would have been refused");
        assert_eq!([&warning.values["kind"], &warning.values["status"]], [&format!("{kind:?}"), &would.to_string()]);
        assert_eq!((warning.values["layer"].as_str(), warning.values["trace_id"].as_str()), (layer, TRACE_ID));
    }
}

/// A `RequireLayer` alone has no observer; its report is in the log.
#[tokio::test]
async fn a_required_policy_that_only_reports_is_in_the_log() {
    for (layer, status, expected) in [
        (
            RequireLayer::scope("admin").report_only(),
            200,
            (Level::WARN, "request would have been refused", "InsufficientPermissions"),
        ),
        (RequireLayer::scope("admin"), 403, (Level::INFO, "request refused", "InsufficientPermissions")),
        (
            RequireLayer::scope("admin").mask_as_not_found().report_only(),
            200,
            (Level::WARN, "request would have been refused", "NotFound"),
        ),
        (
            RequireLayer::new(from_fn(|_, _| Verdict::Undecided("down".into()))).report_only(),
            200,
            (Level::WARN, "request would have been refused", "Unavailable"),
        ),
    ] {
        let events = Events::capture();
        let response = keys(record()).layer(layer.layer(ok())).oneshot(from_peer("/", &KEYED)).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let lines = events.take();
        let line = lines.iter().find(|line| line.values.contains_key("kind")).unwrap();
        assert_eq!((line.level, line.values["message"].as_str(), line.values["kind"].as_str()), expected);
    }
}

#[tokio::test]
#[allow(clippy::large_stack_arrays, reason = "a stack for each row")]
async fn enforced_neighbours_of_a_guard_that_only_reports_still_refuse() {
    let quiet = || AuthLayer::from(keys(record())).report_only();
    let (read, admin) = (|| scope("read"), || scope("admin"));
    let only = |scope| Rules::new().require("/", scope);
    let observed = Observed::default();
    let built = |builder: AuthStackBuilder| builder.on_decision(observed.observer()).build().unwrap();
    for (name, stack, headers, status, reports) in [
        // A caller that would have been refused is anonymous, and the layers further in refuse no anonymous caller.
        ("auth, rules", built(AuthStack::builder().auth(quiet()).rules(only(read()))), &[][..], 401, 1),
        ("auth, policy", built(AuthStack::builder().auth(quiet()).require(read())), &[], 401, 1),
        ("auth, good key", built(AuthStack::builder().auth(quiet()).rules(only(read()))), &KEYED, 200, 0),
        ("rules", built(AuthStack::builder().auth(keys(record())).rules(only(admin()).report_only())), &[], 401, 0),
        (
            "rules, policy",
            built(AuthStack::builder().auth(keys(record())).rules(only(admin()).report_only()).require(admin())),
            &KEYED,
            403,
            1,
        ),
        (
            "rules, both report",
            built(AuthStack::builder().auth(quiet()).rules(only(admin()).report_only())),
            &[],
            200,
            2,
        ),
    ] {
        let response = stack.layer(ok()).oneshot(from_peer("/", headers)).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name}");
        let told = observed.take();
        assert_eq!(told.iter().filter(|told| !told.enforced).count(), reports, "{name}: {told:?}");
        assert_eq!(told.last().unwrap().admitted, status == 200, "{name}: {told:?}");
    }
    // A handler that needs somebody refuses too, and a forged identity is not believed meanwhile.
    let handler = strict(|request: Request<Body>| {
        request.principal().map_or_else(Rejection::into_response, |_| Response::new(Body::default()))
    });
    let stack = AuthStack::builder().auth(quiet()).build().unwrap();
    let mut request = get("/", &[]);
    request.extensions_mut().insert(Principal::builder("mallory").build());
    let response = stack.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], r#"ApiKey realm="api""#);
}
