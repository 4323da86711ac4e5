//! Rules 160 to 164: the id of a request, and its time.

use std::time::Duration;

use http::{HeaderValue, Request, Response};
use tower::Layer as _;
use tower_auth::{ErrorEnvelopeLayer, Rejection, RequestExt as _, testing::ManualClock};

use super::answer;
use crate::support::{Body, get, json, strict, text};

const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const SHOWN: &str = "0af76519-16cd-43dd-8448-eb211c80319c";

fn is_uuid(id: &str) -> bool {
    id.len() == 36
        && id.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

/// The id of a refused request, which header, body and the handler's extensions must agree on.
async fn id(layer: &ErrorEnvelopeLayer, headers: &[(&str, &[u8])]) -> String {
    let mut request = get("/", &[]);
    for (name, value) in headers {
        let name: http::HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
    }
    let handler = strict(|request: Request<Body>| {
        let seen = request.trace_id().unwrap();
        Rejection::not_found().detail("seen", seen.to_string()).into_response()
    });
    let response = answer(layer.layer(handler), request).await;
    let shown = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    let error = &json(response).await["error"];
    assert_eq!((&error["trace_id"], &error["details"]["seen"]), (&shown.clone().into(), &shown.clone().into()));
    assert!(is_uuid(&shown), "{shown}");
    shown
}

#[tokio::test]
async fn r161_a_valid_traceparent_is_honoured_and_any_other_is_not() {
    let layer = ErrorEnvelopeLayer::detailed();
    let at = |place: usize, with: &str| format!("{}{with}{}", &GIVEN[..place], &GIVEN[place + with.len()..]);
    for (value, honoured) in [
        (GIVEN.to_owned(), true),
        (at(53, "00"), true),
        (at(53, "ff"), true),
        // A higher version is read by its prefix.
        (at(0, "01"), true),
        (at(0, "fe"), true),
        (at(0, "01") + "-what-comes-later", true),
        (at(0, "01") + "-", true),
        (at(0, "01") + "x", false),
        (at(0, "01") + ".later", false),
        // Version 00 has no more than it has.
        (GIVEN.to_owned() + "-", false),
        (GIVEN.to_owned() + "-later", false),
        (GIVEN.to_owned() + "0", false),
        (GIVEN[..54].to_owned(), false),
        (at(0, "01")[..52].to_owned(), false),
        (at(0, "ff"), false),
        (at(0, "FF"), false),
        (at(0, "0x"), false),
        (at(3, &"0".repeat(32)), false),
        (at(36, &"0".repeat(16)), false),
        (GIVEN.to_ascii_uppercase(), false),
        (at(4, "A"), false),
        (at(36, "B"), false),
        (at(53, "0A"), false),
        (at(20, "g"), false),
        (at(2, "_"), false),
        (at(35, "_"), false),
        (at(52, "_"), false),
        (at(53, "zz"), false),
        (GIVEN.replace('-', ""), false),
        (String::new(), false),
        ("00".to_owned(), false),
        ("-".repeat(55), false),
    ] {
        let id = id(&layer, &[("traceparent", value.as_bytes())]).await;
        assert_eq!(id == SHOWN, honoured, "{value:?}: {id}");
    }
    for hostile in [&b"\xff"[..], "é".repeat(28).as_bytes(), "0".repeat(100_000).as_bytes()] {
        assert_ne!(id(&layer, &[("traceparent", hostile)]).await, SHOWN);
    }
}

#[tokio::test]
async fn r162_tracestate_is_never_read() {
    let state = ("tracestate", &b"vendor=PLANTED"[..]);
    for parent in ["ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", GIVEN] {
        let mut request = get("/", &[("traceparent", parent)]);
        request.headers_mut().append(state.0, HeaderValue::from_bytes(state.1).unwrap());
        let service = ErrorEnvelopeLayer::detailed().layer(strict(|_| Rejection::not_found().into_response()));
        let response = answer(service, request).await;
        assert_eq!(response.headers()["x-request-id"] == SHOWN, parent == GIVEN);
        let headers = format!("{:?}", response.headers());
        assert!(!(headers + &text(response).await).contains("PLANTED"));
    }
}

#[tokio::test]
async fn r163_two_traceparents_are_none() {
    let layer = ErrorEnvelopeLayer::detailed();
    let line = ("traceparent", GIVEN.as_bytes());
    assert_ne!(id(&layer, &[line, line]).await, SHOWN);
    assert_ne!(id(&layer, &[line, ("traceparent", b"")]).await, SHOWN);
    assert_ne!(id(&layer, &[("traceparent", b"nonsense"), line]).await, SHOWN);
}

#[tokio::test]
async fn r164_traces_can_be_restarted_and_no_other_header_names_the_request() {
    let layer = ErrorEnvelopeLayer::detailed().restart_traces();
    let line = ("traceparent", GIVEN.as_bytes());
    let ids = [id(&layer, &[line]).await, id(&layer, &[line]).await, id(&layer, &[]).await];
    assert!(ids[0] != ids[1] && ids[1] != ids[2] && !ids.contains(&SHOWN.to_owned()), "{ids:?}");
    let chosen = b"11111111-1111-4111-8111-111111111111";
    for header in ["x-request-id", "x-trace-id", "x-correlation-id", "request-id"] {
        let id = id(&ErrorEnvelopeLayer::detailed(), &[(header, chosen)]).await;
        assert_ne!(id.as_bytes(), chosen, "{header}");
    }
}

#[tokio::test]
async fn r164_new_ids_are_version_4_and_differ() {
    let layer = ErrorEnvelopeLayer::detailed();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let id = id(&layer, &[]).await;
        assert_eq!(&id[14..15], "4");
        assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
        assert!(seen.insert(id));
    }
}

