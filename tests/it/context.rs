//! The context of a request: what a clone keeps, and what each part of a stack reads.

use std::{
    future::Future as _,
    sync::{Arc, Mutex},
};

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ClientIp, ErrorEnvelopeLayer, KeyRecord, LateRefusal,
    PeerAddr, Principal, Quota, RateLimitLayer, Rejection, RejectionKind, RequestExt as _, RequestHead, TraceId,
    permission::{from_fn, scope},
};

use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store, strict, text},
};

fn keys() -> tower_auth::ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme").scopes(["read"]));
    tower_auth::ApiKeyLayer::new(scheme, store)
}

fn with_key() -> Request<Body> {
    get("/", &[("x-api-key", KEY)])
}

async fn ask<L, S, B>(layer: L, inner: S, request: Request<Body>) -> Response<B>
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<B>>,
    <L::Service as Service<Request<Body>>>::Error: std::fmt::Debug,
{
    layer.layer(inner).oneshot(request).await.unwrap()
}

/// A clone is another request: it may be sent anywhere, and it was not authenticated.
#[tokio::test]
async fn a_cloned_request_has_the_id_and_no_caller() {
    let handler = strict(|request: Request<Body>| {
        assert_eq!(request.principal().unwrap().subject(), "acme");
        let clone = request.clone();
        assert_eq!(clone.trace_id(), request.trace_id());
        let refused = clone.principal().unwrap_err();
        assert_eq!(refused.kind(), RejectionKind::Internal);
        let cause = refused.private_cause().unwrap().to_string();
        assert!(cause.contains("clone"), "{cause}");
        // A clone of the clone has no caller either.
        assert!(clone.clone().principal().unwrap_err().private_cause().unwrap().to_string().contains("clone"));
        assert!(request.principal().is_ok(), "the original keeps its caller");
        Response::default()
    });
    let stack = AuthStack::builder().auth(keys()).build().unwrap();
    assert_eq!(ask(stack, handler, with_key()).await.status(), StatusCode::OK);

    let handler = strict(|request: Request<Body>| {
        assert!(request.anonymous().is_some());
        assert!(request.clone().anonymous().is_none());
        Response::default()
    });
    let stack = AuthStack::builder().auth(AuthLayer::from(keys()).optional()).build().unwrap();
    assert_eq!(ask(stack, handler, get("/", &[])).await.status(), StatusCode::OK);
}

/// A retry sends a clone of the authenticated request through the layer again: it is authenticated again.
#[tokio::test]
async fn a_retried_request_is_authenticated_again() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let inner = {
        let seen = Arc::clone(&seen);
        strict(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.principal().map(|who| who.subject().to_owned()).map_err(|no| no.kind()));
            let mut response = Response::new(Body::default());
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response
        })
    };
    let authenticated = keys().layer(inner);
    let outer = get("/", &[("x-api-key", KEY)]);
    for request in [outer.clone(), outer] {
        authenticated.clone().oneshot(request).await.unwrap();
    }
    assert_eq!(*seen.lock().unwrap(), [Ok("acme".to_owned()), Ok("acme".to_owned())]);
}

/// Records the trace id that it sees.
struct Method(Arc<Mutex<Vec<TraceId>>>);

impl Authenticator for Method {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        assert!(request.principal().is_none());
        assert_eq!(request.client_ip(), Some([203, 0, 113, 9].into()));
        assert_eq!(request.peer_ip(), Some([10, 0, 0, 1].into()));
        self.0.lock().unwrap().push(request.trace_id().unwrap());
        AuthFuture::ready(AuthOutcome::Authenticated(Principal::builder("ann").build()))
    }

    fn challenge(&self) -> &'static str {
        "Test"
    }
}

