//! The servers with their keys in a database: restarts, several processes, and a database that goes away.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    sync::Arc,
};

use serde_json::{Value, json};
use tower_auth::{
    KeyFormat, KeyRegistry, KeyScheme, PostgresKeyStore, Principal, SqliteKeyStore,
    registry::{AuditFilter, AuditRow, KeyAction, RegistryStore},
};

use crate::support::{
    folder::Folder,
    postgres,
    process::{free_address, until},
    server::{Reply, Server, example},
};

const JSON: &str = "Content-Type: application/json";
const KEYS: &str = "/v1/organizations/org_demo/api-keys";

/// A database and the file of the peppers.
pub(super) struct Place {
    pub(super) url: String,
    folder: Folder,
    database: Option<postgres::Database>,
}

impl Place {
    fn sqlite() -> Self {
        let folder = Folder::new("servers");
        Self { url: format!("sqlite:{}", folder.path().join("keys.db").display()), folder, database: None }
    }

    /// One of each kind that this machine has.
    pub(super) async fn all() -> Vec<Self> {
        let mut all = vec![Self::sqlite()];
        if let Some(database) = postgres::database().await {
            all.push(Self { url: database.url(), folder: Folder::new("servers"), database: Some(database) });
        }
        all
    }

    fn secrets(&self) -> String {
        self.folder.path().join("peppers").display().to_string()
    }

    pub(super) fn start(&self, name: &str, more: &[&str]) -> Server {
        Server::start(name, &[&["--database", &*self.url, "--secrets", &self.secrets()], more].concat())
    }

    /// The whole audit log.
    async fn audit(&self) -> Vec<AuditRow> {
        let store: Arc<dyn RegistryStore> = match &self.database {
            Some(database) => Arc::new(PostgresKeyStore::from_pool(database.pool(1))),
            None => Arc::new(SqliteKeyStore::open(self.url.strip_prefix("sqlite:").unwrap()).unwrap()),
        };
        let registry = KeyRegistry::new(KeyScheme::ephemeral(KeyFormat::opaque(20)), store);
        registry.audit(&Principal::builder("test").build(), &AuditFilter::all()).await.unwrap().items
    }
}

fn models(server: &Server, key: &str) -> (u16, String) {
    let reply = server.request("GET /v1/models", &[&format!("x-api-key: {key}")], "");
    (reply.status, if reply.status == 200 { String::new() } else { reply.code() })
}

