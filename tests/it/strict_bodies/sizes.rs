//! How large bodies may be, however their length is declared, and who else limits them.

use std::{convert::Infallible, sync::Arc};

use axum::{Extension, Router, extract::DefaultBodyLimit, routing};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Full, combinators::MapFrame};
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{BodyLimits, StrictBodyLayer, StrictJson, strict_body::ReplayBody};
use tower_http::limit::RequestBodyLimitLayer;

use super::{
    CHUNKED, GOOD, Host, JSON, Order, ask, echo, envelope, everywhere, layer, post, raw, raw_chunks, raw_post,
    script::{Script, Step},
    serve,
};
use crate::support::{self, text};

fn at_most(bytes: usize) -> StrictBodyLayer<Order> {
    layer().limits(BodyLimits::new().max_bytes(bytes))
}

/// A good body of so many bytes.
fn padded(length: usize) -> String {
    GOOD.to_owned() + &" ".repeat(length - GOOD.len())
}

fn lower(bytes: u64) -> SizeHint {
    let mut hint = SizeHint::default();
    hint.set_lower(bytes);
    hint
}

#[tokio::test]
async fn r144_a_declared_length_above_the_limit_is_refused_unread() {
    let announced = |length: &str| {
        let mut request = post(Script::unread());
        request.headers_mut().insert("content-length", HeaderValue::from_str(length).unwrap());
        request
    };
    let by_hint = |hint| post(Script::unread().hint(hint));
    let many = u64::MAX.to_string();
    for layer in [at_most(20), at_most(20).optional(), at_most(20).allow_other_media_types()] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            for mut request in [
                announced("21"),
                announced("1000000"),
                announced(&many),
                by_hint(SizeHint::with_exact(21)),
                by_hint(lower(21)),
                by_hint(lower(u64::MAX)),
            ] {
                *request.method_mut() = method.clone();
                let answer = ask(&layer, request).await;
                answer.assert_refused(413, "PAYLOAD_TOO_LARGE");
                assert_eq!((&answer.details()["limit"], answer.header("connection")), (&20.into(), Some("close")));
            }
        }
    }
    ask(&layer(), announced("1048577")).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
    ask(&layer(), post(Script::whole(padded(1 << 20)))).await.assert_passed(&padded(1 << 20));
}

#[tokio::test]
async fn r144_a_length_that_is_not_told_is_refused_as_soon_as_it_is_too_much() {
    for (body, polls) in [
        (Script::of([Step::Endless("aaaa")]), 6),
        (Script::of([Step::Data("a".repeat(20).into()), Step::Data("a".into()), Step::Unread]), 2),
        (Script::of([Step::Data("a".repeat(21).into()), Step::Unread]), 1),
        (Script::of([Step::Data("".into()), Step::Data("a".repeat(21).into()), Step::Unread]), 2),
    ] {
        let polled = body.polled();
        let answer = ask(&at_most(20), post(body)).await;
        answer.assert_refused(413, "PAYLOAD_TOO_LARGE");
        assert_eq!((polled(), answer.header("connection")), (polls, Some("close")));
    }
}

#[tokio::test]
async fn r144_a_limit_that_is_met_exactly_passes() {
    let body = padded(20);
    let bytes = body.clone().into_bytes();
    let empty = || Step::Data(Bytes::new());
    for script in [
        Script::whole(body.clone()),
        Script::pieces([body.clone()]),
        Script::pieces(bytes.iter().map(|byte| vec![*byte])),
        Script::of([empty(), Step::Data(body.clone().into()), empty(), empty()]),
    ] {
        ask(&at_most(20), post(script)).await.assert_passed(&body);
    }
    ask(&at_most(0), post(Script::pieces([" "]))).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
    ask(&at_most(0), post(Script::none())).await.assert_refused(400, "INVALID_JSON");
}

#[tokio::test]
async fn r144_a_hint_or_a_length_that_lies_changes_nothing_about_the_bytes() {
    let upper = |bytes| {
        let mut hint = SizeHint::default();
        hint.set_upper(bytes);
        hint
    };
    let body = padded(20);
    let pieces = || Script::pieces([&body[..7], &body[7..13], &body[13..]].map(str::to_owned));
    for hint in [SizeHint::with_exact(1), SizeHint::with_exact(8), SizeHint::with_exact(20), upper(1), lower(9)] {
        let answer = ask(&at_most(20), post(pieces().hint(hint))).await;
        answer.assert_passed(&body);
        assert_eq!(answer.got.unwrap().length, Some(20));
        ask(&at_most(19), post(pieces().hint(SizeHint::with_exact(3)))).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
    }
    for length in ["1", "19", "20"] {
        let mut request = post(pieces());
        request.headers_mut().insert("content-length", HeaderValue::from_static(length));
        ask(&at_most(20), request).await.assert_passed(&body);
    }
    let mut request = post(Script::of([Step::Endless("  ")]));
    request.headers_mut().insert("content-length", HeaderValue::from_static("3"));
    ask(&at_most(20), request).await.assert_refused(413, "PAYLOAD_TOO_LARGE");
}