/// An authenticator, a policy, a limit's closure and the handler read the same context.
#[tokio::test]
async fn one_context_is_read_by_all() {
    let ids: Arc<Mutex<Vec<TraceId>>> = Arc::default();
    let (policy, costs) = (Arc::clone(&ids), Arc::clone(&ids));
    let policy = from_fn(move |who: &Principal, request: &RequestHead<'_>| {
        assert_eq!(request.principal(), Some(who));
        // Also by what handlers read.
        assert_eq!(request.extensions().principal().unwrap(), who);
        assert_eq!(request.extensions().trace_id(), request.trace_id());
        policy.lock().unwrap().push(request.trace_id().unwrap());
        true
    });
    let client = ClientIp::behind(["10.0.0.0/8"]).unwrap();
    let limit = RateLimitLayer::by_address(Quota::per_minute(5), ClientIp::of_stack()).cost(move |request| {
        costs.lock().unwrap().push(request.trace_id().unwrap());
        1
    });
    let stack =
        AuthStack::builder().auth(Method(Arc::clone(&ids))).require(policy).limit(limit).client_ip(client).build();
    let handlers = Arc::clone(&ids);
    let handler = strict(move |request: Request<Body>| {
        handlers.lock().unwrap().push(request.trace_id().unwrap());
        Response::default()
    });
    let mut request = get("/", &[("x-forwarded-for", "203.0.113.9")]);
    request.extensions_mut().insert(PeerAddr([10, 0, 0, 1].into()));
    let response = ask(stack.unwrap(), handler, request).await;
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let ids: Vec<_> = ids.lock().unwrap().iter().map(TraceId::to_string).collect();
    assert_eq!(ids, [id.clone(), id.clone(), id.clone(), id]);
}

