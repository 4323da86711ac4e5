//! Bodies that a lenient reader could take for another operation.

use bytes::Bytes;
use http::{Request, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};
use tower_auth::BodyLimits;

use super::{PASSED, asked, call, needs, post, refused, scopes, send};
use crate::support::Body;

#[tokio::test]
async fn what_cannot_be_classified_needs_every_scope() {
    let all = needs("r w");
    for body in [
        "1",
        "null",
        "true",
        "\"tools/list\"",
        "1.5",
        "-1",
        "[]",
        "[[]]",
        "{}",
        "[{}]",
        "[1]",
        "[null]",
        "[true]",
        "[\"ping\"]",
        "[[{\"method\":\"ping\"}]]",
        r#"{"method":null}"#,
        r#"{"method":7}"#,
        r#"{"method":["ping"]}"#,
        r#"{"method":{"ping":1}}"#,
        r#"{"method":true}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        // Of two kinds at once.
        r#"{"method":"ping","result":{}}"#,
        r#"{"method":"ping","error":{}}"#,
        r#"{"method":null,"result":{}}"#,
        // A name that is not one.
        r#"{"method":"tools/call"}"#,
        r#"{"method":"tools/call","params":null}"#,
        r#"{"method":"tools/call","params":"whoami"}"#,
        r#"{"method":"tools/call","params":["whoami"]}"#,
        r#"{"method":"tools/call","params":{"name":null}}"#,
        r#"{"method":"tools/call","params":{"name":1}}"#,
        r#"{"method":"tools/call","params":{"name":["whoami"]}}"#,
        r#"{"method":"tools/call","params":{"name":{"name":"whoami"}}}"#,
        r#"{"method":"tools/call","params":{"arguments":{"name":"whoami"}}}"#,
        r#"{"method":"tools/call","name":"whoami"}"#,
        r#"{"method":"tools/call","params":{"uri":"whoami"}}"#,
        // Members that differ in case only.
        r#"{"method":"ping","Method":"tools/call","params":{"name":"write"}}"#,
        r#"{"Method":"ping"}"#,
        r#"{"method":"tools/call","params":{"name":"whoami","Name":"write"}}"#,
        r#"{"method":"tools/call","params":{"name":"whoami"},"PARAMS":{"name":"write"}}"#,
        r#"{"method":"tools/call","params":{"name":"whoami"},"param\u017f":{"name":"write"}}"#,
        r#"{"RESULT":{},"method":"ping"}"#,
    ] {
        assert_eq!(asked(body).await, all, "{body}");
    }
}

