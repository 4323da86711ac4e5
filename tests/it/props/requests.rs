use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use proptest::{collection::vec, option, prelude::*, sample::select};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, ErrorEnvelopeLayer, KeyRecord,
    Principal, Rejection, RejectionKind, RequestHead,
};

use super::cases;
use crate::support::{Body, KEY, Strict, get, ok, store, strict, text};

fn ask<L, B>(layer: &L, request: Request<Body>) -> Response<B>
where
    L: Layer<Strict<fn(Request<Body>) -> Response<Body>>>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error = std::convert::Infallible>,
{
    let inner: fn(Request<Body>) -> Response<Body> = |_| Response::new(Body::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(layer.layer(strict(inner)).oneshot(request)).unwrap()
}

fn with_headers(headers: &[(&'static str, HeaderValue)]) -> Request<Body> {
    let mut request = Request::new(Body::default());
    for (name, value) in headers {
        request.headers_mut().append(HeaderName::from_static(name), value.clone());
    }
    request
}

/// Whatever may stand in a header: all bytes but controls.
fn value(longest: usize) -> impl Strategy<Value = HeaderValue> {
    let byte = any::<u8>().prop_map(|byte| if HeaderValue::from_bytes(&[byte]).is_ok() { byte } else { b'\t' });
    vec(byte, 0..longest).prop_map(|bytes| HeaderValue::from_bytes(&bytes).unwrap())
}

/// Credentials that are right, nearly right, or anything.
fn credential() -> impl Strategy<Value = HeaderValue> {
    let scheme = select(vec![
        "", " ", "Bearer ", "bearer  ", "BEARER ", "Bearer", "Bearer\t", "Bearerx ", "Basic ", "ApiKey ", "é ",
    ]);
    let key = select(vec![KEY, &KEY[..42], "", " ", "ak_", "a.b.c", "ak_1234567890abcdef1234567890abcdef12345679"]);
    let end = select(vec!["", "", "", " ", "\t ", "x", ",", "é", "\u{2028}"]);
    let near = (scheme, key, end)
        .prop_map(|(scheme, key, end)| HeaderValue::from_bytes(format!("{scheme}{key}{end}").as_bytes()).unwrap());
    prop_oneof![3 => near, 1 => value(80), 1 => value(700)]
}

fn trimmed(value: &HeaderValue) -> &[u8] {
    value.as_bytes().trim_ascii()
}

/// What stands behind `Bearer` and a space, if anything does.
fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, rest) = trimmed(value).split_at_checked(6)?;
    let behind = scheme.eq_ignore_ascii_case(b"bearer") && (rest.is_empty() || rest.starts_with(b" "));
    behind.then(|| rest.trim_ascii())
}

/// What the table of the module `api_key` says of a request with these headers: nothing where it is admitted.
fn expected(keys: &[HeaderValue], authorizations: &[HeaderValue]) -> Option<RejectionKind> {
    let [key, authorization] = [keys, authorizations].map(<[_]>::first);
    let bearer = authorization.and_then(bearer);
    let key = key.map(trimmed).filter(|key| !key.is_empty());
    // A scheme with nothing behind it is as good as absent, unless something stands elsewhere.
    let cut_off = bearer == Some(b"") && key.is_some();
    if keys.len() > 1 || authorizations.len() > 1 || cut_off {
        return Some(RejectionKind::MalformedRequest);
    }
    match key.or(bearer.filter(|bearer| !bearer.is_empty())) {
        Some(found) if found == KEY.as_bytes() => None,
        Some(_) => Some(RejectionKind::InvalidKey),
        None => Some(RejectionKind::MissingCredential),
    }
}

fn stack() -> AuthStack {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let keys = ApiKeyLayer::new(scheme, store).header("x-api-key").bearer();
    AuthStack::builder().auth(keys).build().unwrap()
}

/// The trace id of a `traceparent`, taken apart at its dashes.
fn trace_id(line: &str) -> Option<String> {
    let parts: Vec<&str> = line.split('-').collect();
    let hex = |part: &str, length| {
        part.len() == length && part.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    };
    let [version, trace, parent, flags, ..] = parts[..] else { return None };
    let counted = if version == "00" { parts.len() == 4 } else { version != "ff" };
    let formed = hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    let zero = [trace, parent].iter().any(|id| id.chars().all(|c| c == '0'));
    (counted && formed && !zero)
        .then(|| format!("{}-{}-{}-{}-{}", &trace[..8], &trace[8..12], &trace[12..16], &trace[16..20], &trace[20..]))
}

/// Lines that are valid, nearly valid, or anything.
fn traceparent() -> impl Strategy<Value = HeaderValue> {
    let end = select(vec!["", "-", "-extra", "x", " "]);
    let near = (
        "[0f][01f]",
        "[0-9a-f]{32}|0{32}",
        "[0-9a-f]{16}|0{16}",
        "0[01]|[0-9a-fA-F]{2}",
        end,
        any::<bool>(),
        0..60_usize,
    )
        .prop_map(|(version, trace, parent, flags, end, broken, at)| {
            let mut line = format!("{version}-{trace}-{parent}-{flags}{end}");
            if broken && line.is_char_boundary(at) && at < line.len() {
                line.replace_range(at..=at, "-");
            }
            HeaderValue::from_str(&line).unwrap()
        });
    prop_oneof![3 => near, 1 => value(70)]
}

proptest! {
    #![proptest_config(cases(1_500))]

    #[test]
    fn only_the_key_opens_and_nothing_breaks(
        keys in vec(credential(), 0..3),
        authorizations in vec(credential(), 0..3),
        method in select(vec![Method::GET, Method::POST, Method::HEAD, Method::OPTIONS]),
    ) {
        let named = |name, values: &[HeaderValue]| values.iter().map(|value| (name, value.clone())).collect::<Vec<_>>();
        let mut request = with_headers(&[named("x-api-key", &keys), named("authorization", &authorizations)].concat());
        *request.method_mut() = method;
        let response = ask(&stack(), request);
        let expected = expected(&keys, &authorizations);
        prop_assert_eq!(response.status(), expected.map_or(StatusCode::OK, RejectionKind::status));
        prop_assert_eq!(Rejection::of(&response).map(Rejection::kind), expected);
        prop_assert_eq!(response.status() == StatusCode::UNAUTHORIZED, response.headers().contains_key("www-authenticate"));
    }

    #[test]
    fn one_random_value_never_opens_and_is_never_sent_back(given in value(600), in_header in any::<bool>()) {
        let name = if in_header { "x-api-key" } else { "authorization" };
        let response = ask(&stack(), with_headers(&[(name, given.clone())]));
        prop_assert!(matches!(response.status().as_u16(), 400 | 401), "{}", response.status());
        if let Some(given) = given.to_str().ok().filter(|given| given.len() > 12) {
            let headers = format!("{:?}", response.headers());
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let body = runtime.block_on(text(response));
            prop_assert!(!headers.contains(given) && !body.contains(given));
        }
    }

    #[test]
    fn a_trace_is_continued_if_its_line_is_valid(lines in vec(traceparent(), 0..3), other in option::of(value(40))) {
        let mut headers: Vec<_> = lines.iter().map(|line| ("traceparent", line.clone())).collect();
        headers.extend(other.map(|value| ("tracestate", value)));
        let response = ask(&ErrorEnvelopeLayer::detailed(), with_headers(&headers));
        let id = response.headers()["x-request-id"].to_str().unwrap();
        let given = match &lines[..] {
            [line] => line.to_str().ok().and_then(trace_id),
            _ => None,
        };
        match given {
            Some(given) => prop_assert_eq!(id, given),
            None => prop_assert!(is_random_uuid(id), "{}", id),
        }
    }
}

/// Version 4, variant 1, lower case.
fn is_random_uuid(text: &str) -> bool {
    let dashes = [8, 13, 18, 23];
    let formed = text.char_indices().all(|(at, c)| match c {
        '-' => dashes.contains(&at),
        _ => !dashes.contains(&at) && (c.is_ascii_digit() || ('a'..='f').contains(&c)),
    });
    text.len() == 36 && formed && text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19])
}

