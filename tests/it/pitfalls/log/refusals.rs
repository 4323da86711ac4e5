//! Who lacked what, in which request.

use axum::{Router, routing::any};
use http::{Method, StatusCode, Version};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    AuthStack, ErrorEnvelopeLayer, Permission, Principal, Rejection, RejectionKind, RequestExt as _, RequireLayer,
    Rules, StrictBodyLayer,
    permission::{
        Denial, OrgSource, PermissionFuture, Verdict, any_scope, authenticated, from_fn, member_of, role, scope,
    },
};

use super::{Seen, keyed, keys, lacks, line, lines, says};
use crate::support::{Body, get, ok, strict};

/// Denies, and says nothing of why.
struct OfficeHours;

impl Permission for OfficeHours {
    fn check(&self, _: &Principal, _: &tower_auth::RequestHead<'_>) -> PermissionFuture {
        PermissionFuture::boxed(async {
            tokio::task::yield_now().await;
            Verdict::Denied(Denial::new())
        })
    }
}

#[tokio::test]
async fn p84_a_403_says_which_request_lacked_what() {
    let organization = || member_of(OrgSource::path_after("organizations"));
    let rows: [(RequireLayer, &str, u16); 9] = [
        (RequireLayer::scope("write"), "write", 403),
        (RequireLayer::new(any_scope(["files:write", "admin"])), "files:write admin", 403),
        (RequireLayer::new(role("admin")), "role:admin", 403),
        (RequireLayer::new(role("admin").or(scope("write"))), "role:admin write", 403),
        (RequireLayer::new(organization()), "organization:other", 403),
        (RequireLayer::new(from_fn(|_, _| false)), "a closure", 403),
        (RequireLayer::new(OfficeHours), "OfficeHours", 403),
        (RequireLayer::scope("write").mask_as_not_found(), "write", 404),
        (RequireLayer::new(OfficeHours).mask_as_not_found(), "OfficeHours", 404),
    ];
    for slow in [false, true] {
        for (layer, required, status) in &rows {
            let request = || keyed("DELETE", "/v1/organizations/other/files?api_key=hunter2&x=1");
            let expected = [
                "INFO",
                "layer=\"permission\"",
                "method=\"DELETE\"",
                "path=\"/v1/organizations/other/files\"",
                &format!("required=\"{required}\""),
                "subject=\"acme\"",
                "key_id=\"key_1\"",
                &format!("status={status}"),
            ];
            let alone = keys(slow).layer(layer.layer(ok()));
            let (answered, refused) = lines(alone, request()).await;
            assert_eq!((answered, refused.len()), (*status, 1), "{refused:?}");
            says(&refused[0], &expected);
            lacks(&refused[0], &["hunter2", "api_key"]);
        }
    }
}

/// Which scope is missing is not for the client to know where a refusal is masked.
#[tokio::test]
async fn p84_a_masked_refusal_tells_the_client_nothing() {
    let masked = RequireLayer::scope("secret-scope").mask_as_not_found();
    let service = ErrorEnvelopeLayer::detailed().layer(keys(false).layer(masked.layer(ok())));
    let response = service.oneshot(keyed("GET", "/v1/files")).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let headers = format!("{:?}", response.headers());
    let body = crate::support::text(response).await;
    lacks(&(headers + &body), &["secret-scope"]);
}

#[tokio::test]
async fn p84_rules_and_stacks_say_it_too_and_so_does_the_observer() {
    let seen = Seen::default();
    let rules = || Rules::new().require("DELETE /v1/files/{id}", scope("files:write")).require("/v1/**", scope("read"));
    for slow in [false, true] {
        let stack = AuthStack::builder().auth(keys(slow)).rules(rules()).on_decision(seen.observer()).build().unwrap();
        let (status, line) = line(&stack, ok(), keyed("DELETE", "/v1/files/7?token=hunter2")).await;
        assert_eq!(status, 403);
        says(&line, &["layer=\"rules\"", "method=\"DELETE\"", "path=\"/v1/files/7\"", "required=\"files:write\""]);
        lacks(&line, &["hunter2"]);
        let told = seen.take();
        let id = told[0].split_once("id=").unwrap().1;
        assert!(line.contains(&format!("trace_id={id}")), "{told:?}, {line}");
        says(&told[0], &["DELETE /v1/files/7 required=files:write limit= plan= client= "]);
    }
    // gRPC methods are paths.
    let rules = Rules::new().require("/a.Files/Delete", scope("files:write"));
    let stack = AuthStack::builder().auth(keys(false)).rules(rules).build().unwrap();
    let mut request = keyed("POST", "/a.Files/Delete");
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let (status, line) = line(&stack, ok(), request).await;
    assert_eq!(status, 200);
    says(&line, &["status=403", "method=\"POST\"", "path=\"/a.Files/Delete\"", "required=\"files:write\""]);
}

