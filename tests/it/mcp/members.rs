//! Members that decide beside `params.name` and `params.uri`: an id, a list of resources, a reference.

use tower_auth::mcp::McpScopes;

use super::{PASSED, needs, post, scopes, send, table::message};

/// Servers tell a notification from a request by its id.
#[tokio::test]
async fn a_request_named_like_a_notification_is_no_notification() {
    let layer = scopes().method("notifications/known", []).build().unwrap();
    for (body, wanted) in [
        (r#"{"method":"notifications/x"}"#, PASSED),
        (r#"{"method":"notifications/x","params":{"id":1,"name":"x"}}"#, PASSED),
        (r#"{"method":"notifications/x","id":1}"#, needs("r w")),
        (r#"{"id":"a","method":"notifications/initialized"}"#, needs("r w")),
        (r#"{"id":null,"method":"notifications/x"}"#, needs("r w")),
        (r#"{"Id":1,"method":"notifications/x"}"#, needs("r w")),
        (r#"{"id":1,"method":"notifications/x","params":{"name":"x"}}"#, needs("r w")),
        (r#"[{"method":"notifications/x"},{"id":1,"method":"notifications/x"}]"#, needs("r w")),
        // A row is for both.
        (r#"{"id":1,"method":"notifications/known"}"#, PASSED),
    ] {
        assert_eq!(send(&layer, &[], post(body)).await, wanted, "{body}");
    }
    let layer = scopes().otherwise(["o"]).build().unwrap();
    assert_eq!(send(&layer, &[], post(r#"{"id":1,"method":"notifications/x"}"#)).await, needs("o"));
    // The header does not say which of the two it is: the body decides.
    let mut request = post(r#"{"id":1,"method":"notifications/x"}"#);
    request.headers_mut().insert("mcp-method", "notifications/x".parse().unwrap());
    assert_eq!(send(&layer, &[], request).await, needs("o"));
}

/// The parameters of `subscriptions/listen`, with this list of resources.
fn listed(resources: &str) -> String {
    format!(r#"{{"notifications":{{"toolsListChanged":true,"resourceSubscriptions":{resources}}}}}"#)
}

#[tokio::test]
async fn a_subscription_needs_what_reading_its_resources_needs() {
    let table = || {
        McpScopes::new()
            .resource("notes://one", ["one"])
            .resource("notes://two", ["two"])
            .resource("notes://open", [])
            .method("resources/read", ["read"])
            .prompt("summary", ["p"])
    };
    let layer = table().build().unwrap();
    let all = "one two read p";
    let too_many = format!("[{}]", vec![r#""notes://open""#; 257].join(","));
    let most = format!("[{}]", vec![r#""notes://open""#; 256].join(","));
    for (params, wanted) in [
        (listed(r#"["notes://one"]"#), needs("one")),
        (listed(r#"["notes://two","notes://one","notes://one"]"#), needs("one two")),
        (listed(r#"["notes://open"]"#), PASSED),
        (listed(r#"["notes://open","notes://three"]"#), needs("read")),
        (listed(r#"["notes://three","notes://two"]"#), needs("two read")),
        (listed("[]"), PASSED),
        (listed(&most), PASSED),
        (r#"{"notifications":{"toolsListChanged":true}}"#.to_owned(), PASSED),
        (r#"{"notifications":{}}"#.to_owned(), PASSED),
        ("{}".to_owned(), PASSED),
        // Another spelling of a row.
        (listed(r#"["notes://open","notes://ONE"]"#), needs(all)),
        (listed(r#"["notes://%6fne"]"#), needs(all)),
        // Not a list of strings, or one that is too long.
        (listed(&too_many), needs(all)),
        (listed("null"), needs(all)),
        (listed("1"), needs(all)),
        (listed(r#""notes://open""#), needs(all)),
        (listed(r#"{"uri":"notes://open"}"#), needs(all)),
        (listed(r#"["notes://open",1]"#), needs(all)),
        (listed(r#"["notes://open",["notes://one"]]"#), needs(all)),
        // A server that reads structures from arrays finds a list here.
        (r#"{"notifications":[true,true,true,["notes://one"]]}"#.to_owned(), needs(all)),
        (r#"[null,{"resourceSubscriptions":["notes://one"]}]"#.to_owned(), needs(all)),
        (r#"{"notifications":null}"#.to_owned(), needs(all)),
        ("null".to_owned(), needs(all)),
        // Members that differ in case only.
        (r#"{"notifications":{"ResourceSubscriptions":["notes://one"]}}"#.to_owned(), needs(all)),
        (r#"{"notifications":{},"Notifications":{"resourceSubscriptions":["notes://one"]}}"#.to_owned(), needs(all)),
    ] {
        let body = message("subscriptions/listen", &params);
        assert_eq!(send(&layer, &[], post(body)).await, wanted, "{params}");
    }
    let open = r#"{"method":"subscriptions/listen"}"#;
    assert_eq!(send(&layer, &[], post(open)).await, PASSED, "without parameters");
    let params = listed(r#"["notes://one"]"#);
    let one = message("subscriptions/listen", &params);
    assert_eq!(send(&layer, &["one"], post(one.clone())).await, PASSED);
    let batch = format!("[{one},{}]", message("prompts/get", r#"{"name":"summary"}"#));
    assert_eq!(send(&layer, &["one"], post(batch)).await, needs("one p"));
    // The list is read of this method only, and the name of another member gives it no other row.
    assert_eq!(send(&layer, &[], post(message("tools/list", &params))).await, PASSED);
    let named = format!(r#"{{"name":"summary","uri":"notes://open",{}"#, &params[1..]);
    assert_eq!(send(&layer, &[], post(message("subscriptions/listen", &named))).await, needs("one"));
    // A row of the method is needed too.
    let layer = table().method("subscriptions/listen", ["listen"]).build().unwrap();
    assert_eq!(send(&layer, &[], post(message("subscriptions/listen", "{}"))).await, needs("listen"));
    assert_eq!(send(&layer, &[], post(one)).await, needs("one listen"));
    // Without `resources/read`, a resource without a row needs every scope.
    let layer = scopes().build().unwrap();
    let unlisted = message("subscriptions/listen", &listed(r#"["notes://one"]"#));
    assert_eq!(send(&layer, &["r"], post(unlisted)).await, needs("r w"));
}

#[tokio::test]
async fn a_completion_needs_what_its_prompt_or_resource_needs() {
    let table = || {
        McpScopes::new()
            .prompt("summary", ["p"])
            .prompt("open", [])
            .resource("notes://{id}", ["one"])
            .resource("open", [])
            .tool("t", ["t"])
    };
    let layer = table().build().unwrap();
    let all = "p one t";
    for (reference, wanted) in [
        (r#"{"type":"ref/prompt","name":"summary","title":"Summary"}"#, needs("p")),
        (r#"{"type":"ref/prompt","name":"open"}"#, PASSED),
        (r#"{"type":"ref/resource","uri":"notes://{id}"}"#, needs("one")),
        (r#"{"type":"ref/resource","uri":"open"}"#, PASSED),
        // Another name, or another spelling.
        (r#"{"type":"ref/prompt","name":"t"}"#, needs(all)),
        (r#"{"type":"ref/prompt","name":"Open"}"#, needs(all)),
        (r#"{"type":"ref/resource","uri":"notes://{other}"}"#, needs(all)),
        // It is not clear what is meant.
        (r#"{"type":"ref/prompt","name":"open","uri":"open"}"#, needs(all)),
        (r#"{"type":"ref/prompt","uri":"open"}"#, needs(all)),
        (r#"{"type":"ref/resource","name":"open"}"#, needs(all)),
        (r#"{"type":"ref/tool","name":"open"}"#, needs(all)),
        (r#"{"type":["ref/prompt"],"name":"open"}"#, needs(all)),
        (r#"{"type":"ref/prompt","name":["open"]}"#, needs(all)),
        (r#"{"type":"ref/prompt","Type":"ref/resource","name":"open"}"#, needs(all)),
        (r#"{"type":"ref/prompt","name":"open","NAME":"summary"}"#, needs(all)),
        (r#"{"name":"open"}"#, needs(all)),
        (r#"["ref/prompt","open"]"#, needs(all)),
        (r#""open""#, needs(all)),
        ("null", needs(all)),
        ("{}", needs(all)),
    ] {
        let params = format!(r#"{{"ref":{reference},"argument":{{"name":"a","value":"b"}}}}"#);
        assert_eq!(send(&layer, &[], post(message("completion/complete", &params))).await, wanted, "{reference}");
    }
    // The header does not say what is completed: the body decides.
    let mut request = post(message("completion/complete", r#"{"ref":{"type":"ref/prompt","name":"open"}}"#));
    request.headers_mut().insert("mcp-method", "completion/complete".parse().unwrap());
    assert_eq!(send(&layer, &[], request).await, PASSED);
    for params in [
        r#"{"name":"open","uri":"open","type":"ref/prompt"}"#,
        r#"{"ref":{"type":"ref/prompt","name":"open"},"Ref":{"type":"ref/prompt","name":"summary"}}"#,
        "{}",
        "[]",
    ] {
        assert_eq!(send(&layer, &[], post(message("completion/complete", params))).await, needs(all), "{params}");
    }
    // The row of the method is for what has no row of its own.
    let layer = table().method("completion/complete", ["c"]).build().unwrap();
    for (reference, wanted) in [
        (r#"{"type":"ref/prompt","name":"summary"}"#, needs("p")),
        (r#"{"type":"ref/prompt","name":"other"}"#, needs("c")),
        (r#"{"type":"ref/resource","uri":"other"}"#, needs("c")),
        (r#"{"type":"ref/resource","uri":"notes://{other}"}"#, needs("p one t c")),
    ] {
        let params = format!(r#"{{"ref":{reference}}}"#);
        assert_eq!(send(&layer, &[], post(message("completion/complete", &params))).await, wanted, "{reference}");
    }
    assert_eq!(send(&layer, &["c"], post(message("Completion/complete", "{}"))).await, needs("p one t c"));
}
