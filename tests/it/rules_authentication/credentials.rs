//! Rules 009, 010, 012 and 013: where a credential is read, and what a refusal does with headers.

use std::sync::{Arc, Mutex};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, Detail, ErrorEnvelopeLayer, KeyRecord, Rejection, RejectionKind,
    RequestExt as _, RequireLayer, testing::ManualClock,
};

use super::{Named, answer};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, ok, store, strict, text},
};

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("k1", "acme").scopes(["read"]));
    ApiKeyLayer::new(scheme, store)
}

type Lines<'a> = &'a [(&'a str, &'a str)];

/// A repeated header is reported by its name, and never by its value.
#[tokio::test]
async fn r009_a_repeated_credential_header_is_400() {
    let bearer = format!("Bearer {KEY}");
    let mesh = || Named::new("x-mesh-id", "Mutual");
    let header = || AuthLayer::first(keys());
    let both = || AuthLayer::first(keys().header("x-api-key").bearer());
    let cases: [(&str, AuthLayer, &str, Lines<'_>); 10] = [
        ("same twice", header(), "x-api-key", &[("x-api-key", KEY), ("x-api-key", KEY)]),
        ("good then bad", header(), "x-api-key", &[("x-api-key", KEY), ("x-api-key", "bad")]),
        ("bad then good", header(), "x-api-key", &[("x-api-key", "bad"), ("x-api-key", KEY)]),
        ("empty then good", header(), "x-api-key", &[("x-api-key", ""), ("X-API-Key", KEY)]),
        ("bearer twice", both(), "authorization", &[("authorization", &bearer), ("authorization", &bearer)]),
        ("other scheme", both(), "authorization", &[("authorization", "Basic eDp5"), ("authorization", &bearer)]),
        (
            "later source",
            both(),
            "authorization",
            &[("x-api-key", KEY), ("authorization", "a"), ("authorization", "b")],
        ),
        ("optional", header().optional(), "x-api-key", &[("x-api-key", KEY), ("x-api-key", KEY)]),
        (
            "later method",
            header().then(mesh()),
            "x-mesh-id",
            &[("x-api-key", KEY), ("x-mesh-id", "a"), ("x-mesh-id", "b")],
        ),
        (
            "earlier method",
            AuthLayer::first(mesh()).then(keys()),
            "x-mesh-id",
            &[("x-mesh-id", "a"), ("x-mesh-id", "b")],
        ),
    ];
    for (case, layer, name, headers) in cases {
        let response = answer(layer.layer(ok()), get("/", headers)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{case}");
        let refusal = Rejection::of(&response).unwrap();
        assert_eq!(refusal.kind(), RejectionKind::MalformedRequest, "{case}");
        assert_eq!(refusal.details().collect::<Vec<_>>(), [("header", &Detail::Text(name.into()))], "{case}");
    }
}

/// As the page of `credential_headers` promises, also where the method is the only one.
#[tokio::test]
async fn r009_a_repeated_header_of_the_only_method_is_400() {
    let layer = AuthLayer::first(Named::new("x-mesh-id", "Mutual"));
    let response = answer(layer.layer(ok()), get("/", &[("x-mesh-id", "alice"), ("x-mesh-id", "mallory")])).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn r009_a_header_that_no_method_reads_may_be_repeated() {
    let headers = [("x-api-key", KEY), ("x-mesh-id", "a"), ("x-mesh-id", "b")];
    assert_eq!(answer(keys().layer(ok()), get("/", &headers)).await.status(), StatusCode::OK);
}

/// What the http crate lets through of it; the rest is a matter of the server's parser.
#[tokio::test]
async fn r010_controls_and_foreign_bytes_are_refused_and_never_shown() {
    let stack = AuthStack::builder().auth(keys().header("x-api-key").bearer()).build().unwrap();
    let values: [&[u8]; 7] = [
        b"ak_12345\tPLANTED",
        b"ak_\xff\xfe\x80PLANTED",
        "ak_ünïcodePLANTED".as_bytes(),
        b"Bearer\tPLANTED",
        b"Bearer ak_\tPLANTED",
        b"Bearer \xf0\x9f\x94\x91PLANTED",
        b"Bearer PLANTED \t PLANTED",
    ];
    for value in values {
        for name in [header::AUTHORIZATION, http::HeaderName::from_static("x-api-key")] {
            let logs = Logs::capture();
            let mut request = get("/", &[]);
            request.headers_mut().insert(&name, HeaderValue::from_bytes(value).unwrap());
            let response = answer(stack.layer(ok()), request).await;
            let status = response.status();
            assert!([StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST].contains(&status), "{value:?}: {status}");
            let headers = format!("{:?}", response.headers());
            let shown = headers + &logs.text() + &text(response).await;
            assert!(!shown.contains("PLANTED"), "{shown}");
            assert!(logs.text().contains("request refused"), "the log was read");
        }
    }
}

#[tokio::test]
async fn r012_head_has_the_headers_of_get_and_no_content() {
    let clock = ManualClock::at("2025-01-15T10:30:00Z");
    let stack = AuthStack::builder()
        .auth(keys())
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .clock(&clock)
        .build()
        .unwrap();
    let handler = strict(|request: Request<Body>| {
        let mut response = Response::new(Body::from("secret text"));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        *response.status_mut() = request.uri().path()[1..].parse().unwrap();
        response
    });
    let writers = RequireLayer::scope("write");
    for (path, key, status) in
        [("/200", "", 401), ("/200", "ak_no", 401), ("/200", KEY, 403), ("/404", KEY, 404), ("/500", KEY, 500)]
    {
        let ask = async |method: Method| {
            let mut request = get(path, &[("x-api-key", key)]);
            *request.method_mut() = method;
            let response = if status == 403 {
                answer(stack.layer(writers.layer(handler.clone())), request).await
            } else {
                answer(stack.layer(handler.clone()), request).await
            };
            let (mut head, body) = response.into_parts();
            assert!(head.headers.remove("x-request-id").is_some());
            (head.status.as_u16(), head.headers, text(Response::new(body)).await)
        };
        let (got, headed) = (ask(Method::GET).await, ask(Method::HEAD).await);
        assert_eq!((got.0, &got.1), (headed.0, &headed.1), "{path} {key}");
        assert_eq!((got.0, got.1["content-length"].to_str().unwrap()), (status, &*got.2.len().to_string()));
        assert_eq!(headed.2, "");
    }
}

/// A router that cuts the body off HEAD leaves the length of what GET would have had.
#[tokio::test]
async fn r012_an_error_that_get_leaves_alone_is_left_alone_for_head() {
    let app = axum::Router::new()
        .route("/", axum::routing::get(|| async { (StatusCode::CONFLICT, axum::body::Body::from("taken")) }))
        .layer(ErrorEnvelopeLayer::detailed().adopt_foreign_errors());
    let got = answer(app.clone(), get("/", &[])).await;
    let headed = answer(app, Request::head("/").body(Body::default()).unwrap()).await;
    assert_eq!(headed.headers().get("content-type"), got.headers().get("content-type"));
    assert_eq!(headed.headers().get("content-length"), got.headers().get("content-length"));
}

#[tokio::test]
async fn r013_a_handlers_own_challenge_is_kept() {
    let stack = |adopt: bool| {
        let envelope = ErrorEnvelopeLayer::detailed();
        let envelope = if adopt { envelope.adopt_foreign_errors() } else { envelope };
        AuthStack::builder().auth(keys()).envelope(envelope).build().unwrap()
    };
    for status in [StatusCode::OK, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND] {
        let handler = strict(move |_| {
            let response = Response::builder()
                .header("www-authenticate", r#"Digest realm="inner""#)
                .header("www-authenticate", "Negotiate")
                .status(status);
            response.body(Body::default()).unwrap()
        });
        let request = || get("/", &[("x-api-key", KEY)]);
        let (alone, plain, adopted) = (
            answer(keys().layer(handler.clone()), request()).await.into_parts().0,
            answer(stack(false).layer(handler.clone()), request()).await.into_parts().0,
            answer(stack(true).layer(handler), request()).await.into_parts().0,
        );
        for head in [alone, plain, adopted] {
            let kept: Vec<_> = head.headers.get_all("www-authenticate").iter().collect();
            assert_eq!(kept, [r#"Digest realm="inner""#, "Negotiate"], "{status}");
            assert_eq!(head.status, status);
        }
    }
}

#[tokio::test]
async fn r013_the_challenge_of_an_inner_gate_is_kept_by_an_outer_one() {
    let inner = AuthLayer::first(Named::new("x-mesh-id", "Mutual"));
    let response = answer(keys().layer(inner.layer(ok())), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Mutual");
}

/// A refusal in this crate's words, with a challenge that the handler put there itself.
#[tokio::test]
async fn r013_a_challenge_that_a_handler_adds_to_a_refusal_is_kept() {
    let handler = strict(|_| {
        let mut response: Response<Body> = Rejection::invalid_credentials().into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Negotiate"));
        response
    });
    let response = answer(keys().layer(handler), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.headers()["www-authenticate"], "Negotiate");
}

/// The handler's refusal offers nothing; the gate next to it has completed it, and the one further out leaves that
/// alone.
#[tokio::test]
async fn r013_what_an_inner_gate_completed_is_kept_by_an_outer_one() {
    let inner = AuthLayer::first(Named::new("x-mesh-id", "Mutual"));
    let handler = strict(|_| Rejection::invalid_credentials().into_response());
    let service = keys().layer(inner.layer(handler));
    let response = answer(service, get("/", &[("x-api-key", KEY), ("x-mesh-id", "billing")])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["www-authenticate"], "Mutual");
}

/// What a gate does to a request before its inner service sees it.
#[tokio::test]
async fn r010_credential_headers_are_marked_sensitive_in_every_admitted_request() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&seen);
    let handler = strict(move |request: Request<Body>| {
        let who = request.principal().map_or("nobody".to_owned(), |who| who.subject().to_owned());
        witness.lock().unwrap().push((who, format!("{:?}", request.headers())));
        Response::new(Body::default())
    });
    let layer = AuthLayer::first(keys()).then(Named::new("x-mesh-id", "Mutual")).optional().allow_preflight();
    for headers in
        [&[("x-api-key", KEY), ("x-mesh-id", "PLANTED")][..], &[("x-mesh-id", "PLANTED"), ("x-api-key", " ")]]
    {
        answer(layer.layer(handler.clone()), get("/", headers)).await;
    }
    let mut preflight = get("/", &[("origin", "https://a.example"), ("access-control-request-method", "PUT")]);
    *preflight.method_mut() = Method::OPTIONS;
    // No browser sends these; a stranger may.
    for value in [KEY, "ak_PLANTED"] {
        preflight.headers_mut().append("x-api-key", HeaderValue::from_static(value));
    }
    answer(layer.layer(handler), preflight).await;
    let seen = seen.lock().unwrap();
    assert_eq!(seen.iter().map(|(who, _)| who.as_str()).collect::<Vec<_>>(), ["acme", "PLANTED", "nobody"]);
    for (_, headers) in &*seen {
        assert!(headers.contains("Sensitive"), "{headers}");
        assert!(!headers.contains("PLANTED") && !headers.contains(KEY), "{headers}");
    }
}
