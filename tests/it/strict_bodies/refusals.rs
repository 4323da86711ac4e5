//! What is reported about a refused body, in which order, and what becomes of its connection.

use http::{Method, Request, Version};
use serde_json::{Map, Value, json};
use tower::{Layer as _, ServiceBuilder, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, BodyLimits, ErrorEnvelopeLayer, KeyRecord, Rejection, RequireLayer, StrictBodyLayer,
};

use super::{
    CHUNKED, GOOD, JSON, Order, Seen, TYPO, ask, everywhere, handler, layer, post, raw, raw_chunks, raw_post,
    script::{Script, Step},
    under_way::held,
};
use crate::{
    no_leak::Logs,
    support::{KEY, store, text},
};

fn field(pointer: &str, reason: &str, suggestion: Option<&str>) -> Value {
    json!({ "pointer": pointer, "reason": reason, "suggestion": suggestion })
}

#[test]
fn r140_an_unknown_field_at_any_depth_is_told_over_a_socket() {
    everywhere(&layer(), |served| {
        for (body, fields) in [
            (TYPO, vec![field("/cuont", "unknown field", Some("count"))]),
            (
                r#"{"name":"a","items":[{"sku":"b"},{"sku":"c","size":{"width":1,"widht":2,"is_admin":true}}]}"#,
                vec![
                    field("/items/1/size/widht", "unknown field", None),
                    field("/items/1/size/is_admin", "unknown field", None),
                ],
            ),
            (
                r#"{"NAME":"a","a/b~c":null}"#,
                vec![
                    field("/NAME", "unknown field", Some("name")),
                    field("/a~1b~0c", "unknown field", None),
                    field("/name", "missing field", None),
                ],
            ),
            (r#"["a"]"#, vec![field("", "expected an object, found an array", None)]),
        ] {
            for request in [raw_post(body), raw_chunks(&[&body[..1], &body[1..]])] {
                let reply = served.told(request);
                assert_eq!((reply.status, &*reply.code()), (422, "VALIDATION_ERROR"), "{:?} {body}", served.host);
                assert_eq!(reply.json()["error"]["details"], json!({ "fields": fields }), "{body}");
            }
        }
        assert_eq!(served.calls(), 0);
    });
}

#[tokio::test]
async fn r141_what_is_no_json_is_400_whatever_its_shape() {
    for (body, line, column) in [
        ("", 1, 1),
        (" \n", 2, 1),
        (r#"{"cuont":1,"name":"a",}"#, 1, 23),
        ("[1,2", 1, 5),
        ("{\"name\":1,\n\"cuont\":01}", 2, 9),
        (r#"{"name":"a"} {}"#, 1, 14),
        ("\u{feff}{}", 1, 1),
        ("name=a", 1, 1),
        ("\x1f\u{8b}", 1, 1),
    ] {
        let answer = ask(&layer(), post(Script::whole(body))).await;
        answer.assert_refused(400, "INVALID_JSON");
        assert_eq!((&answer.details()["line"], &answer.details()["column"]), (&line.into(), &column.into()), "{body}");
    }
    for body in ["null", "1", "\"a\"", "[]", "{}", r#"{"name":null}"#, r#"{"name":{}}"#] {
        ask(&layer(), post(Script::whole(body))).await.assert_refused(422, "VALIDATION_ERROR");
    }
}

fn of(method: &Method, media: Option<&str>, body: Script) -> Request<Script> {
    let request = Request::builder().method(method.clone()).uri("/");
    media.into_iter().fold(request, |request, media| request.header("content-type", media)).body(body).unwrap()
}

#[tokio::test]
async fn r150_methods_that_need_no_body_pass_without_one_and_are_checked_with_one() {
    let json = Some("application/json");
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS, Method::TRACE] {
        for media in [None, json, Some("text/plain")] {
            let answer = ask(&layer(), of(&method, media, Script::none())).await;
            assert_eq!((answer.status, answer.got.map(|got| got.value)), (200, Some(None)), "{method} {media:?}");
        }
        for media in [None, json, Some("text/plain")] {
            // Only its end tells that it is empty.
            for body in [Script::of([]), Script::pieces(["", ""]), Script::of([Step::Wait])] {
                ask(&layer(), of(&method, media, body)).await.assert_passed("");
            }
        }
        for body in [|text| Script::whole(text), |text| Script::pieces([text])] {
            ask(&layer(), of(&method, json, body(GOOD))).await.assert_passed(GOOD);
            for (media, text, status) in [
                (json, TYPO, 422),
                (json, "{", 400),
                (json, " ", 400),
                (None, GOOD, 415),
                (Some("text/plain"), GOOD, 415),
            ] {
                let answer = ask(&layer(), of(&method, media, body(text))).await;
                assert_eq!((answer.status, answer.got.is_none()), (status, true), "{method} {media:?} {text}");
            }
        }
    }
}

#[tokio::test]
async fn r150_without_a_body_a_get_passes_whatever_its_content_type_says() {
    for media in ["application/json; charset=utf-16", "application/json, text/plain", "nonsense", ""] {
        ask(&layer(), of(&Method::GET, Some(media), Script::none())).await.assert_passed("");
    }
}

#[tokio::test]
async fn r150_an_empty_body_is_400_where_one_is_required_and_passes_where_it_is_optional() {
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::from_bytes(b"QUERY").unwrap()] {
        for body in [Script::none, || Script::of([]), || Script::pieces([""])] {
            let json = || of(&method, Some("application/json"), body());
            let answer = ask(&layer(), json()).await;
            answer.assert_refused(400, "INVALID_JSON");
            assert_eq!((&answer.details()["line"], &answer.details()["column"]), (&1.into(), &1.into()));
            for request in [json(), of(&method, None, body()), of(&method, Some("text/plain"), body())] {
                ask(&layer().optional(), request).await.assert_passed("");
            }
        }
        ask(&layer(), of(&method, None, Script::none())).await.assert_refused(400, "INVALID_JSON");
        for (media, body, status) in [
            (None, Script::pieces(["", GOOD]), 415),
            (None, Script::whole(GOOD), 415),
            (Some("text/plain"), Script::pieces([GOOD]), 415),
            (Some("application/json"), Script::pieces([TYPO]), 422),
            (Some("application/json"), Script::pieces([" "]), 400),
        ] {
            let answer = ask(&layer().optional(), of(&method, media, body)).await;
            assert_eq!((answer.status, answer.got.is_none()), (status, true), "{method} {media:?}");
        }
    }
}

#[test]
fn r150_over_a_socket() {
    everywhere(&layer(), |served| {
        for (line, lines, body, status) in [
            ("GET /", &[][..], "", 200),
            ("GET /", &["content-length: 0"], "", 200),
            ("DELETE /", &[JSON], "", 200),
            ("OPTIONS /", &[JSON, CHUNKED], "0\r\n\r\n", 200),
            ("DELETE /", &[CHUNKED], "0\r\n\r\n", 200),
            ("GET /", &["content-length: 2"], "{}", 415),
            ("DELETE /", &[CHUNKED], "2\r\n{}\r\n0\r\n\r\n", 415),
            ("DELETE /", &[JSON, "content-length: 2"], "{}", 422),
            ("POST /", &[JSON], "", 400),
            ("POST /", &[JSON, "content-length: 0"], "", 400),
            ("POST /", &["content-length: 0"], "", 400),
            ("POST /", &[JSON, CHUNKED], "0\r\n\r\n", 400),
        ] {
            let reply = served.told(raw(line, lines, body));
            assert_eq!(reply.status, status, "{:?} {line} {lines:?} {}", served.host, reply.body);
            assert_eq!(served.calls(), usize::from(status == 200));
        }
    });
}

#[test]
fn r011_a_body_that_its_head_refuses_is_never_asked_for() {
    everywhere(&layer().optional().limits(BodyLimits::new().max_bytes(20)), |served| {
        let expect = "expect: 100-continue";
        for (lines, status) in [
            (&[expect, "content-type: text/plain", "content-length: 12"][..], 415),
            (&[expect, "content-type: text/plain", CHUNKED], 415),
            (&[expect, CHUNKED], 415),
            (&[expect, JSON, "content-encoding: gzip", "content-length: 12"], 415),
            (&[expect, JSON, "content-length: 21"], 413),
        ] {
            for line in ["POST /", "DELETE /"] {
                let mut wire = served.wire();
                wire.send(raw(line, lines, ""));
                let reply = wire.reply();
                assert_eq!(
                    (reply.status, reply.header("connection")),
                    (status, vec!["close"]),
                    "{:?} {lines:?}",
                    served.host
                );
                wire.assert_closed();
            }
        }
        assert_eq!(served.calls(), 0);
        let mut wire = served.wire();
        for (lines, body) in [("content-length: 12", GOOD.to_owned()), (CHUNKED, format!("c\r\n{GOOD}\r\n0\r\n\r\n"))] {
            wire.send(raw("POST /", &[expect, JSON, lines], ""));
            assert_eq!(wire.reply().status, 100, "{:?}", served.host);
            wire.send(&body);
            assert_eq!(wire.reply().body, GOOD);
        }
    });
}

#[test]
fn a_body_that_was_read_to_its_end_leaves_its_connection_open() {
    everywhere(&layer().limits(BodyLimits::new().max_bytes(50)), |served| {
        let mut wire = served.wire();
        let good = raw_post(GOOD);
        for (refused, status) in [
            (raw_post(TYPO), 422),
            (raw_chunks(&["{", "}"]), 422),
            (raw_post("{]"), 400),
            (raw("POST /", &[JSON, CHUNKED], "0\r\n\r\n"), 400),
        ] {
            // One behind the other, and at once.
            wire.send(&refused);
            let reply = wire.reply();
            assert_eq!((reply.status, reply.header("connection")), (status, vec![]), "{:?}", served.host);
            wire.send(&good);
            assert_eq!(wire.reply().body, GOOD);
            wire.send([&*refused, &good, &refused, &good].concat());
            let statuses = [(); 4].map(|()| wire.reply().status);
            assert_eq!(statuses, [status, 200, status, 200], "{:?}", served.host);
        }
        // What stands behind a body that was not read is no request.
        served.calls();
        for unread in [
            raw("POST /", &["content-type: text/plain", "content-length: 12"], GOOD),
            raw("POST /", &[JSON, "content-encoding: gzip", CHUNKED], &format!("c\r\n{GOOD}\r\n0\r\n\r\n")),
            raw("POST /", &[JSON, "content-length: 51"], &" ".repeat(51)),
            raw_chunks(&[&" ".repeat(40), &" ".repeat(11)]),
        ] {
            let mut wire = served.wire();
            wire.send([&*unread, &good].concat());
            let reply = wire.reply();
            assert_eq!(reply.header("connection"), ["close"], "{:?} {}", served.host, reply.head);
            assert!(wire.next().is_none());
        }
        assert_eq!(served.calls(), 0);
    });
}

#[tokio::test(start_paused = true)]
async fn over_http2_no_refusal_names_the_connection() {
    for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3] {
        for (status, _, layer, mut request) in refusals() {
            *request.version_mut() = version;
            let answer = ask(&layer, request).await;
            let unread = !matches!(answer.told().1, "INVALID_JSON" | "VALIDATION_ERROR");
            let closes = (unread && version < Version::HTTP_2).then_some("close");
            assert_eq!((answer.status, answer.header("connection")), (status, closes), "{version:?}");
        }
    }
}

