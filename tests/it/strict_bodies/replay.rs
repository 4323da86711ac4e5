//! The handler reads the bytes that were checked, and all of them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::SizeHint;
use serde_json::json;
use tower_auth::json::{self as strict, JsonLimits};

use super::{
    CHUNKED, GOOD, Host, JSON, Order, ask, everywhere, layer, post, raw, raw_chunks, raw_post,
    script::{Script, Step},
    serve,
};

/// Good bodies, each in a spelling that no serialiser has.
const SPELLINGS: &[&str] = &[
    GOOD,
    " \t\r\n{ \"name\" :\r\n\"a\"\t}\n\n",
    r#"{"\u006eame":"\u0061\/\\\"\ud83d\ude00\u00e9\b\f"}"#,
    "{\"name\":\"é😀\u{7f}\u{2028}\u{fffd}\"}",
    r#"{"price":1.50E+01,"name":"a"}"#,
    r#"{"name":"a","price":100000000000000000000000000000001}"#,
    r#"{"name":"a","price":-0.0,"count":null}"#,
    r#"{"name":"a","price":1e-999}"#,
    r#"{"items":[ {"size":{"width":7},"sku":"b"} , {"sku":""}],"name":"","count":9007199254740993}"#,
];

#[tokio::test]
async fn r149_p61_the_handler_reads_the_bytes_that_were_checked() {
    for body in SPELLINGS {
        let answer = ask(&layer(), post(Script::whole(*body))).await;
        answer.assert_passed(body);
        let got = answer.got.unwrap();
        let read: Order = strict::from_slice(body.as_bytes(), &JsonLimits::new()).unwrap();
        assert_eq!(got.value.as_ref(), Some(&read));
        // A second parser with other rules finds the same in these bytes.
        let other: Order = serde_json::from_slice(&got.bytes()).unwrap();
        assert_eq!(other, read, "{body}");
    }
}

#[test]
fn r149_p61_over_a_socket() {
    everywhere(&layer(), |served| {
        for body in SPELLINGS {
            let reply = served.told(raw_post(body));
            assert_eq!((reply.status, &*reply.body), (200, *body), "{:?}", served.host);
            assert_eq!(reply.header("x-announced"), [body.len().to_string()]);
            let reply = served.told(raw_chunks(&[body]));
            assert_eq!((reply.status, &*reply.body), (200, *body), "{:?}", served.host);
            assert!(reply.header("x-announced").is_empty());
        }
        for at in 1..GOOD.len() {
            let (start, end) = GOOD.split_at(at);
            let mut wire = served.wire();
            wire.send(raw("POST /", &[JSON, "content-length: 12"], start));
            wire.send(end);
            assert_eq!(wire.reply().body, GOOD);
            wire.send(raw_chunks(&[start, end]));
            assert_eq!(wire.reply().body, GOOD);
        }
    });
}

#[tokio::test]
async fn r149_over_http2() {
    for host in [Host::Axum, Host::Hyper] {
        let served = serve(host, &layer()).await;
        for body in SPELLINGS {
            let reply = served.http2(Script::whole(*body)).await;
            assert_eq!((reply.text(), reply.header("x-announced")), (*body, vec![&*body.len().to_string()]));
            let (start, end) = body.as_bytes().split_at(2);
            let pieces = [start, end].map(|piece| Step::Data(piece.to_vec().into()));
            let trailers = [("x-sum".parse().unwrap(), HeaderValue::from_static("7"))].into_iter().collect();
            let steps = pieces.into_iter().chain([Step::Trailers(trailers)]);
            let reply = served.http2(Script::of(steps)).await;
            assert_eq!((reply.text(), reply.header("x-sum")), (*body, vec!["7"]), "{host:?}");
        }
    }
}

#[tokio::test]
async fn r149_a_body_in_one_piece_is_not_copied() {
    let empty = || Step::Data(Bytes::new());
    for around in [0, 1, 200] {
        let body = Bytes::from(GOOD.to_owned());
        let at = body.as_ptr();
        let before = (0..around).map(|_| empty());
        let steps = before.clone().chain([Step::Wait, Step::Data(body)]).chain(before);
        let answer = ask(&layer(), post(Script::of(steps))).await;
        answer.assert_passed(GOOD);
        let got = answer.got.unwrap();
        assert_eq!((got.pieces.len(), got.pieces[0].as_ptr()), (1, at));
    }
}

#[tokio::test]
async fn r149_many_pieces_are_one() {
    let body = format!("{GOOD}{}", " ".repeat(1000 - GOOD.len()));
    let bytes: Vec<Step> = body.bytes().map(|byte| Step::Data(vec![byte].into())).collect();
    let empty = || Step::Data(Bytes::new());
    let between = |filler: fn() -> Step| bytes.iter().cloned().flat_map(move |byte| [filler(), byte, filler()]);
    for script in [
        Script::of(bytes.clone()),
        Script::of(between(empty)),
        Script::of(between(|| Step::Wait)),
        Script::of(bytes.clone()).hint(SizeHint::with_exact(1000)),
    ] {
        let answer = ask(&layer(), post(script)).await;
        answer.assert_passed(&body);
        let got = answer.got.unwrap();
        assert_eq!((got.pieces.len(), got.length), (1, Some(1000)));
    }
    let nothing = || Script::of((0..1000).map(|_| empty()));
    ask(&layer(), post(nothing())).await.assert_refused(400, "INVALID_JSON");
    let answer = ask(&layer().optional(), post(nothing())).await;
    answer.assert_passed("");
    assert_eq!(answer.got.unwrap().length, Some(0));
}