/// The proxies of a stack are configured once.
#[tokio::test]
async fn the_address_of_the_client_is_set_once_for_the_stack() {
    let limit = || RateLimitLayer::by_address(Quota::per_minute(1), ClientIp::of_stack());
    let without = AuthStack::builder().auth(keys()).limit(limit()).build().unwrap_err().to_string();
    assert!(without.contains("client_ip"), "{without}");
    let twice = AuthStack::builder().auth(keys()).client_ip(ClientIp::peer()).client_ip(ClientIp::peer()).build();
    assert!(twice.unwrap_err().to_string().contains("client_ip"));
    let faulty = AuthStack::builder().auth(keys()).client_ip(ClientIp::peer().header(header::FORWARDED)).build();
    assert!(faulty.unwrap_err().to_string().contains("trusts no proxy"));

    let client = ClientIp::behind(["10.0.0.0/8"]).unwrap();
    let failures = RateLimitLayer::failures(Quota::per_minute(1), ClientIp::of_stack());
    let stack = AuthStack::builder().auth(keys()).limit(failures).limit(limit()).client_ip(client).build().unwrap();
    let service = stack.layer(ok());
    let statuses = ["203.0.113.1", "203.0.113.1", "203.0.113.2"].map(|client| {
        let mut request = get("/", &[("x-api-key", KEY), ("x-forwarded-for", client)]);
        request.extensions_mut().insert(PeerAddr([10, 0, 0, 1].into()));
        service.clone().oneshot(request)
    });
    let mut seen = Vec::new();
    for status in statuses {
        seen.push(status.await.unwrap().status().as_u16());
    }
    assert_eq!(seen, [200, 429, 200]);

    // Outside a stack, `ClientIp::of_stack` has no meaning.
    let logs = Logs::capture();
    let mut request = with_key();
    request.extensions_mut().insert(PeerAddr([10, 0, 0, 1].into()));
    assert_eq!(ask(limit(), ok(), request).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(logs.text().contains("outside an AuthStack"), "{}", logs.text());
}

/// A stack with `client_ip` logs the client's address in every line.
#[tokio::test]
async fn the_log_names_the_client_by_the_setting_of_the_stack() {
    let client = ClientIp::behind(["10.0.0.0/8"]).unwrap();
    let stack = AuthStack::builder().auth(keys()).client_ip(client).require(scope("write")).build().unwrap();
    let logs = Logs::capture();
    let mut request = get("/", &[("x-api-key", KEY), ("x-forwarded-for", "203.0.113.9")]);
    request.extensions_mut().insert(PeerAddr([10, 0, 0, 1].into()));
    assert_eq!(ask(stack, ok(), request).await.status(), StatusCode::FORBIDDEN);
    assert!(logs.text().contains("client=203.0.113.9") && logs.text().contains("peer=10.0.0.1"), "{}", logs.text());
}

fn denied() -> Rejection {
    Rejection::new(RejectionKind::InsufficientPermissions).detail("step", "up")
}

/// A late refusal replaces the handler's response.
#[tokio::test]
async fn a_handler_hands_in_a_refusal() {
    let handler = strict(|request: Request<Body>| {
        let handle = request.late_refusal().unwrap();
        handle.refuse(denied()).unwrap();
        assert_eq!(
            handle.refuse(Rejection::not_found()).unwrap_err().kind(),
            RejectionKind::NotFound,
            "the first refusal is used"
        );
        Response::new(Body::from("secret"))
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let decisions = Arc::clone(&seen);
    let stack = AuthStack::builder().auth(keys()).late_refusals().expose_principal().on_decision(move |decision| {
        decisions.lock().unwrap().push((decision.kind(), decision.supersedes_admission()));
    });
    let logs = Logs::capture();
    let response = ask(stack.build().unwrap(), handler, with_key()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(Rejection::of(&response).unwrap().kind(), RejectionKind::InsufficientPermissions);
    assert!(response.extensions().get::<Principal>().is_some());
    let text = text(response).await;
    assert!(text.contains("\"step\":\"up\"") && !text.contains("secret"), "{text}");
    assert_eq!(logs.text().matches("request refused").count(), 1, "{}", logs.text());
    let expected = [(None, false), (Some(RejectionKind::InsufficientPermissions), true)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

/// A plan is not charged for a late refusal.
#[tokio::test]
async fn a_late_refusal_is_refunded() {
    let plans = tower_auth::Plans::new().plan("standard", [Quota::per_minute(1)]).fallback("standard").build().unwrap();
    let handler = strict(|request: Request<Body>| {
        request.late_refusal().unwrap().refuse(denied()).unwrap();
        Response::default()
    });
    let limit = RateLimitLayer::by_plan(&plans);
    let stack = AuthStack::builder().auth(keys()).limit(limit).late_refusals().build().unwrap();
    let service = stack.layer(handler);
    for _ in 0..3 {
        assert_eq!(service.clone().oneshot(with_key()).await.unwrap().status(), StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn a_refusal_that_comes_too_late_is_given_back() {
    let kept: Arc<Mutex<Option<LateRefusal>>> = Arc::default();
    let handler = {
        let kept = Arc::clone(&kept);
        strict(move |request: Request<Body>| {
            *kept.lock().unwrap() = request.late_refusal().ok();
            // A clone of the request has no handle.
            assert!(request.clone().late_refusal().is_err());
            Response::default()
        })
    };
    let stack = AuthStack::builder().auth(keys()).late_refusals().build().unwrap();
    assert_eq!(ask(&stack, handler.clone(), with_key()).await.status(), StatusCode::OK);
    let handle = kept.lock().unwrap().take().unwrap();
    assert_eq!(handle.refuse(denied()).unwrap_err().kind(), RejectionKind::InsufficientPermissions);

    let without = AuthStack::builder().auth(keys()).build().unwrap();
    assert_eq!(ask(without, handler, with_key()).await.status(), StatusCode::OK);
    assert!(kept.lock().unwrap().is_none(), "a stack without `late_refusals` provides no handle");
}

/// Reads a credential from the subprotocols of a WebSocket. The response names the chosen subprotocol.
#[derive(Clone)]
struct Subprotocol;

const PROTOCOL: HeaderName = header::SEC_WEBSOCKET_PROTOCOL;

impl Authenticator for Subprotocol {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        let slow = request.headers().contains_key("slow");
        let outcome = match request.headers().get(PROTOCOL).map(HeaderValue::as_bytes) {
            Some(b"v1, key.good") => AuthOutcome::Authenticated(Principal::builder("ann").build()),
            Some(_) => AuthOutcome::Rejected(Rejection::new(RejectionKind::InvalidKey)),
            None => AuthOutcome::NoCredential,
        };
        if slow { AuthFuture::boxed(async move { outcome }) } else { AuthFuture::ready(outcome) }
    }

    fn challenge(&self) -> &'static str {
        "Key"
    }

    fn response_header(&self, request: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
        request.headers().contains_key(PROTOCOL).then_some((PROTOCOL, HeaderValue::from_static("v1")))
    }
}

#[tokio::test]
async fn the_source_of_a_credential_puts_a_header_on_the_response() {
    let stack = AuthStack::builder().auth(AuthLayer::first(Subprotocol).optional()).build().unwrap();
    let own = strict(|_| {
        let mut response = Response::new(Body::default());
        response.headers_mut().insert(PROTOCOL, HeaderValue::from_static("handlers-own"));
        response
    });
    for slow in [&[][..], &[("slow", "1")]] {
        let at = |value| get("/", &[&[("sec-websocket-protocol", value)][..], slow].concat());
        let response = ask(&stack, ok(), at("v1, key.good")).await;
        assert_eq!(
            (response.status(), &response.headers()[PROTOCOL]),
            (StatusCode::OK, &HeaderValue::from_static("v1"))
        );
        let response = ask(&stack, own.clone(), at("v1, key.good")).await;
        assert_eq!(response.headers()[PROTOCOL], "handlers-own");
        let response = ask(&stack, ok(), at("v1, key.bad")).await;
        assert_eq!((response.status(), response.headers().get(PROTOCOL)), (StatusCode::UNAUTHORIZED, None));
        // A handler's refusal chooses no subprotocol.
        let refusing = strict(|_| denied().into_response());
        assert_eq!(ask(&stack, refusing, at("v1, key.good")).await.headers().get(PROTOCOL), None);
    }
    assert_eq!(ask(&stack, ok(), get("/", &[])).await.headers().get(PROTOCOL), None, "no subprotocol offered");
}

/// In axum, `TraceId` and `RequestId` are extractors.
#[tokio::test]
async fn ids_are_extractors() {
    use axum::{Router, routing};
    use tower_auth::RequestId;
    let ids = |trace: TraceId, request: RequestId| async move { format!("{trace} {request}") };
    let request = || Request::get("/").body(axum::body::Body::empty()).unwrap();
    let app = Router::<()>::new().route("/", routing::get(ids)).layer(ErrorEnvelopeLayer::detailed());
    let response = app.oneshot(request()).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
    assert_eq!(body, format!("{id} {id}"));
    let alone = Router::<()>::new().route("/", routing::get(ids));
    assert_eq!(alone.oneshot(request()).await.unwrap().status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// A handler that was given the handle in axum, beside a body.
#[tokio::test]
async fn a_late_refusal_is_an_extractor() {
    use axum::{Router, body::Body as AxumBody, http::request::Parts, routing};
    let tool = |handle: LateRefusal, _: String| async move {
        handle.refuse(denied()).unwrap();
        "secret"
    };
    // A copy of the parts has no handle, and says so.
    let copied = |parts: Parts| async move { parts.late_refusal().map(|_| "never") };
    let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
    let stack = AuthStack::builder().auth(tower_auth::ApiKeyLayer::new(scheme, keys)).late_refusals().build().unwrap();
    let routes = || Router::<()>::new().route("/", routing::post(tool)).route("/copied", routing::post(copied));
    let ask = |app: Router, path: &'static str| async move {
        let request = Request::post(path).header("x-api-key", KEY).body(AxumBody::from("text")).unwrap();
        app.oneshot(request).await.unwrap().status().as_u16()
    };
    assert_eq!(ask(routes().layer(stack.clone()), "/").await, 403);
    let apart = routes().layer(stack.guards()).layer(stack.envelope());
    assert_eq!(ask(apart, "/").await, 403);
    assert_eq!(ask(routes().layer(stack), "/copied").await, 500);
    assert_eq!(ask(routes(), "/").await, 500, "no stack: the handler does not run");
}

/// One line, whatever the status, whole or with its halves apart, also where the refusal was logged before.
#[tokio::test]
async fn a_late_refusal_is_logged_once() {
    let stack = AuthStack::builder().auth(keys()).late_refusals().build().unwrap();
    let outer = AuthStack::builder().auth(keys()).build().unwrap();
    for refusal in [denied(), Rejection::internal("the tool is broken"), Rejection::not_found()] {
        let late = refusal.clone();
        let handler = strict(move |request: Request<Body>| {
            request.late_refusal().unwrap().refuse(late.clone()).unwrap();
            Response::default()
        });
        let once = |what: &str, logs: &Logs| {
            let text = logs.text();
            assert_eq!(text.matches("request refused").count(), 1, "{what}, {refusal}: {text}");
            assert!(text.contains("path=\"/\"") && text.contains("subject=\"acme\""), "{what}: {text}");
        };
        let logs = Logs::capture();
        ask(&stack, handler.clone(), with_key()).await;
        once("whole", &logs);
        drop(logs);
        let logs = Logs::capture();
        ask(stack.envelope(), stack.guards().layer(handler.clone()), with_key()).await;
        once("apart", &logs);
        drop(logs);
        let logs = Logs::capture();
        ask(&outer, stack.layer(handler), with_key()).await;
        once("in another stack", &logs);
    }
    // The mounting fault was logged where the handler asked for the caller.
    let logs = Logs::capture();
    let handler = strict(|request: Request<Body>| {
        let fault = request.clone().principal().unwrap_err();
        request.late_refusal().unwrap().refuse(fault).unwrap();
        Response::default()
    });
    assert_eq!(ask(&stack, handler, with_key()).await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(logs.text().matches("request refused").count(), 1, "{}", logs.text());
}

/// A handle that is held longer than the request says that it has no effect any more.
#[tokio::test]
async fn a_handle_is_closed_with_its_request() {
    let kept: Arc<Mutex<Option<LateRefusal>>> = Arc::default();
    let stack = AuthStack::builder().auth(keys()).late_refusals().build().unwrap();
    let keep = Arc::clone(&kept);
    let service = stack.layer(tower::service_fn(move |request: Request<Body>| {
        let (path, keep) = (request.uri().path().to_owned(), Arc::clone(&keep));
        async move {
            *keep.lock().unwrap() = request.late_refusal().ok();
            if path == "/fails" { Err("the service has failed") } else { std::future::pending().await }
        }
    }));
    let handle = || kept.lock().unwrap().take().unwrap();
    let at = |path| get(path, &[("x-api-key", KEY)]);

    let failed: Result<Response<tower_auth::envelope::EnvelopeBody<Body>>, _> =
        service.clone().oneshot(at("/fails")).await;
    assert!(failed.is_err());
    assert!(handle().refuse(denied()).is_err(), "the service has failed");

    let mut asking = Box::pin(service.oneshot(at("/")));
    let waker = std::task::Waker::noop();
    assert!(asking.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    let handle = handle();
    drop(asking);
    assert!(handle.refuse(denied()).is_err(), "the client has disconnected");
}

/// The time is that of the stack for everyone who reads the head.
#[tokio::test]
async fn a_policy_reads_the_clock_of_the_stack() {
    let clock = tower_auth::testing::ManualClock::at("2031-01-01T00:00:00Z");
    let expected = tower_auth::Clock::from(&clock).now();
    let policy = from_fn(move |_: &Principal, request: &RequestHead<'_>| {
        request.now() == expected && request.clock().now() == expected
    });
    let stack = AuthStack::builder().auth(keys()).require(policy).clock(&clock).build().unwrap();
    assert_eq!(ask(stack, ok(), with_key()).await.status(), StatusCode::OK);
}

/// A method that is asked after another one had to be waited for sees the same request.
#[tokio::test]
async fn a_later_method_sees_the_caller_of_an_outer_gate() {
    #[derive(Clone)]
    struct Slow;
    impl Authenticator for Slow {
        fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
            if request.headers().contains_key("slow") {
                AuthFuture::boxed(async { AuthOutcome::NoCredential })
            } else {
                AuthFuture::ready(AuthOutcome::NoCredential)
            }
        }

        fn challenge(&self) -> &'static str {
            "Slow"
        }
    }
    #[derive(Clone)]
    struct Delegate;
    impl Authenticator for Delegate {
        fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
            assert_eq!(request.client_ip(), Some([192, 0, 2, 1].into()));
            let outer = request.principal().map(|who| format!("{} by delegation", who.subject()));
            AuthFuture::ready(
                outer.map_or(AuthOutcome::NoCredential, |who| {
                    AuthOutcome::Authenticated(Principal::builder(who).build())
                }),
            )
        }

        fn challenge(&self) -> &'static str {
            "Delegate"
        }
    }
    let inner = AuthStack::builder().auth(AuthLayer::first(Slow).then(Delegate)).client_ip(ClientIp::peer());
    let inner = inner.build().unwrap().layer(strict(|request: Request<Body>| {
        assert_eq!(request.principal().unwrap().subject(), "acme by delegation");
        Response::new(Body::default())
    }));
    for slow in [&[][..], &[("slow", "1")]] {
        let mut request = get("/", &[&[("x-api-key", KEY)][..], slow].concat());
        request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
        let outer = AuthStack::builder().auth(keys()).build().unwrap();
        assert_eq!(ask(outer, inner.clone(), request).await.status(), StatusCode::OK, "{slow:?}");
    }
}

/// What a limit sets for itself counts, and a clone of it on another route has the setting of the stack.
#[tokio::test]
async fn a_limit_of_the_stack_keeps_its_own_settings() {
    let itself = AuthStack::builder().auth(keys()).client_ip(ClientIp::of_stack()).build().unwrap_err().to_string();
    assert!(itself.contains("stands for that setting"), "{itself}");
    let faulty = RateLimitLayer::by_address(Quota::per_minute(1), ClientIp::of_stack().header(header::FORWARDED));
    let faulty = AuthStack::builder().auth(keys()).client_ip(ClientIp::peer()).limit(faulty).build();
    assert!(faulty.unwrap_err().to_string().contains("of_stack().header"));

    let own = ClientIp::of_stack().exempt(["10.0.0.7"]).unwrap().ipv6_prefix(48).unwrap();
    let limit = RateLimitLayer::by_address(Quota::per_minute(1), own);
    let client = ClientIp::peer().exempt(["10.0.0.8"]).unwrap();
    let stack = AuthStack::builder().auth(keys()).limit(limit.clone()).client_ip(client).build().unwrap();
    let from = |address: &str| {
        let mut request = with_key();
        request.extensions_mut().insert(PeerAddr(address.parse().unwrap()));
        request
    };
    let (inside, outside) = (stack.layer(ok()), limit.layer(ok()));
    for address in ["10.0.0.7", "10.0.0.7", "2001:db8:1:1::1"] {
        assert_eq!(inside.clone().oneshot(from(address)).await.unwrap().status(), StatusCode::OK, "{address}");
    }
    let inside_again = inside.clone().oneshot(from("2001:db8:1:2::1")).await.unwrap().status();
    assert_eq!(inside_again, StatusCode::TOO_MANY_REQUESTS, "one /48");
    // Exempt in the stack, and not in this limit.
    assert_eq!(inside.clone().oneshot(from("10.0.0.8")).await.unwrap().status(), StatusCode::OK);
    let limited = inside.clone().oneshot(from("10.0.0.8")).await.unwrap().status();
    assert_eq!(limited, StatusCode::TOO_MANY_REQUESTS);
    // The clone on a route of its own has the setting, and counts in the same buckets.
    assert_eq!(outside.clone().oneshot(from("10.0.0.7")).await.unwrap().status(), StatusCode::OK);
    let counted = outside.oneshot(from("2001:db8:1:3::1")).await.unwrap().status();
    assert_eq!(counted, StatusCode::TOO_MANY_REQUESTS);
}

/// A subject is one caller of one issuer, whatever the method.
#[tokio::test]
async fn two_issuers_are_two_buckets() {
    use tower_auth::{AuthMethod, Plans, rate_limit::Partition, testing::FakeAuth};
    let plans = Plans::new().plan("standard", [Quota::per_minute(1)]).fallback("standard").build().unwrap();
    for method in [AuthMethod::Other("saml".into()), AuthMethod::Token] {
        for partition in [Partition::Credential, Partition::Subject] {
            let by = method.clone();
            let auth = FakeAuth::from_fn(move |request| {
                let issuer = request.headers().get("issuer")?.to_str().ok()?.to_owned();
                Some(Principal::builder("42").issuer(issuer).method(by.clone()).build())
            });
            let limit = RateLimitLayer::by_plan(&plans).partition(partition);
            let service = AuthStack::builder().auth(auth).limit(limit).build().unwrap().layer(ok());
            for (issuer, status) in [("a", 200), ("b", 200), ("a", 429), ("b", 429)] {
                let response = service.clone().oneshot(get("/", &[("issuer", issuer)])).await.unwrap();
                assert_eq!(response.status().as_u16(), status, "{method} {partition:?} {issuer}");
            }
        }
    }
}

/// A budget that was charged for the handler's 401 is not charged again for what it handed in.
#[tokio::test]
async fn a_late_refusal_is_charged_once() {
    let failures = RateLimitLayer::failures(Quota::per_minute(2), ClientIp::peer());
    let stack = AuthStack::builder().auth(keys()).limit(failures.clone()).late_refusals().build().unwrap();
    let login = failures.layer(strict(|request: Request<Body>| {
        request.late_refusal().unwrap().refuse(Rejection::invalid_credentials()).unwrap();
        Rejection::invalid_credentials().into_response()
    }));
    let service = stack.layer(login);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let mut request = with_key();
        request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
        statuses.push(service.clone().oneshot(request).await.unwrap().status().as_u16());
    }
    assert_eq!(statuses, [401, 401, 429]);
}

/// Cookies of a session stand beside those of the handler; errors get none.
#[tokio::test]
async fn a_cookie_of_the_source_stands_beside_the_handlers() {
    struct Session;
    impl Authenticator for Session {
        fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
            AuthFuture::ready(AuthOutcome::Authenticated(Principal::builder("ann").build()))
        }

        fn challenge(&self) -> &'static str {
            "Session"
        }

        fn response_header(&self, _: &RequestHead<'_>) -> Option<(HeaderName, HeaderValue)> {
            Some((header::SET_COOKIE, HeaderValue::from_static("session=renewed")))
        }
    }
    let stack = AuthStack::builder().auth(Session).build().unwrap();
    let handler = strict(|request: Request<Body>| {
        let mut response = Response::new(Body::default());
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        response.headers_mut().insert(header::SET_COOKIE, HeaderValue::from_static("theme=dark"));
        response
    });
    for (path, cookies) in [("/200", 2), ("/101", 2), ("/303", 2), ("/404", 1), ("/500", 1)] {
        let response = ask(&stack, handler.clone(), get(path, &[])).await;
        assert_eq!(response.headers().get_all(header::SET_COOKIE).iter().count(), cookies, "{path}");
    }
}
