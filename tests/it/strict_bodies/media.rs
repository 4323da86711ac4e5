//! Media types and codings: what is read as JSON, what is refused, and what passes where it is not governed.

use http::{HeaderValue, Method, Request, Version};
use http_body_util::Full;

use super::{
    CHUNKED, GOOD, Host, JSON, Order, TYPO, ask, everywhere, layer, post, raw,
    script::{Script, Step},
    serve,
};
use crate::support::client;
use tower_auth::StrictBodyLayer;

const TAKEN: &[&str] = &[
    "application/json",
    "APPLICATION/JSON",
    "Application/Json",
    "application/json; charset=utf-8",
    "application/json;charset=UTF-8",
    "application/json; Charset=Utf-8",
    "application/json; charset=\"utf-8\"",
    "application/json; charset=\"UTF-8\"",
    "application/json ; charset=utf-8",
    "application/json;\tcharset=utf-8",
    "application/json;",
    "application/json; ; charset=utf-8;",
    "application/vnd.api+json",
    "APPLICATION/VND.API+JSON",
    "application/problem+json",
    "application/ld+json; profile=\"https://a.example/b\"; charset=utf-8",
    "application/json; version=2",
    "application/json; odata.metadata=minimal; IEEE754Compatible=true",
    "application/json; profile=\"a;b=c, d\"",
    "application/json; x=\"; charset=utf-16\"",
    r#"application/json; x="\"; charset=utf-16; y=\"""#,
];

const REFUSED: &[&str] = &[
    "text/json",
    "text/plain",
    "text/vnd.api+json",
    "application/jsonx",
    "application/xjson",
    "application/x-json-stream",
    "application/json+xml",
    "application/vnd.api-json",
    "application/x-www-form-urlencoded",
    "application/octet-stream",
    "multipart/form-data; boundary=x",
    "image/json",
    "*/*",
    "application/*",
    "application/json; charset=utf-16",
    "application/json; charset=\"utf-16\"",
    "application/json; charset=latin1",
    "application/json; charset=iso-8859-1",
    "application/json; charset=utf-8x",
    "application/json; charset=utf8",
    "application/json; charset= utf-8",
    "application/json; charset=",
    "application/json; charset",
    "application/json; charset=\"utf-8",
    "application/json; charset=utf-8; charset=utf-8",
    "application/json; charset=utf-8; charset=utf-16",
    "application/json; CHARSET=utf-8; charset=\"utf-16\"",
    "application/vnd.api+json; charset=utf-16",
    "application/json, text/plain",
    "text/plain, application/json",
    "application/json, application/json",
    "application/json; charset=utf-8, text/plain",
    "application/json,",
    "+json",
    "application/+json",
    "json",
    "",
    "application",
    "application/",
    "/json",
    "/",
    "application /json",
    "application/ json",
    "application/json/json",
    "application/json charset=utf-8",
    "application/json; =utf-8",
    "application/json: charset=utf-8",
    "\"application/json\"",
    "<application/json>",
    "application\\json",
];

fn typed(media: &str, body: Script) -> Request<Script> {
    Request::post("/").header("content-type", media).body(body).unwrap()
}

#[tokio::test]
async fn r142_json_is_taken_however_its_type_is_written() {
    for media in TAKEN {
        let answer = ask(&layer(), typed(media, Script::whole(GOOD))).await;
        assert_eq!(answer.status, 200, "{media}: {answer:?}");
        assert_eq!(answer.got.unwrap().head.headers["content-type"], *media);
    }
}

#[tokio::test]
async fn r142_another_type_is_told_what_is_taken_and_not_how_to_encode() {
    for media in REFUSED {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::GET] {
            let mut request = typed(media, Script::whole(GOOD));
            *request.method_mut() = method;
            let answer = ask(&layer(), request).await;
            assert_eq!(answer.told(), (415, "UNSUPPORTED_MEDIA_TYPE"), "{media}");
            assert_eq!((answer.header("accept"), answer.header("accept-encoding")), (Some("application/json"), None));
            assert_eq!(answer.header("connection"), Some("close"), "{media}");
            assert!(answer.got.is_none(), "{media}");
        }
    }
}