#[tokio::test]
async fn r165_every_response_has_the_id_and_a_handlers_own_is_kept_where_nothing_is_refused() {
    let layer = ErrorEnvelopeLayer::detailed();
    let traced = || get("/", &[("traceparent", GIVEN)]);
    let plain = answer(layer.layer(crate::support::ok()), traced()).await;
    assert_eq!(plain.headers()["x-request-id"], SHOWN);
    let own = |refused: bool| {
        strict(move |_| {
            let mut response =
                if refused { Rejection::not_found().into_response() } else { Response::new(Body::default()) };
            response.headers_mut().append("x-request-id", HeaderValue::from_static("own"));
            response.headers_mut().append("x-request-id", HeaderValue::from_static("own too"));
            response
        })
    };
    let kept = answer(layer.layer(own(false)), traced()).await;
    assert_eq!(kept.headers().get_all("x-request-id").iter().collect::<Vec<_>>(), ["own", "own too"]);
    let refused = answer(layer.layer(own(true)), traced()).await;
    assert_eq!(refused.headers().get_all("x-request-id").iter().collect::<Vec<_>>(), [SHOWN]);
}

#[tokio::test]
async fn r160_the_time_is_utc_in_whole_seconds() {
    for (at, shown) in [
        ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.999Z", "2025-01-15T10:30:00Z"),
        ("2025-01-15T10:30:00.5+05:00", "2025-01-15T05:30:00Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2024-02-29T23:59:59.001Z", "2024-02-29T23:59:59Z"),
    ] {
        let layer = ErrorEnvelopeLayer::detailed().clock(&ManualClock::at(at));
        let response = super::enveloped(layer, Rejection::not_found()).await;
        assert_eq!(json(response).await["error"]["timestamp"], shown);
    }
}

/// The time is that of the answer.
#[tokio::test]
async fn r160_the_clock_is_read_for_every_answer() {
    let hand = ManualClock::at("2025-01-15T10:30:00Z");
    let layer = ErrorEnvelopeLayer::detailed().clock(&hand);
    let first = json(super::enveloped(layer.clone(), Rejection::not_found()).await).await;
    hand.advance(Duration::from_secs(1));
    let second = json(super::enveloped(layer, Rejection::not_found()).await).await;
    assert_eq!(first["error"]["timestamp"], "2025-01-15T10:30:00Z");
    assert_eq!(second["error"]["timestamp"], "2025-01-15T10:30:01Z");
}