/// As a layer that takes a coding off: a tilde stands for a hundred spaces. The length stays that of the coded bytes.
fn unpacked(frame: Frame<Bytes>) -> Frame<Bytes> {
    frame.map_data(|data| str::from_utf8(&data).unwrap().replace('~', &" ".repeat(100)).into())
}

type Unpacked = MapFrame<Script, fn(Frame<Bytes>) -> Frame<Bytes>>;

/// As such a layer changes a request.
fn decoded(mut request: Request<Script>) -> Request<Unpacked> {
    request.headers_mut().remove("content-encoding").unwrap();
    request.map(|body| body.map_frame(unpacked as fn(_) -> _))
}

/// The status and the length of what is answered to a body of three coded pieces, and how often it was polled.
async fn packed(most: usize) -> (u16, usize, usize) {
    async fn answer(request: Request<ReplayBody<Unpacked>>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(echo(request, Arc::default()).await)
    }
    let body = Script::pieces([GOOD, "~", "~", "~"]).hint(SizeHint::with_exact(15));
    let polled = body.polled();
    let mut request = post(body);
    request.headers_mut().insert("content-encoding", HeaderValue::from_static("tilde"));
    request.headers_mut().insert("content-length", HeaderValue::from_static("15"));
    let service = ServiceBuilder::new().map_request(decoded).layer(at_most(most)).service(service_fn(answer));
    let response = service.oneshot(request).await.unwrap();
    (response.status().as_u16(), text(response).await.len(), polled())
}

#[tokio::test]
async fn r144_of_a_coded_body_the_bytes_that_came_of_it_are_counted() {
    assert_eq!(packed(312).await, (200, 312, 5));
    assert_eq!(packed(311).await, (413, 0, 4));
    assert_eq!(packed(15).await, (413, 0, 2));
}

/// axum's response to a body of declared length, and to one of undeclared length.
async fn both(app: Router, body: &str) -> [(u16, Value); 2] {
    let (start, end) = body.split_at(body.len() / 2);
    let ask = async |body: Script| {
        let response = app.clone().oneshot(post(body).map(axum::body::Body::new)).await.unwrap();
        assert_eq!(response.headers()["content-type"], "application/json");
        (response.status().as_u16(), support::json(response).await)
    };
    [ask(Script::whole(body.to_owned())).await, ask(Script::pieces([start.to_owned(), end.to_owned()])).await]
}

#[tokio::test]
async fn p64_a_lower_limit_of_another_layer_is_told_in_the_envelope() {
    let order = routing::post(async || axum::Json(json!({ "made": true }))).layer(at_most(100));
    let app = Router::new().route("/", order).layer(RequestBodyLimitLayer::new(20));
    let app = app.layer(envelope());
    for answer in both(app.clone(), &padded(21)).await {
        assert_eq!((answer.0, &answer.1["error"]["code"]), (413, &"PAYLOAD_TOO_LARGE".into()), "{answer:?}");
        assert_eq!(answer.1["success"], false);
    }
    for (status, answer) in both(app.clone(), &padded(20)).await {
        assert_eq!((status, &answer["made"]), (200, &true.into()));
    }
    // That layer looks at the announced length itself, and answers in plain text.
    let mut announced = post(Script::unread()).map(axum::body::Body::new);
    announced.headers_mut().insert("content-length", HeaderValue::from_static("21"));
    let response = app.oneshot(announced).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(support::json(response).await["error"]["code"], "PAYLOAD_TOO_LARGE");
}