#[test]
fn a_body_that_breaks_off_is_400_and_calls_nobody() {
    everywhere(&layer(), |served| {
        for chunks in [
            "zz\r\n{}\r\n0\r\n\r\n",
            "2\r\n{}x\r\n0\r\n\r\n",
            "c\r\n{\"name\":\"a\"}\r\n-1\r\n",
            "fffffffffffffffff\r\n",
        ] {
            let reply = served.told(raw("POST /", &[JSON, CHUNKED], chunks));
            assert_eq!((reply.status, &*reply.code()), (400, "INVALID_REQUEST"), "{:?} {chunks:?}", served.host);
            assert_eq!(reply.header("connection"), ["close"]);
        }
        for begun in [raw_post(GOOD), raw_chunks(&[GOOD])] {
            let head = begun.find("\r\n\r\n").unwrap() + 4;
            for cut in head..begun.len() {
                let mut wire = served.wire();
                wire.send(&begun[..cut]);
                wire.finish();
                if let Some(reply) = wire.next() {
                    assert_eq!((reply.status, &*reply.code()), (400, "INVALID_REQUEST"), "{:?} {cut}", served.host);
                }
                // The same without a last word.
                served.wire().send(&begun[..cut]);
            }
        }
        assert_eq!((served.told(raw_post(GOOD)).status, served.calls()), (200, 1));
    });
}

