//! p64: path and query parameters, read as strictly as a body.

use std::collections::{BTreeMap, HashMap};

use axum::{Router, body::Body, routing};
use http::Request;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_auth::{ErrorEnvelopeLayer, StrictPath, StrictQuery};

use crate::{no_leak::Logs, support};

/// Status, and the answer: a text of the handler, or the error.
async fn ask(app: &Router, path: &str) -> (u16, Value) {
    let app = app.clone().layer(ErrorEnvelopeLayer::detailed());
    let response = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let text = support::text(response).await;
    let error = serde_json::from_str(&text).ok().and_then(|all: Value| all.get("error").cloned());
    (status, error.unwrap_or_else(|| text.into()))
}

/// What the answer says of the one field that is wrong.
fn field(error: &Value) -> (String, String, Option<String>) {
    let fields = error["details"]["fields"].as_array().unwrap();
    assert_eq!(fields.len(), 1, "{error}");
    let text = |name: &str| fields[0][name].as_str().map(str::to_owned);
    (text("pointer").unwrap(), text("reason").unwrap(), text("suggestion"))
}

fn is(pointer: &str, reason: &str) -> (String, String, Option<String>) {
    (pointer.to_owned(), reason.to_owned(), None)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Sort {
    Newest,
    Oldest,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Page {
    limit: Option<u8>,
    offset: i64,
    ratio: f64,
    deep: bool,
    sort: Option<Sort>,
    letter: Option<char>,
    wide: u128,
    q: Option<String>,
    tag: Vec<String>,
    ids: Option<Vec<u32>>,
    pair: Option<(u8, u8)>,
}

fn query() -> Router {
    Router::new().route("/", routing::get(async |StrictQuery(page): StrictQuery<Page>| format!("{page:?}")))
}

#[tokio::test]
async fn p64_a_query_is_read_into_a_type() {
    let (status, seen) = ask(
        &query(),
        "/?limit=255&offset=-3&ratio=1e2&deep=true&sort=oldest&letter=%C3%A9&wide=340282366920938463463374607431768211455\
         &q=a+b%2Bc%26&tag=x&ids=1&tag=y%3D&ids=2&pair=1&pair=2&&",
    )
    .await;
    let expected = "Page { limit: Some(255), offset: -3, ratio: 100.0, deep: true, sort: Some(Oldest), letter: \
                    Some('é'), wide: 340282366920938463463374607431768211455, q: Some(\"a b+c&\"), tag: [\"x\", \"y=\"], ids: \
                    Some([1, 2]), pair: Some((1, 2)) }";
    assert_eq!((status, seen.as_str().unwrap()), (200, expected));
    for empty in ["/", "/?", "/?&"] {
        assert!(ask(&query(), empty).await.1.as_str().unwrap().contains("limit: None"), "{empty}");
    }
    let (_, seen) = ask(&query(), "/?q&tag=").await;
    assert!(seen.as_str().unwrap().contains("q: Some(\"\"), tag: [\"\"]"), "{seen}");
}

#[tokio::test]
async fn p64_what_is_wrong_in_a_query_is_told_as_in_a_body() {
    let number = "expected an integer from 0 to 255, found";
    for (query_text, expected) in [
        ("limit=ten", is("/limit", &format!("{number} a string"))),
        ("limit=", is("/limit", &format!("{number} a string"))),
        ("limit=256", is("/limit", &format!("{number} another number"))),
        ("limit=-1", is("/limit", &format!("{number} another number"))),
        ("limit=1.5", is("/limit", &format!("{number} a number"))),
        ("limit=%2B1", is("/limit", &format!("{number} a string"))),
        ("limit=+1", is("/limit", &format!("{number} a string"))),
        ("limit=007", is("/limit", &format!("{number} a string"))),
        ("limit=0x1", is("/limit", &format!("{number} a string"))),
        ("limit=1%20", is("/limit", &format!("{number} a string"))),
        ("limit=%D9%A1", is("/limit", &format!("{number} a string"))),
        ("deep=True", is("/deep", "expected a boolean, found a string")),
        ("deep=1", is("/deep", "expected a boolean, found a string")),
        ("deep", is("/deep", "expected a boolean, found a string")),
        ("ratio=NaN", is("/ratio", "expected a number, found a string")),
        ("ratio=inf", is("/ratio", "expected a number, found a string")),
        ("letter=ab", is("/letter", "expected a string of one character, found another string")),
        ("ids=1&ids=x", is("/ids/1", "expected an integer from 0 to 4294967295, found a string")),
        ("pair=1", is("/pair", "expected an array of 2, found an array of 1")),
        ("pair=1&pair=2&pair=3", is("/pair", "there are more values than the type reads")),
        ("limit=1&limit=1", is("/limit", "the parameter is given more than once")),
        ("limit=1&q=a&%6Cimit=2", is("/limit", "the parameter is given more than once")),
        ("q=a&q=b", is("/q", "the parameter is given more than once")),
        ("deep=true&deep=true", is("/deep", "the parameter is given more than once")),
        ("sort=newest&sort=oldest", is("/sort", "the parameter is given more than once")),
        ("wide=1&wide=2", is("/wide", "the parameter is given more than once")),
        ("tag%5B%5D=x", is("/tag[]", "unknown field")),
        ("__proto__=x", is("/__proto__", "unknown field")),
        ("a/b~c=x", is("/a~1b~0c", "unknown field")),
        ("%00=x", is("/\\u{0}", "unknown field")),
        ("=x", is("/", "unknown field")),
        ("admin", is("/admin", "unknown field")),
    ] {
        let (status, error) = ask(&query(), &format!("/?{query_text}")).await;
        assert_eq!((status, &error["code"]), (422, &"VALIDATION_ERROR".into()), "{query_text} {error}");
        assert_eq!((&error["type"], &error["details"]["in"]), (&"validation_error".into(), &"query".into()));
        assert_eq!(error["system_message"], "Query does not match the documented parameters");
        let mut seen = field(&error);
        if query_text.starts_with("tag%5B") {
            assert_eq!(seen.2.take().as_deref(), Some("tag"));
        }
        assert_eq!(seen, expected, "{query_text}");
    }
    for (name, suggestion) in [("limt", "limit"), ("Limit", "limit"), ("off_set", "offset"), ("tags", "tag")] {
        let (status, error) = ask(&query(), &format!("/?{name}=1")).await;
        assert_eq!((status, field(&error).2.as_deref()), (422, Some(suggestion)));
    }
    // A name that is given itself was not meant.
    assert_eq!(field(&ask(&query(), "/?limit=1&limt=1").await.1).2, None);
    let (_, error) = ask(&query(), "/?sort=newst").await;
    assert_eq!(field(&error).2.as_deref(), Some("newest"));
    // All unknown names are reported, up to a limit, and the error that stopped the type.
    let (_, error) = ask(&query(), "/?aa=1&bb=2&limit=x&cc=3").await;
    let pointers: Vec<_> =
        error["details"]["fields"].as_array().unwrap().iter().map(|f| f["pointer"].clone()).collect();
    assert_eq!(pointers, ["/aa", "/bb", "/limit"]);
    let many: String = (0..1_000).flat_map(|number| [format!("x{number}="), "y".repeat(30), "&".to_owned()]).collect();
    let (status, error) = ask(&query(), &format!("/?{many}")).await;
    assert_eq!((status, error["details"]["fields"].as_array().unwrap().len()), (422, 33));
}

#[tokio::test]
async fn p64_what_cannot_be_decoded_is_malformed() {
    for (path, pointer) in [
        ("/?q=%", "/q"),
        ("/?q=%1", "/q"),
        ("/?q=%zz", "/q"),
        ("/?q=%+1", "/q"),
        ("/?q=a%ffb", "/q"),
        ("/?q=%C3", "/q"),
        ("/?q=%ED%A0%80", "/q"),
        ("/?q=%C0%80", "/q"),
        ("/?%ff=1", ""),
        ("/?%=1", ""),
        ("/?unknown=%zz", "/unknown"),
    ] {
        let (status, error) = ask(&query(), path).await;
        assert_eq!((status, &error["code"]), (400, &"INVALID_REQUEST".into()), "{path} {error}");
        assert_eq!((field(&error).0.as_str(), &error["details"]["in"]), (pointer, &"query".into()), "{path}");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "serde's signature")]
fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    Ok(u32::deserialize(deserializer).unwrap_or(7))
}

#[derive(Deserialize)]
struct Lenient {
    #[serde(deserialize_with = "lenient")]
    limit: u32,
}

#[derive(Deserialize)]
struct Needed {
    org: String,
    #[serde(rename = "pageSize", alias = "size")]
    size: u32,
}

/// A type may turn a wrong value into a default, and never two values into one.
#[tokio::test]
async fn p64_types_of_other_kinds() {
    let app = Router::new()
        .route("/lenient", routing::get(async |StrictQuery(q): StrictQuery<Lenient>| q.limit.to_string()))
        .route("/needed", routing::get(async |StrictQuery(q): StrictQuery<Needed>| format!("{} {}", q.org, q.size)))
        .route("/none", routing::get(async |StrictQuery(()): StrictQuery<()>| "none"))
        .route("/maybe", routing::get(async |StrictQuery(q): StrictQuery<Option<Needed>>| q.is_some().to_string()))
        .route("/map", routing::get(async |StrictQuery(map): StrictQuery<BTreeMap<String, String>>| format!("{map:?}")))
        .route(
            "/lists",
            routing::get(async |StrictQuery(map): StrictQuery<BTreeMap<String, Vec<u8>>>| format!("{map:?}")),
        )
        .route("/any", routing::get(async |StrictQuery(any): StrictQuery<Value>| any.to_string()));
    for (path, expected) in [
        ("/lenient?limit=3", "3"),
        ("/lenient?limit=x", "7"),
        ("/needed?org=a&pageSize=1", "a 1"),
        ("/needed?size=1&org=a", "a 1"),
        ("/none", "none"),
        ("/none?", "none"),
        ("/maybe", "false"),
        ("/maybe?org=a&size=1", "true"),
        ("/map?b=2&a=1", r#"{"a": "1", "b": "2"}"#),
        ("/lists?b=2&a=1&b=3", r#"{"a": [1], "b": [2, 3]}"#),
    ] {
        assert_eq!(ask(&app, path).await, (200, Value::from(expected)), "{path}");
    }
    for (path, expected) in [
        ("/lenient?limit=1&limit=2", is("/limit", "the parameter is given more than once")),
        ("/lenient", is("/limit", "missing field")),
        ("/needed?org=a", is("/pageSize", "missing field")),
        ("/needed?org=a&size=1&pageSize=2", is("/pageSize", "the field is given twice, by two names")),
        ("/none?a=1", is("/a", "unknown field")),
        ("/none?a", is("/a", "unknown field")),
        ("/map?a=1&a=2", is("/a", "the parameter is given more than once")),
        ("/any?a=1&a=2", is("/a", "the parameter is given more than once")),
        (
            "/any?$serde_json::private::Number=1",
            is("/$serde_json::private::Number", "a name that starts so is reserved"),
        ),
        ("/lists?a=1&a=x", is("/a/1", "expected an integer from 0 to 255, found a string")),
    ] {
        let (status, error) = ask(&app, path).await;
        assert_eq!((status, field(&error)), (422, expected), "{path}");
    }
}

#[derive(Deserialize)]
struct Flat {
    #[serde(flatten)]
    rest: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Nested {
    page: Flat2,
}

#[derive(Deserialize)]
struct Flat2 {
    limit: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

#[derive(Deserialize)]
struct Holds {
    value: Untagged,
}

/// A type that cannot be read strictly is the service's fault, and the log says which.
#[tokio::test]
async fn p64_types_that_cannot_be_strict_are_refused() {
    let app = Router::new()
        .route("/flat", routing::get(async |StrictQuery(q): StrictQuery<Flat>| q.rest.len().to_string()))
        .route("/nested", routing::get(async |StrictQuery(q): StrictQuery<Nested>| q.page.limit.to_string()))
        .route(
            "/untagged",
            routing::get(async |StrictQuery(q): StrictQuery<Holds>| match q.value {
                Untagged::Number(number) => number.to_string(),
                Untagged::Text(text) => text,
            }),
        )
        .route("/list", routing::get(async |StrictQuery(q): StrictQuery<Vec<String>>| q.len().to_string()))
        .route("/single", routing::get(async |StrictQuery(q): StrictQuery<u32>| q.to_string()))
        .route("/path/{value}", routing::get(async |StrictPath(q): StrictPath<Holds>| q.value_text()));
    for (path, told) in [
        ("/flat?a=1", "flatten"),
        ("/nested?page=1", "a parameter is read into"),
        ("/untagged?value=1", "untagged"),
        ("/list?a=1", "a query is read into a struct"),
        ("/single?1", "a query is read into a struct"),
        ("/path/1", "untagged"),
    ] {
        let logs = Logs::capture();
        let (status, error) = ask(&app, path).await;
        assert_eq!((status, &error["code"]), (500, &"INTERNAL_ERROR".into()), "{path}");
        assert!(logs.text().contains(told), "{path} {}", logs.text());
        assert!(!error.to_string().contains(told));
    }
}

impl Holds {
    fn value_text(self) -> String {
        match self.value {
            Untagged::Number(number) => number.to_string(),
            Untagged::Text(text) => text,
        }
    }
}

#[derive(Debug, Deserialize)]
struct Id(#[expect(dead_code)] u64);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Even(#[expect(dead_code)] u64);

impl TryFrom<String> for Even {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse().ok().filter(|number| number % 2 == 0).map(Self).ok_or("must be an even number")
    }
}

#[derive(Debug, Deserialize)]
struct Both {
    #[expect(dead_code)]
    org: String,
    #[expect(dead_code)]
    id: u32,
}

#[derive(Debug, Deserialize)]
struct Inner {
    #[expect(dead_code)]
    id: u32,
}

fn paths() -> Router {
    let inner =
        Router::new().route("/todos/{id}", routing::get(async |StrictPath(p): StrictPath<Inner>| format!("{p:?}")));
    Router::new()
        .nest("/orgs/{org}", inner)
        .route("/plain/{id}", routing::get(async |StrictPath(id): StrictPath<u64>| id.to_string()))
        .route("/id/{id}", routing::get(async |StrictPath(id): StrictPath<Id>| format!("{id:?}")))
        .route("/even/{id}", routing::get(async |StrictPath(id): StrictPath<Even>| format!("{id:?}")))
        .route("/sort/{by}", routing::get(async |StrictPath(by): StrictPath<Sort>| format!("{by:?}")))
        .route("/text/{*rest}", routing::get(async |StrictPath(rest): StrictPath<String>| rest))
        .route("/both/{org}/{id}", routing::get(async |StrictPath(both): StrictPath<Both>| format!("{both:?}")))
        .route("/tuple/{a}/{b}", routing::get(async |StrictPath(pair): StrictPath<(String, u8)>| format!("{pair:?}")))
        .route("/list/{a}/{b}", routing::get(async |StrictPath(list): StrictPath<Vec<u8>>| format!("{list:?}")))
        .route("/maybe", routing::get(maybe))
        .fallback(maybe)
        .route("/maybe/{id}", routing::get(maybe))
}

async fn maybe(id: Option<StrictPath<u64>>) -> String {
    format!("{:?}", id.map(|StrictPath(id)| id))
}

#[tokio::test]
async fn p64_a_path_is_read_into_a_type() {
    for (path, expected) in [
        ("/plain/18446744073709551615", "18446744073709551615"),
        ("/plain/%37", "7"),
        ("/id/7", "Id(7)"),
        ("/even/8", "Even(8)"),
        ("/sort/newest", "Newest"),
        ("/text/a%2Fb/c+d%25", "a/b/c+d%"),
        ("/both/acme/7", "Both { org: \"acme\", id: 7 }"),
        ("/tuple/%C3%A9/7", "(\"é\", 7)"),
        ("/list/1/2", "[1, 2]"),
        ("/maybe", "None"),
        ("/nowhere", "None"),
        ("/maybe/3", "Some(3)"),
        ("/orgs/acme/todos/3", "Inner { id: 3 }"),
    ] {
        let (status, seen) = ask(&paths(), path).await;
        assert_eq!(
            (status, seen.to_string().trim_matches('"').replace('\\', "")),
            (200, expected.to_owned()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn p64_what_is_wrong_in_a_path_is_told_with_the_parameter() {
    let number = "expected an integer from 0, found";
    for (path, expected) in [
        ("/plain/abc", is("/id", &format!("{number} a string"))),
        ("/plain/-1", is("/id", &format!("{number} another number"))),
        ("/plain/+1", is("/id", &format!("{number} a string"))),
        ("/plain/01", is("/id", &format!("{number} a string"))),
        ("/plain/1.0", is("/id", &format!("{number} a number"))),
        ("/plain/18446744073709551616", is("/id", &format!("{number} a number"))),
        ("/plain/7%20", is("/id", &format!("{number} a string"))),
        ("/plain/7%00", is("/id", &format!("{number} a string"))),
        ("/id/abc", is("/id", &format!("{number} a string"))),
        ("/even/7", is("/id", "must be an even number")),
        ("/sort/random", is("/by", "unknown value, expected \"newest\" or \"oldest\"")),
        ("/both/acme/x", is("/id", "expected an integer from 0 to 4294967295, found a string")),
        ("/tuple/acme/256", is("/b", "expected an integer from 0 to 255, found another number")),
        ("/list/1/x", is("/b", "expected an integer from 0 to 255, found a string")),
        ("/maybe/x", is("/id", &format!("{number} a string"))),
        ("/orgs/acme/todos/x", is("/id", "expected an integer from 0 to 4294967295, found a string")),
    ] {
        let (status, error) = ask(&paths(), path).await;
        assert_eq!((status, &error["code"]), (422, &"VALIDATION_ERROR".into()), "{path} {error}");
        assert_eq!((field(&error), &error["details"]["in"]), (expected, &"path".into()), "{path}");
        assert_eq!(error["system_message"], "Path does not match the documented parameters");
    }
    for (path, pointer) in [
        ("/plain/%ff", "/id"),
        ("/text/a/%C3", "/rest"),
        ("/text/%zz", ""),
        ("/text/%", ""),
        ("/text/a%1", ""),
        ("/both/%FF/1", "/org"),
        ("/orgs/%zz/todos/3", ""),
        ("/orgs/%ff/todos/3", "/org"),
    ] {
        let (status, error) = ask(&paths(), path).await;
        assert_eq!((status, &error["code"]), (400, &"INVALID_REQUEST".into()), "{path} {error}");
        assert_eq!((field(&error).0.as_str(), &error["details"]["in"]), (pointer, &"path".into()), "{path}");
    }
}

/// Where the route and the type do not agree, no client can do better.
#[tokio::test]
async fn p64_a_route_that_does_not_fit_its_type_is_a_fault_of_the_service() {
    let twice = Router::new().route("/{org}", routing::get(async |StrictPath(p): StrictPath<Orgs>| p.org));
    let app = Router::new()
        .route("/named/{todo_id}", routing::get(async |StrictPath(p): StrictPath<Inner>| format!("{p:?}")))
        .route("/two/{a}/{b}", routing::get(async |StrictPath(p): StrictPath<String>| p))
        .route("/pair/{a}", routing::get(async |StrictPath(p): StrictPath<(String, String)>| p.0))
        .route("/lists/{a}", routing::get(async |StrictPath(p): StrictPath<HashMap<String, Vec<u8>>>| format!("{p:?}")))
        .route("/none", routing::get(async |StrictPath(p): StrictPath<u8>| p.to_string()))
        .nest("/twice/{org}", twice);
    for (path, told) in [
        ("/named/1", "the route has no parameter \\\"id\\\""),
        ("/two/a/b", "the route has 2 parameters, and the type is a single value"),
        ("/pair/a", "the route has 1 parameters, and the type 2"),
        ("/lists/1", "a parameter is read into"),
        ("/none", "the route has 0 parameters"),
        ("/twice/a/b", "the route has two parameters"),
    ] {
        let logs = Logs::capture();
        let (status, error) = ask(&app, path).await;
        assert_eq!((status, &error["code"]), (500, &json!("INTERNAL_ERROR")), "{path} {error}");
        let log = logs.text().replace('\\', "");
        assert!(log.contains(&told.replace('\\', "")), "{path} {log}");
    }
}

#[derive(Deserialize)]
struct Orgs {
    org: String,
}
