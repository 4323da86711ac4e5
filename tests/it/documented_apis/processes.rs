//! Several processes with one database and one Redis count their limits together.

use std::{
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tower_auth::{KeyRecord, KeyRegistry, KeyScheme, Peppers, PostgresKeyStore, Principal, Quota, limit::Limits};

use crate::support::{
    ak,
    folder::Folder,
    postgres,
    process::{free_address, until},
    redis,
    server::{PATIENCE, Reply, Server, example},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MODELS: &str = "GET /v1/models";
/// The machine may be busy, and a process that waits too long for Redis counts alone.
const PATIENT: [&str; 3] = ["--no-demo", "--limit-deadline", "60000"];

/// What the processes share.
struct Place {
    database: postgres::Database,
    redis: redis::Server,
    folder: Folder,
}

impl Place {
    async fn new() -> Option<Self> {
        let redis = redis::private(&[])?;
        Some(Self { database: postgres::database().await?, redis, folder: Folder::new("processes") })
    }

    fn secrets(&self) -> String {
        self.folder.path().join("peppers").display().to_string()
    }

    /// Makes a key with limits of its own, before the first process starts: another program must not change keys later.
    async fn key(&self, name: &str, quotas: impl IntoIterator<Item = Quota>) -> String {
        let store = PostgresKeyStore::from_pool(self.database.pool(1));
        store.migrate().await.unwrap();
        let scheme = KeyScheme::new(ak(), Peppers::from_file_or_create(self.secrets()).unwrap());
        let record = KeyRecord::new(format!("key_{name}"), "acct_demo").organizations(["org_demo"]).scopes(["read"]);
        let key = scheme.generate().unwrap();
        let registry = KeyRegistry::new(scheme, store);
        let record = record.limits(Limits::new(quotas).unwrap());
        registry.import(&Principal::builder("test").build(), name, &key, record).await.unwrap();
        format!("x-api-key: {}", key.expose())
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (secrets, redis) = (self.secrets(), self.redis.url());
        let shared =
            ["--database", &*self.database.url(), "--secrets", &*secrets, "--redis", &*redis].map(str::to_owned);
        shared.into_iter().chain(more.iter().map(ToString::to_string)).collect()
    }

    fn start(&self, name: &str, number: usize, more: &[&str]) -> Vec<Server> {
        let arguments = self.arguments(&[&PATIENT[..], more].concat());
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        (0..number).map(|_| Server::start(name, &arguments)).collect()
    }
}

fn quota(events: u32, days: u32) -> Quota {
    Quota::new(events, DAY * days).named(format!("{days}d"))
}

fn status(server: &Server, key: &str) -> u16 {
    server.request(MODELS, &[key], "").status
}

fn number(reply: &Reply, header: &str) -> u32 {
    reply.header(header)[0].parse().unwrap()
}

/// Eight clients of each process send so many requests. Returns how many requests were admitted; all others were refused.
fn load(servers: &[Server], key: &str, requests: usize) -> usize {
    let client = |server: &Server| {
        let all = (0..requests).map(|_| status(server, key)).inspect(|status| assert!([200, 429].contains(status)));
        all.filter(|status| *status == 200).count()
    };
    thread::scope(|scope| {
        let clients: Vec<_> = servers
            .iter()
            .flat_map(|server| (0..8).map(move |_| server))
            .map(|s| scope.spawn(move || client(s)))
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

/// How a Freddy server says that it counts.
fn limits(server: &Server) -> Value {
    server.request("GET /health", &[], "").json()["limits"].clone()
}

fn sum(servers: &[Server], name: &str) -> u64 {
    servers.iter().map(|server| limits(server)[name].as_u64().unwrap()).sum()
}

/// Refused, whatever the process says about the key.
fn is_spent(servers: &[Server], key: &str) -> bool {
    servers.iter().all(|server| {
        let reply = server.request(MODELS, &[key], "");
        reply.status == 429 && number(&reply, "x-ratelimit-remaining") == 0
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn four_processes_admit_one_limit_together() {
    let Some(place) = Place::new().await else { return };
    // The smallest window decides, wherever it stands. No request comes back within the test.
    let first = place.key("first", [quota(40, 10), quota(70, 30)]).await;
    let second = place.key("second", [quota(60, 1), quota(33, 30)]).await;
    let month = place.key("month", [quota(90, 30), Quota::per_calendar_month(25)]).await;
    for (name, lead) in [("freddy", first), ("aitronos", second)] {
        let servers = place.start(name, 4, &[]);
        let burst = if name == "freddy" { 40 } else { 33 };
        assert_eq!(load(&servers, &lead, 5), burst, "{name}");
        assert!(is_spent(&servers, &lead), "{name}");
        if name == "freddy" {
            assert_eq!((sum(&servers, "failures"), sum(&servers, "lost")), (0, 0));
            assert!(servers.iter().all(|server| limits(server)["counted"] == "together"));
            assert_eq!(limits(&servers[0])["mode"], "exact");
            assert_eq!(load(&servers, &month, 2), 25, "the database and Redis agree");
            assert!(is_spent(&servers, &month));
        } else {
            assert!(is_spent(&servers, &month), "both servers count the budget of a key");
        }
        for server in servers {
            let (status, _, log) = server.stop();
            assert!(status.success() && !log.contains("stopped before"), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_count_down_over_four_processes() {
    let Some(place) = Place::new().await else { return };
    // The budget is leased one by one: what another process has leased, and not used, is not shown as left.
    let key = place.key("key", [quota(12, 10), Quota::per_calendar_month(20)]).await;
    for name in ["freddy", "aitronos"] {
        let servers = place.start(name, 4, &[]);
        let from = if name == "freddy" { 12 } else { 6 };
        for (turn, server) in (from - 6..from).rev().zip(servers.iter().cycle()) {
            let reply = server.request(MODELS, &[&key], "");
            assert_eq!((reply.status, number(&reply, "x-ratelimit-limit")), (200, 12));
            assert_eq!(number(&reply, "x-ratelimit-remaining"), turn, "{name}");
        }
        for server in &servers {
            let shown = server.request("GET /v1/limits", &[&key], "").json();
            let windows = shown["limits"][0]["windows"].as_array().unwrap();
            let left: Vec<_> = windows.iter().map(|window| window["remaining"].as_u64().unwrap()).collect();
            assert_eq!(left, [u64::from(from) - 6, u64::from(from) + 2], "reading costs nothing: {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_admit_no_more_than_their_excess() {
    const BURST: u32 = 320;
    const PROCESSES: u32 = 4;
    let Some(place) = Place::new().await else { return };
    let key = place.key("key", [Quota::per_minute(BURST)]).await;
    let servers = place.start("freddy", 4, &["--limit-mode", "leased", "--processes", "4"]);
    assert_eq!(limits(&servers[0])["mode"], "leased");
    let begin = Instant::now();
    let admitted = load(&servers, &key, 25);
    let refilled = begin.elapsed().as_secs_f64() * f64::from(BURST) / 60.0;
    let leases = PROCESSES * (BURST / (PROCESSES * 4));
    let most = f64::from(BURST) + refilled + f64::from(leases);
    let admitted = u32::try_from(admitted).unwrap();
    assert!(f64::from(admitted) <= most, "{admitted} of at most {most}");
    assert!(admitted >= BURST - leases, "only what is leased can be missing: {admitted}");
    let questions = sum(&servers, "questions");
    assert!(questions < u64::from(admitted), "{questions} questions for {admitted} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_at_four_processes_have_one_budget() {
    const BUDGET: u32 = 20;
    let Some(place) = Place::new().await else { return };
    let key = place.key("key", [quota(100, 1)]).await;
    for name in ["freddy", "aitronos"] {
        // The other server begins with a full budget.
        let _: () = place.redis.ask(&["FLUSHALL"]);
        let budget = if name == "freddy" { BUDGET } else { 60 };
        let more: &[&str] = if name == "freddy" { &["--failures", "20"] } else { &[] };
        let servers = place.start(name, 4, more);
        let (begin, mut guesses) = (Instant::now(), 0);
        let mut guess = |server: &Server| {
            let wrong = format!("x-api-key: ak_{guesses:040}");
            let status = status(server, &wrong);
            assert!([401, 429].contains(&status), "{status}");
            guesses += u32::from(status == 401);
            status == 429
        };
        assert!(until(|| servers.iter().filter(|server| guess(server)).count() == 4), "{name}: {guesses}");
        // In this time, so many attempts came back.
        let most = f64::from(budget) * (1.0 + begin.elapsed().as_secs_f64() / 60.0);
        assert!(guesses >= budget && f64::from(guesses) <= most.ceil(), "{name}: {guesses} of at most {most}");
        if name == "freddy" {
            let body = r#"{"email":"demo@example.com","password":"wrong"}"#;
            let login = |server: &Server| server.request("POST /v1/auth/login", &[JSON], body).status;
            assert!(until(|| servers.iter().all(|server| login(server) == 429)), "the same budget");
        }
        // Whoever has a key found it before.
        drop(servers);
        let _: () = place.redis.ask(&["FLUSHALL"]);
        assert_eq!(status(&place.start(name, 1, &[])[0], &key), 200);
    }
}

const JSON: &str = "content-type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_costs_no_calendar_budget_and_opens_no_login() {
    let Some(mut place) = Place::new().await else { return };
    let empty = place.key("spent", [quota(8, 30)]).await;
    let begun = place.key("begun", [quota(8, 30)]).await;
    let fresh = place.key("fresh", [quota(8, 30)]).await;
    let month = place.key("month", [quota(100, 30), Quota::per_calendar_month(10)]).await;
    let servers = place.start("freddy", 2, &["--processes", "2"]);
    let body = r#"{"email":"demo@example.com","password":"wrong"}"#;
    let login = |server: &Server| server.request("POST /v1/auth/login", &[JSON], body).status;
    let spend = |key: &str, each: usize| {
        let all = servers.iter().flat_map(|server| (0..each).map(move |_| status(server, key)));
        all.filter(|status| *status == 200).count()
    };
    assert_eq!(servers.iter().map(login).collect::<Vec<_>>(), [401, 401]);
    assert_eq!([spend(&empty, 10), spend(&begun, 2), spend(&month, 3)], [8, 4, 6], "one limit");

    place.redis.kill();
    assert_eq!(spend(&month, 5), 4, "the database counts the budget of both");
    assert_eq!(spend(&begun, 10), 8, "each process counts its half alone");
    assert_eq!(spend(&empty, 10), 0, "what is spent stays spent");
    assert_eq!(servers.iter().map(login).collect::<Vec<_>>(), [503, 503]);
    assert!(servers.iter().all(|server| limits(server)["counted"] == "alone"));
    assert_eq!(spend(&month, 1), 0);

    place.redis.restart();
    assert!(until(|| servers.iter().all(|server| limits(server)["counted"] == "together")));
    assert_eq!(servers.iter().map(login).collect::<Vec<_>>(), [401, 401]);
    assert_eq!(spend(&fresh, 10), 8, "Redis counts for both again");
    assert_eq!(spend(&month, 2), 0, "the database has lost nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_cannot_count_is_explained_at_the_start() {
    let Some(place) = Place::new().await else { return };
    let run = |name: &str, arguments: &[String]| {
        let mut command = Command::new(example(name));
        let output = command.args(["--listen", "127.0.0.1:0"]).args(arguments).stdin(Stdio::null()).output().unwrap();
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let nowhere = format!("redis://:hunter2@{}", free_address());
    for name in ["freddy", "aitronos"] {
        let (code, said) = run(name, &place.arguments(&["--redis", &nowhere]));
        let helps = ["limits cannot be counted in Redis", "refused", "start without --redis"];
        let helps = helps.iter().all(|help| said.contains(help));
        assert!(code == Some(1) && helps && !said.contains("hunter2"), "{said}");
        for wrong in [&["--limit-mode", "fast"][..], &["--processes", "0"], &["--limit-deadline", "soon"]] {
            let (code, said) = run(name, &place.arguments(wrong));
            assert!(code == Some(2) && said.contains(wrong[0]), "{said}");
        }
        let (code, said) = run(name, &["--limit-mode", "leased"].map(str::to_owned));
        assert!(code == Some(2) && said.contains("need --redis"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_readme_start_two_processes() {
    const README: &str = include_str!("../../../README.md");
    let Some(place) = Place::new().await else { return };
    let section = README.split("### Several processes").nth(1).unwrap();
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    // cargo would wait for the test that runs this; and these servers and ports may be somebody's.
    let [database, redis] = [place.database.url(), format!("{} --limit-deadline 60000", place.redis.url())];
    let [first, second] = [(); 2].map(|()| free_address().port().to_string());
    let freddy = example("freddy").display().to_string();
    let replaced = [
        ("cargo build --quiet --example freddy\n", ""),
        ("cargo run --quiet --example freddy --", &*freddy),
        ("postgres://user:password@localhost/keys", &*database),
        ("redis://localhost", &*redis),
        ("8080", &*first),
        ("8081", &*second),
    ];
    let script = replaced.iter().fold(block.to_owned(), |script, (what, with)| {
        assert!(script.contains(what), "{what}");
        script.replace(what, with)
    });
    // A server that does not start would be waited for without end.
    let script = format!(
        "trap 'kill $first $second 2>/dev/null || true' EXIT; trap 'exit 1' TERM\n{script}wait $first && wait $second"
    );
    let patience = PATIENCE.as_secs().to_string();
    let mut shell = Command::new("timeout");
    shell.args([&*patience, "sh", "-eu", "-c", &*script]).current_dir(place.folder.path()).stdin(Stdio::null());
    let output = shell.output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{out}{err}");
    assert_eq!(out.matches("x-ratelimit-remaining: 9").count(), 4, "{out}");
    assert!(out.contains(r#""limits":{"counted":"together","mode":"exact""#), "{out}");
}