#[tokio::test]
async fn p64_a_lower_limit_of_axum_is_told_by_the_extractor() {
    let order = async |StrictJson(order): StrictJson<Order>| axum::Json(json!({ "name": order.name }));
    let app = Router::new().route("/", routing::post(order)).layer(DefaultBodyLimit::max(20)).layer(envelope());
    for (status, answer) in both(app.clone(), &padded(21)).await {
        assert_eq!((status, &answer["error"]["code"]), (413, &"PAYLOAD_TOO_LARGE".into()), "{answer}");
    }
    for (status, answer) in both(app.clone(), &padded(20)).await {
        assert_eq!((status, &answer["name"]), (200, &"a".into()));
    }
    // Where somebody has said how large bodies may be, that holds.
    let app = app.layer(Extension(BodyLimits::new().max_bytes(30)));
    for (length, status) in [(30, 200), (31, 413)] {
        assert_eq!(both(app.clone(), &padded(length)).await.map(|answer| answer.0), [status; 2]);
    }
}

#[test]
fn r144_over_a_socket() {
    everywhere(&at_most(100), |served| {
        for announced in ["101", "5000000", "18446744073709551613"] {
            let mut wire = served.wire();
            wire.send(raw("POST /", &[JSON, &format!("content-length: {announced}")], ""));
            let reply = wire.reply();
            assert_eq!((reply.status, &*reply.code()), (413, "PAYLOAD_TOO_LARGE"), "{:?} {announced}", served.host);
            assert_eq!(reply.json()["error"]["details"]["limit"], 100);
            assert_eq!(reply.header("connection"), ["close"]);
            wire.assert_closed();
        }
        // Chunks are counted, and the end is not waited for.
        let mut wire = served.wire();
        wire.send(raw("POST /", &[JSON, CHUNKED], ""));
        wire.send(format!("40\r\n{}\r\n", "a".repeat(64)));
        wire.send(format!("25\r\n{}\r\n", "a".repeat(37)));
        let reply = wire.reply();
        assert_eq!((reply.status, &*reply.code()), (413, "PAYLOAD_TOO_LARGE"), "{:?}", served.host);
        assert_eq!(reply.header("connection"), ["close"]);
        wire.assert_closed();
        assert_eq!(served.calls(), 0);

        let exactly = padded(100);
        for request in [raw_post(&exactly), raw_chunks(&[&exactly]), raw_chunks(&[&exactly[..99], " "])] {
            let reply = served.told(request);
            assert_eq!((reply.status, reply.body), (200, exactly.clone()), "{:?}", served.host);
        }
    });
}

#[test]
fn r144_a_length_that_lies_over_a_socket_calls_nobody() {
    everywhere(&layer(), |served| {
        // Less comes than was announced.
        let mut wire = served.wire();
        wire.send(raw("POST /", &[JSON, "content-length: 50"], GOOD));
        wire.finish();
        let reply = wire.next();
        assert!(
            reply.as_ref().is_none_or(|reply| (reply.status, &*reply.code()) == (400, "INVALID_REQUEST")),
            "{reply:?}"
        );
        // More comes: that is another request, and none.
        let mut wire = served.wire();
        wire.send(raw("POST /", &[JSON, "content-length: 5"], GOOD));
        let reply = wire.reply();
        assert_eq!((reply.status, &*reply.code()), (400, "INVALID_JSON"), "{:?}", served.host);
        assert_eq!(wire.next().map(|reply| reply.status), Some(400));
        for lines in [["content-length: 12", "content-length: 13"], ["content-length: 12", "content-length: +12"]] {
            let reply = served.told(raw("POST /", &[JSON, lines[0], lines[1]], GOOD));
            assert_eq!((reply.status, &*reply.body), (400, ""), "{:?}: hyper itself refuses", served.host);
        }
        assert_eq!(served.calls(), 0, "{:?}", served.host);
    });
}

#[tokio::test]
async fn r144_over_http2_a_refusal_comes_while_the_client_still_sends() {
    for host in [Host::Axum, Host::Hyper] {
        let served = serve(host, &at_most(100)).await;
        // Too much has come, and more is to come; much is announced, and nothing comes.
        let sent = Script::of(
            [GOOD, &" ".repeat(89)].map(|piece| Step::Data(piece.to_owned().into())).into_iter().chain([Step::Stall]),
        );
        let announced = Script::of([Step::Stall]).hint(SizeHint::with_exact(101));
        for body in [sent, announced] {
            let reply = served.http2(body).await;
            assert_eq!(reply.told(), (413, "PAYLOAD_TOO_LARGE".to_owned()), "{host:?}");
            assert_eq!(reply.header("connection"), Vec::<&str>::new());
        }
        assert_eq!(served.calls(), 0);
        assert_eq!(served.http2(Script::whole(padded(100))).await.text(), padded(100), "{host:?}");
    }
}