/// Every refusal of the layer: its status, its code and a request.
fn refusals() -> Vec<(u16, &'static str, StrictBodyLayer<Order>, Request<Script>)> {
    let limits = || BodyLimits::new().max_bytes(30).read_timeout(std::time::Duration::from_secs(1));
    let layer = || layer().limits(limits());
    let coded = || {
        let mut request = post(Script::whole(GOOD));
        request.headers_mut().insert("content-encoding", "gzip".parse().unwrap());
        request
    };
    let crowded = limits().max_in_flight_bytes(5);
    // It is never given back.
    std::mem::forget(held(&crowded, 1));
    vec![
        (415, "UNSUPPORTED_MEDIA_TYPE", layer(), of(&Method::POST, Some("text/plain"), Script::whole(GOOD))),
        (415, "UNSUPPORTED_MEDIA_TYPE", layer(), of(&Method::POST, None, Script::whole(GOOD))),
        (415, "UNSUPPORTED_MEDIA_TYPE", layer(), coded()),
        (413, "PAYLOAD_TOO_LARGE", layer(), post(Script::whole(" ".repeat(31)))),
        (413, "PAYLOAD_TOO_LARGE", layer(), post(Script::pieces([" ".repeat(31)]))),
        (408, "REQUEST_TIMEOUT", layer(), post(Script::of([Step::Stall]))),
        (503, "SERVICE_UNAVAILABLE", layer().limits(crowded), post(Script::whole(GOOD))),
        (400, "INVALID_JSON", layer(), post(Script::none())),
        (400, "INVALID_JSON", layer(), post(Script::whole("{"))),
        (400, "INVALID_REQUEST", layer(), post(Script::of([Step::Fail]))),
        (422, "VALIDATION_ERROR", layer(), post(Script::whole(TYPO))),
    ]
}