#[tokio::test]
async fn r149_the_head_and_the_trailers_are_handed_on() {
    let sums = |sum: &'static str| -> HeaderMap {
        [("x-sum".parse().unwrap(), HeaderValue::from_static(sum))].into_iter().collect()
    };
    for steps in [
        vec![Step::Data(GOOD.into()), Step::Trailers(sums("7"))],
        vec![Step::Data("{\"name\"".into()), Step::Data(":\"a\"}".into()), Step::Wait, Step::Trailers(sums("7"))],
        vec![Step::Trailers(sums("7")), Step::Data(GOOD.into())],
        vec![Step::Data(GOOD.into()), Step::Trailers(sums("6")), Step::Trailers(sums("7")), Step::Data("".into())],
    ] {
        let mut request = post(Script::of(steps)).map(|body| body.hint(SizeHint::with_exact(GOOD.len() as u64)));
        request.headers_mut().insert("content-length", HeaderValue::from_static("12"));
        request.headers_mut().insert("trailer", HeaderValue::from_static("x-sum"));
        request.extensions_mut().insert("kept");
        let answer = ask(&layer(), request).await;
        answer.assert_passed(GOOD);
        let got = answer.got.unwrap();
        assert_eq!((got.trailers.unwrap(), got.length), (sums("7"), Some(12)));
        assert_eq!(
            (&got.head.headers["content-length"], &got.head.headers["trailer"]),
            (&"12".parse().unwrap(), &"x-sum".parse().unwrap())
        );
        assert_eq!(
            (got.head.method, got.head.headers.len(), got.head.extensions.get()),
            (Method::POST, 3, Some(&"kept"))
        );
    }
    let trailers_alone = || Script::of([Step::Trailers(sums("7"))]);
    ask(&layer(), post(trailers_alone())).await.assert_refused(400, "INVALID_JSON");
    let answer = ask(&layer().optional(), post(trailers_alone())).await;
    assert_eq!(answer.got.unwrap().trailers, Some(sums("7")));
    // In a body that passes untouched they stand as they came.
    let request = Request::post("/").header("content-type", "text/plain");
    let request = request.body(Script::of([Step::Data("a".into()), Step::Trailers(sums("7"))])).unwrap();
    let answer = ask(&layer().allow_other_media_types(), request).await;
    assert_eq!(answer.got.unwrap().trailers, Some(sums("7")));
}

#[test]
fn r149_trailers_of_chunks_over_a_socket() {
    everywhere(&layer(), |served| {
        let chunks = format!("{:x}\r\n{GOOD}\r\n0\r\nx-sum: 7\r\n\r\n", GOOD.len());
        let reply = served.told(raw("POST /", &[JSON, CHUNKED, "trailer: x-sum"], &chunks));
        assert_eq!((reply.status, &*reply.body, reply.header("x-sum")), (200, GOOD, vec!["7"]), "{:?}", served.host);
    });
}

/// What Bishop Fox showed: a check that takes the first of two names, before a handler that takes the last.
const TWICE: &[(&str, u64)] = &[
    (r#"{"name":"a","name":"b"}"#, 13),
    (r#"{"name":"a","\u006eame":"b"}"#, 13),
    (r#"{"\u006Eame":"a","\u006eame":"a"}"#, 18),
    (r#"{"name":"a","items":[{"sku":"b","s\u006bu":"c"}]}"#, 33),
    (r#"{"name":"a","\ud83d\ude00":1,"😀":1}"#, 30),
];

#[tokio::test]
async fn p61_p62_a_body_that_two_parsers_read_in_two_ways_reaches_nobody() {
    for (body, column) in TWICE {
        let answer = ask(&layer(), post(Script::whole(*body))).await;
        answer.assert_refused(400, "INVALID_JSON");
        let place = json!({ "line": 1, "column": column, "reason": "the name stands in the object already" });
        assert_eq!(answer.details(), &place, "{body}");
    }
}

#[test]
fn p62_over_a_socket() {
    everywhere(&layer(), |served| {
        for (body, column) in TWICE {
            for request in [raw_post(body), raw_chunks(&[&body[..2], &body[2..]])] {
                let reply = served.told(request);
                assert_eq!((reply.status, &*reply.code()), (400, "INVALID_JSON"), "{:?} {body}", served.host);
                assert_eq!(reply.json()["error"]["details"]["column"], *column);
            }
        }
        assert_eq!(served.calls(), 0);
    });
}

#[test]
fn r149_requests_behind_each_other_keep_their_bodies() {
    everywhere(&layer(), |served| {
        let bodies: Vec<String> =
            (0..50).map(|turn| format!("{{\"name\":\"{turn}\"}}{}", " ".repeat(turn * 7))).collect();
        let mut all = String::new();
        for (turn, body) in bodies.iter().enumerate() {
            let at = body.len() / 2;
            let request = if turn % 2 == 0 { raw_post(body) } else { raw_chunks(&[&body[..at], &body[at..]]) };
            all.write_str(&request).unwrap();
        }
        let mut wire = served.wire();
        wire.send(&all);
        for body in &bodies {
            let reply = wire.reply();
            assert_eq!((reply.status, &reply.body), (200, body), "{:?}", served.host);
        }
        assert_eq!(served.calls(), bodies.len());
    });
}
