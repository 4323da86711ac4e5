//! What owners of keys watch on Freddy and Aitronos: usage, limits and alerts.

use std::{thread, time::Duration};

use serde_json::{Value, json};
use tower_auth::{
    KeyFormat, KeyRegistry, KeyScheme, NewKey, Peppers, SqliteKeyStore,
    registry::{Actor, KeyFilter},
};

use crate::support::{
    folder::Folder,
    server::{Reply, Server},
};

/// A server, the path in front of its routes, and its database if it has one.
struct Desk {
    server: Server,
    base: &'static str,
    folder: Option<Folder>,
}

const FREDDY: (&str, &str) = ("freddy", "/v1/organizations/org_demo");
const AITRONOS: (&str, &str) = ("aitronos", "/v1");

impl Desk {
    fn in_memory((name, base): (&str, &'static str)) -> Self {
        Self { server: Server::start(name, &[]), base, folder: None }
    }

    fn in_sqlite((name, base): (&str, &'static str)) -> Self {
        let folder = Folder::new("watch");
        let server = Server::start(name, &Self::storage(&folder).each_ref().map(|word| &**word));
        Self { server, base, folder: Some(folder) }
    }

    fn storage(folder: &Folder) -> [String; 4] {
        let path = |name: &str| folder.path().join(name).display().to_string();
        ["--database".into(), format!("sqlite:{}", path("keys.db")), "--secrets".into(), path("peppers")]
    }

    /// Both servers, with their keys in memory and in a database.
    fn all() -> [Self; 4] {
        [Self::in_memory(FREDDY), Self::in_memory(AITRONOS), Self::in_sqlite(FREDDY), Self::in_sqlite(AITRONOS)]
    }

    fn send(&self, key: &str, line: &str, body: &str) -> Reply {
        let key = format!("x-api-key: {}", self.server.demo(key));
        let headers = [&*key, "content-type: application/json", "accept: application/json", "user-agent: curl/8.5.0"];
        self.server.request(line, &headers, body)
    }

    /// A request below the path of the server.
    fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        self.send("admin", &format!("{method} {}{path}", self.base), body)
    }

    fn usage(&self, id: &str, query: &str) -> Value {
        let reply = self.admin("GET", &format!("/api-keys/{id}/usage{query}"), "");
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }

    /// The registry of the database.
    fn registry(&self) -> Option<KeyRegistry> {
        let path = self.folder.as_ref()?.path().join("keys.db");
        Some(KeyRegistry::new(KeyScheme::ephemeral(KeyFormat::opaque(20)), SqliteKeyStore::open(path).unwrap()))
    }

    /// The id of a demo key.
    async fn id(&self, name: &str) -> String {
        let Some(registry) = self.registry() else { return format!("key_{name}") };
        let all = registry.list(Actor::named("test"), &KeyFilter::organization("org_demo")).await.unwrap();
        all.items.iter().find(|key| key.name() == name).unwrap().id().to_owned()
    }
}

/// Repeats a question until the answer is yes, once a second: the admin has a limit, too.
fn soon(mut question: impl FnMut() -> bool) -> bool {
    (0..60).any(|_| {
        let is_so = question();
        if !is_so {
            thread::sleep(Duration::from_secs(1));
        }
        is_so
    })
}

/// A refusal: status, code, and the pointer to the first field that is wrong.
fn told(reply: &Reply) -> (u16, String, String) {
    let pointer = reply.json()["error"]["details"]["fields"][0]["pointer"].as_str().unwrap_or_default().to_owned();
    (reply.status, reply.code(), pointer)
}

fn invalid(pointer: &str) -> (u16, String, String) {
    (422, "VALIDATION_ERROR".to_owned(), pointer.to_owned())
}

fn sum(periods: &Value) -> u64 {
    periods.as_array().unwrap().iter().map(|period| period["admitted"].as_u64().unwrap()).sum()
}

#[tokio::test]
async fn the_usage_of_a_key_is_shown_by_the_day_and_by_the_hour() {
    for desk in Desk::all() {
        let (read, webhook) = (desk.id("read").await, desk.id("webhook").await);
        for _ in 0..3 {
            assert_eq!(desk.send("read", "GET /v1/models", "").status, 200);
        }
        let refused = [(); 2].map(|()| desk.send("webhook", "GET /v1/models", ""));
        assert_eq!(refused.each_ref().map(|reply| reply.status), [403, 403]);
        assert!(soon(|| desk.usage(&webhook, "")["totals"]["all"] == 2), "{}", desk.usage(&webhook, ""));

        let usage = desk.usage(&read, "");
        let members: Vec<&String> = usage.as_object().unwrap().keys().collect();
        assert_eq!(members, ["key_id", "from", "to", "days", "totals", "last_refusals", "last_used"]);
        let days = usage["days"].as_array().unwrap();
        assert_eq!((days.len(), &days[0]["date"], &days[29]["date"]), (30, &usage["from"], &usage["to"]));
        assert_eq!(days[0], json!({ "date": usage["from"], "admitted": 0, "refused": {} }), "no request is a zero");
        assert_eq!((sum(&usage["days"]), &usage["key_id"]), (3, &read.as_str().into()));
        assert_eq!(usage["totals"], json!({ "admitted": 3, "refused": 0, "all": 3 }));
        assert_eq!(
            (&usage["last_used"]["address"], &usage["last_used"]["client"]),
            (&"127.0.0.1".into(), &"curl".into())
        );
        assert_eq!(usage["last_refusals"], json!([]));

        let hours = desk.usage(&read, "?by=hour");
        assert!((25..=48).contains(&hours["hours"].as_array().unwrap().len()), "{hours}");
        assert_eq!((sum(&hours["hours"]), hours["days"].as_array().unwrap().len()), (3, 2));
        assert_eq!(desk.usage(&read, "?days=366&by=day")["days"].as_array().unwrap().len(), 366);

        let usage = desk.usage(&webhook, "?days=2");
        assert_eq!(usage["totals"], json!({ "admitted": 0, "refused": 2, "all": 2 }));
        let of_all: u64 = usage["days"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|day| day["refused"]["insufficient_permissions"].as_u64())
            .sum();
        assert_eq!(of_all, 2, "{usage}");
        let last = &usage["last_refusals"][0];
        let id = refused[1].header("x-request-id")[0];
        let shown = ["status", "method", "path", "request_id", "outcome"].map(|name| &last[name]);
        assert_eq!(json!(shown), json!([403, "GET", "/v1/models", id, "insufficient_permissions"]));
        assert!(last["reason"].as_str().unwrap().contains("read"), "{last}");
    }
}

#[tokio::test]
async fn what_is_no_usage_is_refused() {
    for desk in [Desk::in_memory(FREDDY), Desk::in_sqlite(AITRONOS)] {
        let id = desk.id("read").await;
        let ask = |query: &str| told(&desk.admin("GET", &format!("/api-keys/{id}/usage?{query}"), ""));
        for query in ["days=0", "days=367", "days=x", "days=-1", "days=3&by=hour", "days=1&days=2"] {
            assert_eq!(ask(query), invalid("/days"), "{query}");
        }
        assert_eq!((ask("by=week"), ask("dais=3")), (invalid("/by"), invalid("/dais")));
        let unknown = desk.admin("GET", "/api-keys/key_nobody/usage", "");
        assert_eq!((unknown.status, unknown.code()), (404, "API_KEY_NOT_FOUND".to_owned()));
        for path in [format!("/api-keys/{id}/usage"), "/alerts".to_owned(), "/alerts/history".to_owned()] {
            let line = format!("GET {}{path}", desk.base);
            assert_eq!(desk.send("read", &line, "").code(), "INSUFFICIENT_PERMISSIONS", "{line}");
            assert_eq!(desk.server.request(&line, &[], "").status, 401, "{line}");
        }
    }
}

/// A key of another organisation is as unknown as one that does not exist.
#[tokio::test]
async fn a_key_of_another_organisation_is_not_found() {
    for desk in [Desk::in_sqlite(FREDDY), Desk::in_sqlite(AITRONOS)] {
        let new = NewKey::named("theirs").id("key_theirs").account("acct_other").organizations(["org_other"]);
        desk.registry().unwrap().create(Actor::named("test"), new).await.unwrap();
        let reply = desk.admin("GET", "/api-keys/key_theirs/usage", "");
        assert_eq!((reply.status, reply.code()), (404, "API_KEY_NOT_FOUND".to_owned()));
    }
    let desk = Desk::in_memory(FREDDY);
    for path in ["api-keys/key_read/usage", "alerts", "alerts/history"] {
        let reply = desk.send("admin", &format!("GET /v1/organizations/org_other/{path}"), "");
        assert_eq!((reply.status, reply.code()), (403, "ORGANIZATION_ACCESS_DENIED".to_owned()), "{path}");
    }
}

#[test]
fn reading_the_limits_costs_nothing() {
    for desk in Desk::all() {
        let limits = |key: &str| {
            let reply = desk.send(key, "GET /v1/limits", "");
            assert_eq!((reply.status, reply.header("cache-control")), (200, vec!["no-store"]), "{}", reply.body);
            reply.json()
        };
        // The plan has 100 a minute.
        for _ in 0..150 {
            limits("read");
        }
        let shown = limits("read");
        assert_eq!((&shown["plan"], &shown["limits"][0]["class"]), (&"standard".into(), &Value::Null));
        let windows = shown["limits"][0]["windows"].as_array().unwrap();
        assert!(windows.iter().all(|window| window["remaining"] == window["limit"]), "{shown}");

        while desk.send("limited", "GET /v1/models", "").status != 429 {}
        let spent = limits("limited");
        assert_eq!((&spent["plan"], &spent["limits"][0]["windows"][0]["limit"]), (&Value::Null, &10.into()));
        assert_eq!(desk.server.request("GET /v1/limits", &[], "").status, 401);
    }
}

#[tokio::test]
async fn rules_are_set_read_and_kept() {
    for desk in Desk::all() {
        assert_eq!(desk.admin("GET", "/alerts", "").json(), json!({ "rules": [] }));
        let wanted =
            json!({ "rules": [{ "type": "limit_used", "percent": 80 }, { "type": "refusals", "per_hour": 1 }] });
        let reply = desk.admin("PUT", "/alerts", &wanted.to_string());
        assert_eq!((reply.status, reply.json()), (200, wanted.clone()), "{}", reply.body);
        let idle = json!({ "type": "idle", "days": 90 });
        for (body, pointer) in [
            (json!({}), "/rules"),
            (json!({ "rules": [], "rule": [] }), "/rule"),
            (json!({ "rules": [{ "type": "nonsense" }] }), "/rules/0"),
            (json!({ "rules": [idle, { "type": "idle", "days": 0 }] }), "/rules/1"),
            (json!({ "rules": [{ "type": "idle", "days": 1, "day": 1 }] }), "/rules/0"),
            (json!({ "rules": [idle, idle] }), "/rules"),
        ] {
            assert_eq!(told(&desk.admin("PUT", "/alerts", &body.to_string())), invalid(pointer), "{body}");
        }
        let line = format!("PUT {}/alerts", desk.base);
        assert_eq!(desk.send("write", &line, r#"{"rules":[]}"#).code(), "INSUFFICIENT_PERMISSIONS");
        assert_eq!(desk.admin("GET", "/alerts", "").json(), wanted, "what was refused has changed nothing");

        assert_eq!(desk.send("webhook", "GET /v1/models", "").status, 403);
        // The admin's own mistakes have raised one, too.
        let id = desk.id("webhook").await;
        let alerts = || {
            let all = desk.admin("GET", "/alerts/history", "").json()["alerts"].clone();
            all.as_array().into_iter().flatten().filter(|alert| alert["key_id"] == id).cloned().collect::<Vec<_>>()
        };
        assert!(soon(|| alerts().iter().any(|alert| alert["delivery"]["state"] == "delivered")), "{:?}", alerts());
        let alerts = alerts();
        assert_eq!((&alerts[0]["type"], &alerts[0]["organization"]), (&"refusals".into(), &"org_demo".into()));
        assert_eq!((alerts.len(), &alerts[0]["delivery"]["attempts"]), (1, &1.into()));
        let Some(folder) = desk.folder else { continue };
        let (status, _, log) = desk.server.stop();
        assert!(
            status.success() && log.contains("a key needs attention"),
            "without a webhook, it is in the log: {log}"
        );
        let name = if desk.base == FREDDY.1 { FREDDY.0 } else { AITRONOS.0 };
        let again = Server::start(name, &Desk::storage(&folder).each_ref().map(|word| &**word));
        let again = Desk { server: again, base: desk.base, folder: Some(folder) };
        assert_eq!(again.admin("GET", "/alerts", "").json(), wanted, "after a restart");
    }
}

/// The budget of the month is in the database: what a key has used is used after a restart, too.
#[tokio::test]
async fn the_budget_of_the_month_outlives_a_restart() {
    let desk = Desk::in_sqlite(FREDDY);
    let path = |name: &str| desk.folder.as_ref().unwrap().path().join(name);
    let format = KeyFormat::prefixed("ak", 40).unwrap().without_checksum();
    let scheme = KeyScheme::new(format, Peppers::from_file_or_create(path("peppers")).unwrap());
    let registry = KeyRegistry::new(scheme, SqliteKeyStore::open(path("keys.db")).unwrap());
    let new = NewKey::named("ci").account("acme").organizations(["org_demo"]).scopes(["read"]).plan("premium");
    let key = registry.create(Actor::named("test"), new).await.unwrap().secret.expose().to_owned();
    let month = |server: &Server| {
        let reply = server.request("GET /v1/limits", &[&format!("x-api-key: {key}")], "").json();
        let windows = reply["limits"][0]["windows"].as_array().unwrap().clone();
        let month = windows.into_iter().find(|window| window["calendar"] == "month").unwrap();
        month["limit"].as_u64().unwrap() - month["remaining"].as_u64().unwrap()
    };
    for _ in 0..7 {
        assert_eq!(desk.server.request("GET /v1/models", &[&format!("x-api-key: {key}")], "").status, 200);
    }
    assert_eq!(month(&desk.server), 7);
    let folder = desk.folder.unwrap();
    assert!(desk.server.stop().0.success());
    let again = Server::start(FREDDY.0, &Desk::storage(&folder).each_ref().map(|word| &**word));
    assert_eq!(month(&again), 7, "neither forgotten, nor the whole lease used");
}