#[tokio::test]
async fn r142_quotes_inside_of_a_quoted_parameter_are_no_parameter() {
    for media in [r#"application/json; x="a"b""#, r#"application/json; a="x", "text/plain""#] {
        ask(&layer(), typed(media, Script::whole(GOOD))).await.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
}

#[tokio::test]
async fn r142_a_body_without_a_type_or_with_two_is_refused_unread() {
    // A bar stands between two lines.
    let cases: [&[u8]; 8] = [
        b"application/json|application/json",
        b"application/json|text/plain",
        b"text/plain|application/json",
        b"application/json|",
        b"|application/json",
        b"application/json; x=\xe9",
        b"application/j\xc3\xa9son",
        "application/json；charset=utf-8".as_bytes(),
    ];
    let mut requests = vec![Request::post("/").body(Script::unread()).unwrap()];
    requests.extend(cases.map(|lines| {
        let mut request = Request::post("/").body(Script::unread()).unwrap();
        for line in lines.split(|byte| *byte == b'|') {
            request.headers_mut().append("content-type", HeaderValue::from_bytes(line).unwrap());
        }
        request
    }));
    for request in requests {
        let answer = ask(&layer(), request).await;
        answer.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
        assert_eq!((answer.header("accept"), answer.header("accept-encoding")), (Some("application/json"), None));
    }
}

#[test]
fn r142_over_a_socket() {
    everywhere(&layer(), |served| {
        let told = |lines: &[&str], body: &str| {
            let length = format!("content-length: {}", body.len());
            served.told(raw("POST /", &[lines, &[&length]].concat(), body))
        };
        for media in TAKEN {
            let reply = told(&[&format!("Content-Type: {media}")], GOOD);
            assert_eq!((reply.status, &*reply.body), (200, GOOD), "{:?} {media}", served.host);
        }
        served.calls();
        let lines: Vec<String> = REFUSED.iter().map(|media| format!("content-type:{media}")).collect();
        let mut cases: Vec<Vec<&str>> = lines.iter().map(|line| vec![&**line]).collect();
        cases.extend([vec![], vec![JSON, JSON], vec![JSON, "content-type: text/plain"], vec![JSON, "content-type:"]]);
        cases.push(vec!["content-type: application/json; x=é"]);
        for lines in cases {
            let reply = told(&lines, GOOD);
            assert_eq!((reply.status, &*reply.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{:?} {lines:?}", served.host);
            assert_eq!(reply.header("accept"), ["application/json"]);
            assert!(reply.header("accept-encoding").is_empty(), "{}", reply.head);
            assert_eq!(reply.header("connection"), ["close"]);
        }
        assert_eq!(served.calls(), 0);
    });
}

#[tokio::test]
async fn p60_no_type_and_no_coding_gets_an_undocumented_body_past_the_check() {
    let codings = [None, Some("identity"), Some("gzip"), Some("br"), Some("x-gzip, identity"), Some("")];
    for media in TAKEN.iter().chain(REFUSED) {
        for coding in codings {
            let mut request = typed(media, Script::whole(TYPO));
            if let Some(coding) = coding {
                request.headers_mut().insert("content-encoding", HeaderValue::from_static(coding));
            }
            let answer = ask(&layer(), request).await;
            assert!(matches!(answer.status, 415 | 422) && answer.got.is_none(), "{media} {coding:?} {answer:?}");
        }
    }
}

#[tokio::test]
async fn r143_a_coded_body_is_told_that_none_is_taken() {
    for lines in [
        &["gzip"][..],
        &["GZIP"],
        &["deflate"],
        &["br"],
        &["x-anything"],
        &["*"],
        &["identity, gzip"],
        &["gzip, identity"],
        &["identity", "gzip"],
        &["gzip", "identity"],
        &[",gzip"],
        &["identity;q=1"],
        &["\"identity\""],
        &["identität"],
    ] {
        let mut request = post(Script::unread());
        for line in lines {
            request.headers_mut().append("content-encoding", HeaderValue::from_str(line).unwrap());
        }
        let answer = ask(&layer(), request).await;
        answer.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
        assert_eq!((answer.header("accept-encoding"), answer.header("accept")), (Some("identity"), None), "{lines:?}");
    }
    for line in ["identity", "Identity", "identity, identity", " identity ,", ""] {
        let mut request = post(Script::whole(GOOD));
        request.headers_mut().insert("content-encoding", HeaderValue::from_str(line).unwrap());
        ask(&layer(), request).await.assert_passed(GOOD);
    }
}

#[tokio::test]
async fn r143_a_transfer_coding_that_the_host_leaves_in_the_bytes_is_refused() {
    let coded = |version: Version, coding: &'static str| {
        let mut request = post(Script::whole(GOOD));
        *request.version_mut() = version;
        request.headers_mut().insert("transfer-encoding", HeaderValue::from_static(coding));
        request
    };
    for coding in ["gzip, chunked", "gzip,chunked", "GZIP, chunked", "deflate", "chunked, gzip"] {
        let answer = ask(&layer(), coded(Version::HTTP_11, coding)).await;
        answer.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
        assert_eq!((answer.header("accept-encoding"), answer.header("accept")), (None, None), "{coding}");
    }
    for coding in ["chunked", "Chunked", "identity, chunked"] {
        ask(&layer(), coded(Version::HTTP_11, coding)).await.assert_passed(GOOD);
    }
    // In HTTP/2 the field means nothing.
    ask(&layer(), coded(Version::HTTP_2, "gzip, chunked")).await.assert_passed(GOOD);
}

#[test]
fn p60_r143_a_coded_body_over_a_socket_is_refused() {
    everywhere(&layer(), |served| {
        let length = format!("content-length: {}", GOOD.len());
        for line in ["content-encoding: gzip", "Content-Encoding: GZIP", "content-encoding: identity, br"] {
            let reply = served.told(raw("POST /", &[JSON, line, &length], GOOD));
            assert_eq!((reply.status, &*reply.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{:?} {line}", served.host);
            assert_eq!((reply.header("accept-encoding"), reply.header("accept")), (vec!["identity"], vec![]));
        }
        let chunks = format!("{:x}\r\n{GOOD}\r\n0\r\n\r\n", GOOD.len());
        for line in ["transfer-encoding: gzip, chunked", "transfer-encoding: gzip\r\ntransfer-encoding: chunked"] {
            let reply = served.told(raw("POST /", &[JSON, line], &chunks));
            assert_eq!((reply.status, &*reply.code()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{:?} {line}", served.host);
            assert!(reply.header("accept-encoding").is_empty());
        }
        // Without `chunked` at its end nobody knows where the body ends, and hyper itself refuses.
        let reply = served.told(raw("POST /", &[JSON, "transfer-encoding: gzip"], GOOD));
        assert_eq!((reply.status, &*reply.body, served.calls()), (400, "", 0));
        let reply = served.told(raw("POST /", &[JSON, CHUNKED, "content-encoding: identity"], &chunks));
        assert_eq!((reply.status, &*reply.body), (200, GOOD));
    });
}

#[tokio::test]
async fn r142_r143_over_http2() {
    for host in [Host::Axum, Host::Hyper] {
        let served = serve(host, &layer()).await;
        let told = async |name: &str, value: &str| {
            let request = Request::post(format!("http://{}/", served.running.address)).header(name, value);
            client::ask(Version::HTTP_2, request.body(Full::from(GOOD)).unwrap()).await
        };
        let reply = told("content-type", "text/plain").await;
        assert_eq!(reply.told(), (415, "UNSUPPORTED_MEDIA_TYPE".to_owned()), "{host:?}");
        assert_eq!((reply.header("accept"), reply.header("connection")), (vec!["application/json"], vec![]));
        let reply = told("content-encoding", "gzip").await;
        assert_eq!((reply.status.as_u16(), reply.header("accept-encoding")), (415, vec!["identity"]), "{host:?}");
        assert_eq!(told("content-type", "application/vnd.api+json").await.text(), GOOD, "{host:?}");
    }
}

fn passing() -> StrictBodyLayer<Order> {
    layer().allow_other_media_types()
}

#[tokio::test]
async fn r152_a_type_that_is_not_governed_passes_untouched_and_unread() {
    let pieces = ["--x\r\n", "", "{\"cuont\":1}", "\r\n--x--"];
    for media in ["multipart/form-data; boundary=x", "text/plain", "text/json", "application/x-www-form-urlencoded"] {
        let body = Script::pieces(pieces);
        let polled = body.polled();
        let mut request = typed(media, body);
        request.headers_mut().insert("content-length", HeaderValue::from_static("5000000"));
        request.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        let answer = ask(&passing(), request).await;
        let got = answer.got.unwrap();
        assert_eq!((answer.status, got.value, &*got.pieces), (200, None, &pieces.map(Into::into)[..]), "{media}");
        assert_eq!(
            (got.length, polled()),
            (None, pieces.len() + 1),
            "as the body says, and asked by the handler alone"
        );
    }
    // The handler is called before there is any of it.
    let stalled = typed("text/plain", Script::of([Step::Wait, Step::Data(GOOD.into())]));
    ask(&passing(), stalled).await.assert_passed(GOOD);
}

#[tokio::test]
async fn p60_what_may_be_json_is_governed_also_where_other_types_pass() {
    for media in TAKEN {
        ask(&passing(), typed(media, Script::whole(TYPO))).await.assert_refused(422, "VALIDATION_ERROR");
    }
    for media in ["", "json", "application/json; charset=utf-16", "application/json, text/plain", "text/plain, a/b"] {
        let request = typed(media, Script::unread());
        ask(&passing(), request).await.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let missing = Request::post("/").body(Script::unread()).unwrap();
    let mut two = typed("text/plain", Script::unread());
    two.headers_mut().append("content-type", HeaderValue::from_static("text/plain"));
    let mut coded = post(Script::unread());
    coded.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    for request in [missing, two, coded] {
        ask(&passing(), request).await.assert_refused(415, "UNSUPPORTED_MEDIA_TYPE");
    }
    let disguised = post(Script::whole("--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--"));
    ask(&passing(), disguised).await.assert_refused(400, "INVALID_JSON");
}