fn good() -> (u16, String) {
    (200, String::new())
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

/// A request about keys, by the admin of the server that made the demo keys.
fn admin(server: &Server, demo: &Server, line: &str, body: &str) -> Reply {
    server.request(line, &[&format!("x-api-key: {}", demo.demo("admin")), JSON], body)
}

fn create(server: &Server, demo: &Server) -> Value {
    let body = r#"{"key_name":"ci","metadata":{"team":"a"},"expires_at":"2099-01-01T00:00:00Z"}"#;
    let reply = admin(server, demo, &format!("POST {KEYS}"), body);
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn keys_outlive_a_restart_and_demo_keys_do_not() {
    for place in Place::all().await {
        let first = place.start("freddy", &[]);
        let key = create(&first, &first);
        let rotated = create(&first, &first);
        let path = format!("POST {KEYS}/{}/rotate?overlap=3600", text(&rotated["id"]));
        let successor = admin(&first, &first, &path, "").json();
        let old = first.ready()["demo"].clone();
        let (status, _, log) = first.stop();
        assert!(status.success() && !log.contains("stopped before"), "{log}");

        let second = place.start("freddy", &[]);
        for key in [&key["key"], &rotated["key"], &successor["new_key"]["key"]] {
            assert_eq!(models(&second, text(key)), good());
        }
        for name in ["read", "write", "admin", "webhook", "premium", "paused", "suspended", "limited"] {
            assert_eq!(models(&second, text(&old[name])), refused("INVALID_API_KEY"), "{name}");
        }
        assert_eq!(models(&second, second.demo("read")), good());
        assert_eq!(models(&second, second.demo("suspended")), refused("ACCOUNT_SUSPENDED"));

        let listed = admin(&second, &second, &format!("GET {KEYS}"), "").json();
        assert_eq!(listed["total_count"], 11 + 3, "the demo keys of the first start are not listed");
        let mut shown = key.clone();
        shown.as_object_mut().unwrap().shift_remove("key");
        assert!(listed["api_keys"].as_array().unwrap().contains(&shown), "with its notes and its expiry");
    }
}

#[tokio::test]
async fn a_rotated_demo_key_ends_with_its_successors() {
    for place in Place::all().await {
        let first = place.start("freddy", &[]);
        let listed = admin(&first, &first, &format!("GET {KEYS}"), "").json();
        let named = |name: &str| {
            let key = listed["api_keys"].as_array().unwrap().iter().find(|key| key["key_name"] == name).unwrap();
            text(&key["id"]).to_owned()
        };
        let rotate = |id: &str, overlap: u32| {
            let reply = admin(&first, &first, &format!("POST {KEYS}/{id}/rotate?overlap={overlap}"), "");
            assert_eq!(reply.status, 200, "{}", reply.body);
            reply.json()["new_key"].clone()
        };
        // One that is valid beside its successor, and one whose first two are deleted.
        let kept = rotate(&named("read"), 3600);
        let middle = rotate(&named("webhook"), 0);
        let last = rotate(text(&middle["id"]), 0);
        assert_eq!(models(&first, text(&kept["key"])), good());
        drop(first);

        let second = place.start("freddy", &[]);
        for key in [&kept, &middle, &last] {
            assert_eq!(models(&second, text(&key["key"])), refused("INVALID_API_KEY"), "{}", key["key_name"]);
        }
        assert_eq!(admin(&second, &second, &format!("GET {KEYS}"), "").json()["total_count"], 11);
    }
}

#[test]
fn a_start_that_fails_changes_no_key() {
    let place = Place::sqlite();
    let server = place.start("freddy", &[]);
    let taken = server.ready()["listening"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
    let storage = ["--database", &*place.url, "--secrets", &place.secrets()].map(str::to_owned);
    let fails = |name: &str, more: &[&str]| {
        let output = Command::new(example(name)).args(&storage).args(more).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{more:?}: {said}");
        said
    };
    for name in ["freddy", "halfred", "ai_api"] {
        let said = fails(name, &["--listen", &taken]);
        assert!(said.contains(&taken) && said.contains("--listen"), "{said}");
    }
    let free = ["--listen", "127.0.0.1:0"];
    fails("freddy", &[&free[..], &["--trust-proxy", "everywhere"]].concat());
    fails("freddy", &[&free[..], &["--failures", "0"]].concat());
    let issuer = ["--jwks", "/no/such/file", "--issuer", "https://id.example.com/", "--audience", "api"];
    fails("freddy", &[&free[..], &issuer].concat());
    assert_eq!(models(&server, server.demo("read")), good(), "the demo keys of the running server are valid");
}

#[tokio::test]
async fn processes_share_a_database() {
    for place in Place::all().await {
        let first = place.start("freddy", &[]);
        let key = create(&first, &first);
        let before = place.audit().await;
        let second = place.start("freddy", &["--no-demo"]);
        assert_eq!(second.ready()["demo"], json!({}));
        assert_eq!(place.audit().await, before, "a start without a demo changes nothing");
        for server in [&first, &second] {
            assert_eq!(models(server, text(&key["key"])), good());
            assert_eq!(models(server, first.demo("read")), good());
        }
        let path = format!("{KEYS}/{}", text(&key["id"]));
        for (action, code) in [("POST pause", "API_KEY_PAUSED"), ("DELETE", "INVALID_API_KEY")] {
            let line = match action.split_once(' ') {
                Some((method, action)) => format!("{method} {path}/{action}"),
                None => format!("{action} {path}"),
            };
            assert_eq!(admin(&second, &first, &line, "").status, 200);
            assert_eq!(models(&first, text(&key["key"])), refused(code), "by the very next request");
        }
    }
}

#[tokio::test]
async fn the_audit_log_says_who_changed_a_key_and_from_where() {
    let place = Place::sqlite();
    let server = place.start("freddy", &["--trust-proxy", "127.0.0.1/32"]);
    let key = format!("x-api-key: {}", server.demo("admin"));
    let reply = server.request(
        &format!("POST {KEYS}"),
        &[&key, JSON, "x-forwarded-for: 203.0.113.9, 192.0.2.7"],
        r#"{"key_name":"ci"}"#,
    );
    let direct = admin(&server, &server, &format!("POST {KEYS}"), r#"{"key_name":"cd"}"#);
    let rows = place.audit().await;
    let created: Vec<&AuditRow> = rows.iter().filter(|row| row.action == KeyAction::Created).collect();
    let seen = |row: &AuditRow| {
        (
            row.actor.clone(),
            row.address.map(|address| address.to_string()),
            row.request_id.clone().into_iter().collect(),
        )
    };
    let expected = |reply: &Reply, address: &str| {
        let id: Vec<String> = reply.header("x-request-id").into_iter().map(str::to_owned).collect();
        ("acct_demo".to_owned(), Some(address.to_owned()), id)
    };
    assert_eq!(seen(created[0]), expected(&reply, "192.0.2.7"));
    assert_eq!(seen(created[1]), expected(&direct, "127.0.0.1"));
}

#[test]
fn the_files_hold_no_key_and_are_their_owners() {
    let place = Place::sqlite();
    let server = place.start("freddy", &[]);
    let created = create(&server, &server);
    let demo = server.ready()["demo"].as_object().unwrap().values().map(text);
    let keys: Vec<&str> = demo.chain([text(&created["key"])]).filter(|key| key.starts_with("ak_")).collect();
    assert_eq!(keys.len(), 12);
    let files = place.folder.files();
    assert!(files.len() >= 2, "{files:?}");
    let mut held = 0;
    for file in files {
        let bytes = fs::read(&file).unwrap();
        let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        held += usize::from(holds(text(&created["id"])));
        for key in &keys {
            assert!(!holds(&key[3..20]) && !holds(&key[23..]), "{}", file.display());
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
    }
    assert!(held > 0, "the id is in the file");
}

#[test]
fn what_cannot_be_opened_is_explained_at_the_start() {
    let place = Place::sqlite();
    let run = |name: &str, arguments: &[&str]| {
        let output = Command::new(example(name))
            .args(["--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for name in ["freddy", "halfred", "ai_api"] {
        let (code, said) = run(name, &["--database", &place.url]);
        assert!(code == Some(2) && said.contains("--database needs --secrets FILE"), "{said}");
    }
    let secrets = place.secrets();
    let down = format!("postgres://me:hunter2@{}/keys", free_address());
    let nowhere = format!("sqlite:{}", place.folder.path().join("no/keys.db").display());
    for (url, help) in [(&*down, "--database"), (&nowhere, "create the folder"), ("mysql://x", "sqlite:PATH")] {
        let (code, said) = run("freddy", &["--database", url, "--secrets", &secrets]);
        assert!(code == Some(1) && said.contains(help) && !said.contains("hunter2"), "{said}");
    }
    assert_eq!(fs::metadata(&secrets).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = run("freddy", &["--database", &place.url, "--secrets", &secrets]);
    assert!(code == Some(1) && said.contains("chmod 600"), "{said}");
}

#[test]
fn a_database_that_goes_away_and_comes_back_needs_no_restart() {
    let Some(mut postgres) = postgres::private(&[]) else { return };
    let database = postgres.database();
    let folder = Folder::new("servers");
    let secrets = folder.path().join("peppers").display().to_string();
    let server = Server::start("freddy", &["--database", &database.url(), "--secrets", &secrets]);
    let read = server.demo("read").to_owned();
    assert_eq!(models(&server, &read), good());
    postgres.stop();
    assert_eq!(models(&server, &read), (503, "SERVICE_UNAVAILABLE".to_owned()));
    assert_eq!(server.request("GET /health", &[], "").status, 200);
    let token = format!("authorization: Bearer {}", server.demo("token"));
    assert_eq!(server.request("GET /v1/models", &[&token], "").status, 503, "nobody knows whether it was revoked");
    postgres.start();
    assert!(until(|| models(&server, &read) == good()));
    let (status, _, log) = server.stop();
    assert!(status.success() && !log.contains(&read[3..39]), "{log}");
}

#[test]
fn the_other_servers_keep_their_keys_too() {
    let place = Place::sqlite();
    let bearer = |key: &str| format!("Authorization: Bearer {key}");
    let status = |server: &Server, key: &str| server.request("GET /v1/models", &[&bearer(key)], "").status;

    let server = place.start("halfred", &[]);
    let (demo, project) = (server.demo("key").to_owned(), server.demo("project").to_owned());
    let path = format!("POST /v1/projects/{project}/key/replace");
    let new = server.request(&path, &[&bearer(&demo), "content-length: 0"], "").json();
    drop(server);
    let server = place.start("halfred", &["--no-demo"]);
    assert_eq!([text(&new["key"]), &demo].map(|key| status(&server, key)), [200, 401]);
    drop(server);
    let server = place.start("halfred", &[]);
    assert_ne!(server.demo("project"), project, "a project has one key");
    let keys = [text(&new["key"]), server.demo("key"), &demo];
    assert_eq!(keys.map(|key| status(&server, key)), [401, 200, 401], "the key that replaced a demo key is one");
    drop(server);

    let place = Place::sqlite();
    let server = place.start("ai_api", &[]);
    let admin = server.demo("admin").to_owned();
    let body = r#"{"name":"production","permissions":["read"]}"#;
    let new = server.request("POST /v1/keys", &[&bearer(&admin), JSON], body).json();
    drop(server);
    let server = place.start("ai_api", &[]);
    let keys = [text(&new["data"]["key"]), server.demo("read"), &admin];
    assert_eq!(keys.map(|key| status(&server, key)), [200, 200, 401]);
}