/// In the words of a handler, and from any layer further in.
#[tokio::test]
async fn p84_a_refusal_from_further_in_names_the_request() {
    let missing = || {
        Rejection::new(RejectionKind::InsufficientPermissions)
            .detail("required_permissions", vec!["billing".to_owned()])
    };
    for slow in [false, true] {
        let seen = Seen::default();
        let stack = AuthStack::builder().auth(keys(slow)).on_decision(seen.observer()).build().unwrap();
        let handler = strict(move |_| missing().into_response());
        let (status, line) = line(&stack, handler, keyed("PATCH", "/v1/invoices/9?key=hunter2")).await;
        assert_eq!(status, 403);
        says(
            &line,
            &[
                "layer=\"handler\"",
                "method=\"PATCH\"",
                "path=\"/v1/invoices/9\"",
                "required=\"billing\"",
                "subject=\"acme\"",
            ],
        );
        lacks(&line, &["hunter2"]);
        says(&seen.take()[0], &["PATCH /v1/invoices/9 required=billing"]);
    }
    // An envelope alone knows the request, but nobody who is calling.
    let handler = strict(|_| Rejection::custom(StatusCode::CONFLICT, "TAKEN").into_response());
    let (_, refused) = line(&ErrorEnvelopeLayer::detailed(), handler, keyed("PUT", "/v1/names/x?key=hunter2")).await;
    says(&refused, &["INFO", "status=409", "method=\"PUT\"", "path=\"/v1/names/x\"", "trace_id="]);
    // Behind a gate of its own it does.
    let handler = strict(|_| Rejection::custom(StatusCode::CONFLICT, "TAKEN").into_response());
    let (_, refused) = line(&ErrorEnvelopeLayer::detailed(), keys(false).layer(handler), keyed("PUT", "/x")).await;
    says(&refused, &["status=409", "method=\"PUT\"", "path=\"/x\"", "subject=\"acme\"", "trace_id="]);
}

#[tokio::test]
async fn p84_a_strict_body_names_the_request() {
    let stack = AuthStack::builder().auth(keys(false)).build().unwrap();
    let strict_body = StrictBodyLayer::<Vec<u8>>::new().unwrap();
    let request = |body: &'static str| {
        let mut request = keyed("POST", "/v1/lists?key=hunter2").map(|_| Body::from(body));
        request.headers_mut().insert("content-type", "application/json".parse().unwrap());
        request
    };
    let inner =
        tower::service_fn(|_| async { Ok::<_, std::convert::Infallible>(http::Response::new(Body::default())) });
    for body in ["{", "[\"a\"]"] {
        let (_, line) = line(&stack, strict_body.layer(inner), request(body)).await;
        says(&line, &["layer=\"strict_body\"", "method=\"POST\"", "path=\"/v1/lists\"", "subject=\"acme\""]);
        lacks(&line, &["hunter2"]);
    }
}

/// axum's `nest` takes the prefix away; the log has what the client sent.
#[tokio::test]
async fn p84_the_path_is_the_clients_inside_axums_nest() {
    let denied = RequireLayer::scope("write");
    let handler = || any(|| async { Rejection::custom(StatusCode::CONFLICT, "TAKEN") });
    let inner = Router::new().route("/files", handler()).layer(denied).route("/open", handler());
    let stack = AuthStack::builder().auth(keys(false)).build().unwrap();
    let nested = || Router::new().nest("/v1/deep", inner.clone().layer(stack.clone()));
    for (path, layer) in [("/v1/deep/files?k=hunter2", "permission"), ("/v1/deep/open", "handler")] {
        let request = keyed("GET", path).map(axum::body::Body::new);
        let (_, refused) = lines_of_axum(nested(), request).await;
        says(&refused, &[&format!("layer=\"{layer}\""), &format!("path=\"{}\"", path.split('?').next().unwrap())]);
        lacks(&refused, &["hunter2"]);
    }
}

async fn lines_of_axum(app: Router, request: http::Request<axum::body::Body>) -> (u16, String) {
    let logs = crate::no_leak::Logs::capture();
    let status = app.oneshot(request).await.unwrap().status().as_u16();
    let text = logs.text();
    let refused: Vec<&str> = text.lines().filter(|line| line.contains("request refused")).collect();
    assert_eq!(refused.len(), 1, "{text}");
    (status, refused[0].to_owned())
}