#[tokio::test]
async fn escapes_are_read_before_names_are_compared() {
    for (body, wanted) in [
        (r#"{"m\u0065thod":"tools\/call","params":{"na\u006de":"wr\u0069te"}}"#, needs("r w")),
        (r#"{"method":"tools/call","params":{"name":"re\u0061d"}}"#, needs("r")),
        (r#"{"method":"tools/call","params":{"name":"whoami"}}"#, PASSED),
        (r#"{"method":"tools/call","params":{"name":"whoami\u0000"}}"#, needs("r w")),
        (" \r\n\t{\"method\" : \"ping\"} \n", PASSED),
        (r#"{"params":{"arguments":{"name":"write","method":"x"},"name":"whoami"},"method":"tools/call"}"#, PASSED),
        (r#"{"id":1,"result":{"method":"tools/call","name":"write"}}"#, PASSED),
        (r#"{"id":1,"error":{"code":1}}"#, PASSED),
    ] {
        assert_eq!(asked(body).await, wanted, "{body}");
    }
}

#[tokio::test]
async fn what_two_parsers_read_differently_is_refused() {
    let layer = scopes().build().unwrap();
    let whoami = call("whoami");
    let utf16: Vec<u8> = whoami.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bodies: Vec<Bytes> = vec![
        r#"{"method":"tools/call","params":{"name":"whoami","name":"write"}}"#.into(),
        r#"{"method":"tools/call","params":{"name":"whoami","na\u006de":"write"}}"#.into(),
        r#"{"method":"ping","method":"tools/call","params":{"name":"write"}}"#.into(),
        r#"{"method":"tools/call","params":{"name":"whoami"},"params":{"name":"write"}}"#.into(),
        r#"{"method":"tools/call","params":{"name":"whoami","arguments":{"a":1,"a":2}}}"#.into(),
        format!("\u{feff}{whoami}").into(),
        utf16.into(),
        format!("{whoami}{whoami}").into(),
        format!("{whoami}\n{}", call("write")).into(),
        format!("{whoami}//").into(),
        format!("/**/{whoami}").into(),
        format!("{whoami},").into(),
        whoami.replace('"', "'").into(),
        r#"{"method":"tools/call","params":{"name":"\ud800"}}"#.into(),
        Bytes::from_static(b"{\"method\":\"pi\xffng\"}"),
        r#"{"method":NaN}"#.into(),
        r#"{"method":01}"#.into(),
        format!(r#"{{"method":"ping","params":{}{}}}"#, "[".repeat(65), "]".repeat(65)).into(),
        "[".repeat(1 << 20).into(),
        "".into(),
        " ".into(),
        r#"{"method":"ping""#.into(),
    ];
    for body in bodies {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        assert_eq!(send(&layer, &["r", "w"], post(body)).await, refused(StatusCode::BAD_REQUEST), "{shown}");
    }
}

#[tokio::test]
async fn a_batch_needs_what_all_its_messages_need() {
    let layer = scopes().tool("other", ["o"]).build().unwrap();
    let ping = r#"{"method":"ping"}"#;
    for (body, wanted) in [
        (format!("[{ping}]"), PASSED),
        (format!("[{},{ping}]", call("read")), needs("r")),
        (format!("[{},{}]", call("other"), call("read")), needs("r o")),
        (format!("[{},{}]", call("whoami"), call("write")), needs("r w")),
        (format!("[{ping},1]"), needs("r w o")),
        (format!("[{ping},[{ping}]]"), needs("r w o")),
        (format!("[{}]", vec![ping; 256].join(",")), PASSED),
        (format!("[{}]", vec![ping; 257].join(",")), needs("r w o")),
        (format!("[{}]", vec!["{}"; 100_000].join(",")), needs("r w o")),
    ] {
        assert_eq!(send(&layer, &[], post(body.clone())).await, wanted, "{}", &body[..body.len().min(120)]);
    }
    assert_eq!(send(&layer, &["r", "o"], post(format!("[{},{}]", call("other"), call("read")))).await, PASSED);
}

#[tokio::test]
async fn a_body_is_read_within_limits_and_only_as_json() {
    let layer = scopes().build().unwrap();
    let large = |bytes: usize| {
        format!(r#"{{"method":"tools/call","params":{{"name":"whoami","arguments":{{"a":"{}"}}}}}}"#, "a".repeat(bytes))
    };
    assert_eq!(send(&layer, &[], post(large((4 << 20) - 100))).await, PASSED);
    assert_eq!(send(&layer, &[], post(large(4 << 20))).await, refused(StatusCode::PAYLOAD_TOO_LARGE));
    let small = scopes().limits(BodyLimits::new().max_bytes(16)).build().unwrap();
    assert_eq!(send(&small, &[], post(call("whoami"))).await, refused(StatusCode::PAYLOAD_TOO_LARGE));
    for (name, value) in [
        ("content-type", "text/plain"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-type", "application/x-www-form-urlencoded"),
        ("content-encoding", "gzip"),
    ] {
        let mut request = post(call("whoami"));
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = send(&layer, &["r", "w"], request).await;
        assert_eq!(answer, refused(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{name}: {value}");
    }
    let without = Request::post("/mcp").body(Body::from(call("whoami"))).unwrap();
    assert_eq!(send(&layer, &["r", "w"], without).await, refused(StatusCode::UNSUPPORTED_MEDIA_TYPE));
}

/// What a lenient server could call: any string in the place of a tool's name, in any message.
fn tools(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().flat_map(tools).collect(),
        Value::Object(message) if message.get("method").is_some_and(|method| method == "tools/call") => {
            message.get("params").and_then(|params| params.get("name")).and_then(Value::as_str).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn member() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(1)),
        Just(json!("tools/call")),
        Just(json!("ping")),
        Just(json!("write")),
        Just(json!("whoami")),
        Just(json!("read")),
        Just(json!({})),
        Just(json!([])),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let names = prop_oneof![
            Just("method"),
            Just("params"),
            Just("name"),
            Just("uri"),
            Just("result"),
            Just("id"),
            Just("Method"),
            Just("x"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map(names.prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    /// A caller without a scope never reaches a tool that needs one, and no body is a panic.
    #[test]
    fn no_body_reaches_a_tool_without_its_scope(value in member()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let answer = runtime.block_on(asked(&value.to_string()));
        if answer == PASSED {
            prop_assert!(tools(&value).iter().all(|tool| *tool == "whoami"), "{value}");
        }
    }

    #[test]
    fn bytes_of_any_kind_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        let answer = runtime.block_on(asked(&body));
        prop_assert!(answer != PASSED, "{body}");
    }
}