#[tokio::test(start_paused = true)]
async fn p64_every_refusal_is_in_the_shape_of_the_service() {
    for (status, code, layer, request) in refusals() {
        let answer = ask(&layer, request).await;
        answer.assert_refused(status, code);
        assert_eq!((answer.header("content-type"), &answer.json["success"]), (Some("application/json"), &false.into()));
        assert_eq!(
            (&answer.json["error"]["status"], answer.header("cache-control")),
            (&status.into(), Some("no-store"))
        );
        assert_eq!(answer.rejection.unwrap().layer(), Some("strict_body"));
    }
    for (status, code, layer, request) in refusals() {
        let service = ErrorEnvelopeLayer::problem_json().layer(layer.layer(handler(&Seen::default())));
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (status, &"application/problem+json".parse().unwrap())
        );
        let problem: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&status.into(), &code.into()), "{problem}");
    }
    for (status, _, layer, request) in refusals() {
        let response = layer.layer(handler(&Seen::default())).oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(Rejection::of(&response).unwrap().status().as_u16(), status);
        assert_eq!((response.headers().contains_key("content-type"), text(response).await), (false, String::new()));
    }
}

#[tokio::test]
async fn p63_nobody_learns_the_schema_who_may_not_see_the_resource() {
    let (scheme, keys) = store(KeyRecord::new("key_1", "ann").scopes(["read"]));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys)).build().unwrap();
    let told = async |scope: &'static str, key: Option<&str>, body: Script| {
        let polled = body.polled();
        let mut request = post(body);
        if let Some(key) = key {
            request.headers_mut().insert("x-api-key", key.parse().unwrap());
        }
        let service = ServiceBuilder::new().layer(stack.clone()).layer(RequireLayer::scope(scope)).layer(layer());
        let response = service.service(handler(&Seen::default())).oneshot(request).await.unwrap();
        (response.status().as_u16(), text(response).await, polled())
    };
    for body in [|| Script::whole(TYPO), || Script::whole("{"), || Script::pieces([GOOD]), Script::none] {
        for (key, status) in [(None, 401), (Some("ak_short"), 401), (Some(KEY), 403)] {
            let (told, shown, polled) = told("write", key, body()).await;
            assert_eq!((told, polled), (status, 0), "refused unread: {shown}");
            let words = ["cuont", "count", "name", "items", "field", "JSON", "line"];
            assert!(words.iter().all(|word| !shown.contains(word)), "{shown}");
        }
    }
    let (status, shown, _) = told("read", Some(KEY), Script::whole(TYPO)).await;
    assert!(status == 422 && shown.contains("/cuont"), "{status} {shown}");
}

#[tokio::test]
async fn r151_names_of_a_client_are_cut_and_escaped_and_write_no_log() {
    let long = "n".repeat(5000);
    let body = json!({ "name": "a", &long: 1, "a\r\nINFO admitted": 2, "\u{1b}[31m": 3, "<script>": 4 }).to_string();
    let logs = Logs::capture();
    let answer = ask(&layer(), post(Script::whole(body))).await;
    answer.assert_refused(422, "VALIDATION_ERROR");
    let pointers: Vec<&str> =
        answer.details()["fields"].as_array().unwrap().iter().map(|field| field["pointer"].as_str().unwrap()).collect();
    assert!(
        pointers[0].len() < 200 && pointers[0].ends_with('…') && pointers[0].starts_with("/nnn"),
        "{}",
        pointers[0]
    );
    assert_eq!(pointers[1..], [r"/a\u{d}\u{a}INFO admitted", r"/\u{1b}[31m", "/<script>"]);
    let logs = logs.text();
    assert_eq!(logs.lines().filter(|line| line.contains("tower_auth")).count(), 1, "{logs}");
    assert!(logs.contains("layer=\"strict_body\"") && !logs.contains("admitted") && !logs.contains("nnn"), "{logs}");
    // So many are listed, and no more, however many there are.
    let many: Map<String, Value> = (0..10_000).map(|turn| (format!("f{turn}"), turn.into())).collect();
    let answer = ask(&layer(), post(Script::whole(json!(many).to_string()))).await;
    assert!((2..200).contains(&answer.details()["fields"].as_array().unwrap().len()));
}
