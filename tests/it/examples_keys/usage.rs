//! What a key has been doing, as an operator reads it.

use std::net::IpAddr;

use serde_json::json;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyScheme, PeerAddr, Peppers, PostgresKeyStore, SqliteKeyStore, Usage,
};

use super::Cli;
use crate::support::{ak, get, ok, postgres};

/// A server with the database of the command line.
struct Server {
    usage: Usage,
    stack: AuthStack,
}

impl Server {
    fn new(cli: &Cli) -> Self {
        let store = SqliteKeyStore::open(cli.database.strip_prefix("sqlite:").unwrap()).unwrap();
        let scheme = KeyScheme::new(ak(), Peppers::from_file(cli.folder.path().join("peppers.txt")).unwrap());
        let usage = Usage::new(store.clone());
        let keys = ApiKeyLayer::new(scheme, store).disclose(Disclosure::All);
        let builder = AuthStack::builder().auth(keys).client_ip(ClientIp::peer()).on_decision(usage.observer());
        Self { stack: builder.build().unwrap(), usage }
    }

    async fn ask(&self, key: &str, times: usize, status: u16) {
        for _ in 0..times {
            let mut request = get("/v1/models", &[("x-api-key", key), ("user-agent", "curl/8.5.0")]);
            request.extensions_mut().insert(PeerAddr("192.0.2.1".parse::<IpAddr>().unwrap()));
            assert_eq!(self.stack.layer(ok()).oneshot(request).await.unwrap().status(), status);
        }
        self.usage.flush().await.unwrap();
    }
}

/// A key with five admitted requests and two refused ones.
async fn used(name: &str) -> (Cli, String) {
    let cli = Cli::new(name);
    let (id, secret) = cli.create(&["--organization", "org_1"]);
    let server = Server::new(&cli);
    server.ask(&secret, 5, 200).await;
    cli.ok(&["pause", &id]);
    server.ask(&secret, 2, 401).await;
    (cli, id)
}

#[tokio::test]
async fn the_usage_of_a_key_has_its_days_its_last_use_and_its_refusals() {
    let (cli, id) = used("keys-usage").await;
    let text = cli.ok(&["usage", &id]);
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["DAY", "ANSWERED", "REFUSED", "REFUSED", "WHY"], "{text}");
    assert_eq!((lines[1][0].len(), &lines[1][1..]), (10, &["5", "2", "paused_key", "2"][..]), "{text}");
    assert_eq!(lines[2], ["all", "5", "2", "paused_key", "2"], "{text}");
    assert!(text.contains("\nlast use  2") && text.contains("Z from 192.0.2.1 with curl\n"), "{text}");
    let refused: Vec<_> = text.lines().filter(|line| line.contains("GET /v1/models")).collect();
    assert_eq!(refused.len(), 2, "{text}");
    assert!(refused.iter().all(|line| line.contains("paused_key") && line.contains("401")), "{text}");
}

#[tokio::test]
async fn the_usage_as_json_is_one_object() {
    let (cli, id) = used("keys-usage-json").await;
    for words in [vec!["usage", &id], vec!["usage", &id, "--hours"], vec!["usage", &id, "--days", "1"]] {
        let told = cli.json(&words).remove(0);
        assert_eq!(told["key"], json!(id));
        assert_eq!(told["totals"], json!({ "all": 7, "answered": 5, "refused": 2 }), "{words:?}");
        let counts: u64 = told["counts"].as_array().unwrap().iter().map(|count| count["count"].as_u64().unwrap()).sum();
        assert_eq!(counts, 7, "{words:?}");
        assert_eq!((&told["last_use"]["address"], &told["last_use"]["client"]), (&json!("192.0.2.1"), &json!("curl")));
        let refused = &told["refusals"][0];
        assert_eq!((&refused["outcome"], &refused["status"]), (&json!("paused_key"), &json!(401)));
        assert!(refused["request_id"].as_str().is_some_and(|id| id.len() == 36), "{refused}");
    }
}