#[tokio::test]
async fn the_key_itself_opens() {
    let bearer = format!("bearer {KEY}");
    for (name, value) in [("x-api-key", KEY), ("authorization", &bearer)] {
        let request = with_headers(&[(name, HeaderValue::from_str(value).unwrap())]);
        assert_eq!(stack().layer(ok()).oneshot(request).await.unwrap().status(), StatusCode::OK, "{name}");
    }
}

/// A method of one's own that reads a header with `get` sees the first line only, so the layer has to look (the page of
/// `Authenticator::credential_headers` says that it does).
#[tokio::test]
async fn a_repeated_credential_header_is_refused_for_a_method_of_ones_own() {
    struct Session([HeaderName; 1]);

    impl Authenticator for Session {
        fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
            AuthFuture::ready(match request.headers().get(&self.0[0]) {
                Some(_) => AuthOutcome::Authenticated(Principal::builder("alice").build()),
                None => AuthOutcome::NoCredential,
            })
        }

        fn challenge(&self) -> &'static str {
            "Session"
        }

        fn credential_headers(&self) -> &[HeaderName] {
            &self.0
        }
    }

    let layer = AuthLayer::first(Session([HeaderName::from_static("x-session")]));
    let twice = || get("/", &[("x-session", "one"), ("x-session", "another")]);
    let two_methods = layer.clone().then(Session([HeaderName::from_static("x-other")]));
    for (what, layer) in [("two methods", two_methods), ("one method", layer)] {
        let response = layer.layer(ok()).oneshot(twice()).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{what}");
    }
}

/// A preflight passes without being read, and its headers are hidden from what prints them all the same.
#[tokio::test]
async fn a_repeated_key_in_a_passing_preflight_is_hidden_too() {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let layer = AuthLayer::from(ApiKeyLayer::new(scheme, store)).allow_preflight();
    let inner = strict(|request: Request<Body>| Response::new(format!("{:?}", request.headers()).into()));
    let asks = [("origin", "https://a.example"), ("access-control-request-method", "GET")];
    let mut request = get("/", &[asks[0], asks[1], ("x-api-key", KEY), ("x-api-key", KEY)]);
    *request.method_mut() = Method::OPTIONS;
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let printed = text(response).await;
    assert!(!printed.contains(KEY), "{printed}");
}