/// No path breaks a line, hides a text, ends a quoted value or fills a disk.
#[tokio::test]
async fn p84_a_path_is_bounded_and_forges_nothing() {
    let seen = Seen::default();
    let stack = AuthStack::builder().auth(keys(false)).on_decision(seen.observer()).build().unwrap();
    let long = format!("/{}", "a".repeat(30_000));
    let wide = format!("/{}", "é".repeat(5_000));
    for (target, shown) in [
        ("/v1/a%0ab%20c", "/v1/a%0ab%20c"),
        ("/x\"trace_id=7", "/x%22trace_id=7"),
        ("/x\\n", "/x%5Cn"),
        ("/x\u{202e}\u{2028}\u{85}\u{200b}", "/x%E2%80%AE%E2%80%A8%C2%85%E2%80%8B"),
        ("/x\u{3000}level=ERROR", "/x%E3%80%80level=ERROR"),
        (&long, &format!("/{}…", "a".repeat(252))),
        (&wide, &format!("/{}…", "%C3%A9".repeat(42))),
        ("/?x=hunter2", "/"),
        ("/a;key=1", "/a;key=1"),
    ] {
        let (status, line) = line(&stack, ok(), get(target, &[])).await;
        assert_eq!(status, 401);
        says(&line, &[&format!("path=\"{shown}\"")]);
        assert!(line.len() < 1_000, "{}", line.len());
        lacks(&line, &["hunter2", "\u{202e}", "\u{2028}"]);
        says(&seen.take()[0], &[&format!("GET {shown} required=")]);
    }
    // A method is any token.
    let mut request = get("/", &[]);
    *request.method_mut() = Method::from_bytes("X".repeat(20_000).as_bytes()).unwrap();
    let (_, refused) = line(&stack, ok(), request).await;
    assert!(refused.contains("method=\"XXX") && refused.len() < 1_000, "{refused}");
    // A target without a path.
    let mut request = get("/", &[]);
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "example.com:443".parse().unwrap();
    let (_, refused) = line(&stack, ok(), request).await;
    says(&refused, &["method=\"CONNECT\""]);
    lacks(&refused, &["path="]);
}

/// What a request names and a record says is as bounded and as harmless.
#[tokio::test]
async fn p84_names_and_causes_are_bounded_and_forge_nothing() {
    let organization = format!("\u{202e}{}", "é".repeat(10_000));
    let members = RequireLayer::new(member_of(OrgSource::from_fn(move |_| Some(organization.clone()))));
    let (_, refused) = lines(keys(false).layer(members.layer(ok())), keyed("GET", "/")).await;
    says(&refused[0], &["required=\"organization:\\\\u{202e}é"]);
    assert!(refused[0].len() < 2_000, "{}", refused[0].len());

    let scopes = RequireLayer::new(any_scope((0..10_000).map(|n| format!("scope-{n}"))));
    let (_, refused) = lines(keys(false).layer(scopes.layer(ok())), keyed("GET", "/")).await;
    says(&refused[0], &["required=\"scope-0 scope-1", "…\""]);
    assert!(refused[0].len() < 2_000, "{}", refused[0].len());

    let handler = strict(|_| {
        let cause = format!("a\nb\u{2028}c\u{202e}d\u{1b}[2J{}", "é".repeat(100_000));
        Rejection::custom(StatusCode::CONFLICT, "TAKEN").cause(cause).into_response()
    });
    let (_, refused) = line(&ErrorEnvelopeLayer::detailed(), handler, get("/", &[])).await;
    says(&refused, &["cause=a\\nb\\u{2028}c\\u{202e}d\\u{1b}[2Jéé"]);
    assert!(refused.len() < 5_000, "{}", refused.len());

    let (scheme, store) = crate::support::store(tower_auth::KeyRecord::new("k\u{1b}1", "a\nb\u{202e}c"));
    let odd = tower_auth::ApiKeyLayer::new(scheme, store);
    let (_, refused) = lines(odd.layer(RequireLayer::scope("x").layer(ok())), keyed("GET", "/")).await;
    lacks(&refused[0], &["\u{202e}", "\u{1b}", "a\nb"]);
}

/// A 401 names the request too, and what asks for nothing requires nothing.
#[tokio::test]
async fn p84_other_refusals_name_the_request_and_require_nothing() {
    let stack = AuthStack::builder().auth(keys(true)).require(authenticated()).build().unwrap();
    for (headers, status) in [(&[][..], 401), (&[("x-api-key", "ak_wrong")], 401), (&[super::KEYED, super::KEYED], 400)]
    {
        let (answered, line) = line(&stack, ok(), get("/v1/files?k=hunter2", headers)).await;
        assert_eq!(answered, status);
        says(&line, &["method=\"GET\"", "path=\"/v1/files\""]);
        lacks(&line, &["required=", "limit=", "hunter2", "client="]);
    }
    // A handler that asks for a principal where no layer can have found one.
    let handler = strict(|request: http::Request<Body>| {
        request.principal().map_or_else(Rejection::into_response, |_| http::Response::new(Body::default()))
    });
    let (status, unmounted) = line(&ErrorEnvelopeLayer::detailed(), handler, get("/v1/me?k=hunter2", &[])).await;
    assert_eq!(status, 500);
    says(&unmounted, &["ERROR", "status=500", "method=\"GET\"", "path=\"/v1/me\"", "trace_id=", "ApiKeyLayer"]);
    lacks(&unmounted, &["hunter2"]);
}