#[tokio::test]
async fn an_account_and_an_organisation_have_sums() {
    let (cli, id) = used("keys-usage-sums").await;
    for (words, name) in [(["--account", "acme"], "account"), (["--organization", "org_1"], "organization")] {
        let told = cli.json(&[&["usage"], &words[..]].concat()).remove(0);
        assert_eq!((&told[name], &told["totals"]["all"]), (&json!(words[1]), &json!(7)));
        assert!(told.get("last_use").is_none(), "it is of keys: {told}");
    }
    let none = cli.ok(&["usage", "--account", "nobody"]);
    assert!(none.contains("\nall  0"), "{none}");
    // A removed key has had its counts.
    cli.ok(&["delete", &id]);
    cli.ok(&["purge", "--deleted-before", "0s"]);
    assert_eq!(cli.json(&["usage", &id])[0]["totals"]["all"], 7);
    for (code, words) in [
        (1, &["usage", "key_nobody"][..]),
        (2, &["usage"]),
        (2, &["usage", &id, "--account", "acme"]),
        (2, &["usage", &id, "--hours", "--days", "3"]),
        (2, &["usage", &id, "--days", "0"]),
    ] {
        let told = cli.run(words);
        assert!(told.code == code && told.out.is_empty() && !told.err.is_empty(), "{words:?}: {}", told.err);
    }
}

#[tokio::test]
async fn a_key_that_was_never_used_says_so() {
    let cli = Cli::new("keys-usage-never");
    let (id, _) = cli.create(&[]);
    assert!(cli.ok(&["usage", &id]).contains("\nlast use  never\n"));
    assert!(cli.json(&["usage", &id])[0]["last_use"].is_null());
    let Some(database) = postgres::database().await else { return };
    PostgresKeyStore::from_pool(database.pool(1)).migrate().await.unwrap();
    let url = database.url();
    let (id, _) = cli.create(&["--database", &url]);
    assert_eq!(cli.json(&["usage", &id, "--database", &url])[0]["totals"]["all"], 0);
}

#[test]
fn a_copy_says_that_it_leaves_the_usage() {
    let cli = Cli::new("keys-usage-copy");
    let to = cli.database.replace("keys.db", "other.db");
    cli.ok(&["migrate", "--database", &to]);
    let told = cli.run(&["copy", &cli.database, &to]);
    assert!(told.code == 0 && told.err.contains("the usage is not copied"), "{}", told.err);
}

#[test]
fn the_limits_of_a_key_are_its_plan_and_its_own_windows() {
    let cli = Cli::new("keys-limits");
    let (id, _) = cli.create(&["--plan", "premium"]);
    let text = cli.ok(&["limits", &id]);
    assert_eq!(text, "plan    premium\nlimits  those of the plan, which the servers know\n");
    assert_eq!(cli.json(&["limits", &id])[0], json!({ "id": id, "plan": "premium", "windows": null, "unread": false }));
    let own = json!([
        { "events": 100, "period_ns": 60_000_000_000_u64, "name": "minute", "burst": 120 },
        { "events": 5000, "calendar": "month", "name": "month" },
    ]);
    let line = |id: &str, own: &serde_json::Value| {
        json!({ "sha256": id.repeat(64), "id": id, "account": "acme", "limits": own }).to_string()
    };
    let path = cli.write("own.jsonl", &line("7", &own));
    cli.ok(&["import", &path]);
    let text = cli.ok(&["limits", "7"]);
    assert!(text.contains("limits  of its own, instead of those of the plan\n\nWINDOW"), "{text}");
    assert!(text.contains("minute  120       evenly, full after 1m 12s\n"), "{text}");
    assert!(text.contains("month   5000      at the start of the month, UTC\n"), "{text}");
    let windows = &cli.json(&["limits", "7"])[0]["windows"];
    assert_eq!(windows[0], json!({ "name": "minute", "size": 120, "full_after_seconds": 72.0 }));
    assert_eq!(windows[1], json!({ "name": "month", "size": 5000, "calendar": "month", "time_zone": "UTC" }));
    assert_eq!(cli.run(&["limits", "key_nobody"]).code, 1);
}
