//! Alerts as signed webhooks: the sender of the example servers, and the example that receives them.

use std::{fs, net::SocketAddr, os::unix::fs::PermissionsExt, path::PathBuf, time::SystemTime};

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode},
    routing::post,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tower_auth::alerts::AlertFuture;

use super::*;
use crate::support::{
    folder::Folder,
    server::{Reply, Server},
};

/// The sender of the examples, as it is.
#[path = "../../../examples/common/webhook.rs"]
mod sender;

use sender::Webhook;

const RULES: [AlertRule; 1] = [AlertRule::LimitUsed { percent: 100 }];

/// A file with a secret, and the secret.
struct Secret {
    folder: Folder,
    bytes: Vec<u8>,
}

impl Secret {
    fn new() -> Self {
        let secret = Self { folder: Folder::new("webhook"), bytes: vec![7; 32] };
        fs::write(secret.file(), format!("whsec_{}\n", STANDARD.encode(&secret.bytes))).unwrap();
        fs::set_permissions(secret.file(), PermissionsExt::from_mode(0o600)).unwrap();
        secret
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.bytes).unwrap();
        mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// The error of a webhook that cannot be used.
fn refused(url: &str, file: &std::path::Path) -> String {
    Webhook::new(url, file).map(drop).unwrap_err().to_string()
}

/// A receiver that answers with the status of this function, and everything that it got.
async fn receiver(
    answer: impl Fn() -> StatusCode + Clone + Send + Sync + 'static,
) -> (SocketAddr, Arc<Mutex<Vec<(HeaderMap, String)>>>) {
    let got = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&got);
    let handler = async move |headers: HeaderMap, body: String| {
        all.lock().unwrap().push((headers, body));
        let location = HeaderValue::from_static("/elsewhere");
        (answer(), [("location", location)])
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().fallback(post(handler));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, got)
}

/// Alerts that are posted to this address.
fn posted(watched: &Watched, secret: &Secret, address: SocketAddr) -> Alerts {
    let webhook = Webhook::new(&format!("http://{address}/alerts"), &secret.file()).unwrap();
    watched.alerts.clone().deliver_to(move |alert| {
        let webhook = webhook.clone();
        AlertFuture::boxed(async move { webhook.post(&alert).await })
    })
}

/// A watched service with one alert that waits.
async fn waiting() -> Watched {
    let watched = Watched::with(&RULES, [Quota::per_calendar_day(1)]).await;
    let key = watched.key("key_1").await;
    watched.ask(1, &key).await;
    watched.usage.flush().await.unwrap();
    watched.alerts.check().await.unwrap();
    watched
}

#[tokio::test]
async fn an_alert_is_posted_with_the_headers_of_the_standard() {
    let (watched, secret) = (waiting().await, Secret::new());
    let (address, got) = receiver(|| StatusCode::NO_CONTENT).await;
    let (before, alerts) = (seconds(), posted(&watched, &secret, address));
    assert_eq!(alerts.deliver().await.unwrap(), 1);
    let (headers, body) = got.lock().unwrap().pop().unwrap();
    let alert = alerts.list(&organization(), 1).await.unwrap().remove(0).alert;
    let header = |name: &str| headers[name].to_str().unwrap();
    let timestamp: u64 = header("webhook-timestamp").parse().unwrap();
    assert!((before..=seconds()).contains(&timestamp), "in seconds: {timestamp}");
    assert_eq!((header("webhook-id"), header("content-type")), (&*alert.id, "application/json"));
    assert_eq!(header("webhook-signature"), secret.sign(&alert.id, timestamp, &body));
    let data = alert.to_json();
    let expected = json!({ "type": "key.limit_used", "timestamp": data["at"], "data": data });
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
}

/// A test vector of the specification's own libraries.
#[test]
fn the_signature_is_that_of_the_standard() {
    let text = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let secret = Secret { bytes: STANDARD.decode(text).unwrap(), ..Secret::new() };
    let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn a_receiver_that_answers_500_for_a_day_gets_the_alert_then() {
    let (watched, secret) = (waiting().await, Secret::new());
    let (start, clock) = (watched.clock.now(), watched.clock.clone());
    let is_up = move || clock.now().duration_since(start).unwrap() >= DAY;
    let answer = move || if is_up() { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    let (address, got) = receiver(answer).await;
    let alerts = posted(&watched, &secret, address);
    let mut delivered = Vec::new();
    for hour in 0..48 {
        if alerts.deliver().await.is_ok_and(|count| count == 1) {
            delivered.push(hour);
        }
        watched.clock.advance(HOUR);
    }
    assert!(matches!(&*delivered, [hour] if (24..=36).contains(hour)), "{delivered:?}");
    let got = got.lock().unwrap();
    assert!((4..=12).contains(&got.len()), "{} attempts are not a flood", got.len());
    let same =
        |(headers, body): &(HeaderMap, String)| headers["webhook-id"] == got[0].0["webhook-id"] && *body == got[0].1;
    assert!(got.iter().all(same), "each time with the same id and the same body");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_success() {
    for status in [StatusCode::TEMPORARY_REDIRECT, StatusCode::UNAUTHORIZED, StatusCode::NOT_FOUND] {
        let (watched, secret) = (waiting().await, Secret::new());
        let (address, got) = receiver(move || status).await;
        let error = posted(&watched, &secret, address).deliver().await.unwrap_err().to_string();
        assert!(error.contains(status.as_str()), "{error}");
        assert_eq!(got.lock().unwrap().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_slow_receiver_gets_the_alert_again() {
    let (watched, secret) = (waiting().await, Secret::new());
    // It accepts connections and never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let slow = posted(&watched, &secret, listener.local_addr().unwrap());
    let task = tokio::spawn(async move { slow.deliver().await });
    let (connection, _) = listener.accept().await.unwrap();
    // The library waits by its own clock.
    while !task.is_finished() {
        watched.clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    assert!(task.await.unwrap().is_err());
    drop(connection);
    let (address, got) = receiver(|| StatusCode::OK).await;
    watched.clock.advance(MINUTE);
    assert_eq!(posted(&watched, &secret, address).deliver().await.unwrap(), 1);
    assert_eq!(got.lock().unwrap().len(), 1);
}

#[test]
fn a_url_or_a_secret_that_cannot_be_used_is_told_at_the_start() {
    let secret = Secret::new();
    for (url, what) in [
        ("http://alerts.example.com/", "use https://"),
        ("http://192.0.2.1/", "use https://"),
        ("http://localhost.example.com/", "use https://"),
        ("https://user:hunter2@alerts.example.com/", "user name"),
        ("ftp://alerts.example.com/", "full URL"),
        ("/alerts?token=hunter2", "no host"),
        ("", "no URL"),
    ] {
        let error = refused(url, &secret.file());
        assert!(error.contains(what) && !error.contains("hunter2"), "{url}: {error}");
    }
    for url in ["https://alerts.example.com/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost/"] {
        assert!(Webhook::new(url, &secret.file()).is_ok(), "{url}");
    }
    let url = "https://alerts.example.com/";
    for text in ["", "hunter2", "whsec_", "whsec_hunter2!", "whsec_c2hvcnQ="] {
        fs::write(secret.file(), text).unwrap();
        let error = refused(url, &secret.file());
        assert!(error.contains("whsec_") && !error.contains("hunter2"), "{text}: {error}");
    }
    fs::set_permissions(secret.file(), PermissionsExt::from_mode(0o644)).unwrap();
    assert!(refused(url, &secret.file()).contains("chmod 600"));
    fs::remove_file(secret.file()).unwrap();
    assert!(Webhook::new(url, &secret.file()).is_ok());
    let text = fs::read_to_string(secret.file()).unwrap();
    let mode = fs::metadata(secret.file()).unwrap().permissions().mode();
    assert!(text.starts_with("whsec_") && mode & 0o777 == 0o600, "{mode:o}");
    assert!(Webhook::new(url, &secret.file()).is_ok());
    assert_eq!(fs::read_to_string(secret.file()).unwrap(), text, "the next start uses it");
}

/// Sends a webhook to the example.
fn send(server: &Server, id: &str, timestamp: u64, signature: &str, body: &str) -> Reply {
    let lines = [
        format!("webhook-id: {id}"),
        format!("webhook-timestamp: {timestamp}"),
        format!("webhook-signature: {signature}"),
    ];
    server.request("POST /", &lines.each_ref().map(|line| &**line), body)
}

#[test]
fn the_example_receiver_takes_what_is_genuine_and_new() {
    let (secret, wrong) = (Secret::new(), Secret { bytes: vec![8; 32], ..Secret::new() });
    let server = Server::start("webhook_receiver", &["--secret", &secret.file().display().to_string()]);
    let (now, body) = (seconds(), r#"{"type":"key.idle"}"#);
    let signed = |id: &str, at: u64| secret.sign(id, at, body);
    assert_eq!(send(&server, "a", now, &wrong.sign("a", now, body), body).status, 401, "a wrong secret");
    assert_eq!(send(&server, "a", now, &signed("a", now), "{}").status, 401, "a changed body");
    assert_eq!(send(&server, "b", now, &signed("a", now), body).status, 401, "a changed id");
    assert_eq!(send(&server, "a", now + 1, &signed("a", now), body).status, 401, "a changed timestamp");
    for at in [now - 400, now + 400] {
        assert_eq!(send(&server, "a", at, &signed("a", at), body).status, 401, "an old timestamp");
    }
    for signature in ["", "v1,", "v1a,AAAA", &signed("a", now)[3..]] {
        assert_eq!(send(&server, "a", now, signature, body).status, 401, "{signature:?}");
    }
    assert_eq!(server.request("POST /", &[], body).status, 401, "no headers");
    let both = format!("v1,AAAA {}", signed("a", now));
    assert_eq!(send(&server, "a", now, &both, body).status, 200, "one of two signatures is right");
    assert_eq!(send(&server, "a", now, &signed("a", now), body).status, 208, "a replay");
    assert_eq!(send(&server, "b", now, &signed("b", now), body).status, 200);
    let (_, printed, log) = server.stop();
    assert_eq!(printed, format!("{body}\n{body}\n"), "each once: {log}");
}

#[test]
fn the_example_receiver_gets_the_alerts_of_freddy() {
    let secret = Secret::new();
    let file = secret.file().display().to_string();
    let receiver = Server::start("webhook_receiver", &["--secret", &file]);
    let url = format!("{}/", receiver.ready()["listening"].as_str().unwrap());
    let freddy = Server::start("freddy", &["--alerts-webhook", &url, "--alerts-secret", &file]);
    let admin = format!("x-api-key: {}", freddy.demo("admin"));
    let headers = [&*admin, "content-type: application/json"];
    let rules = json!({ "rules": [AlertRule::Refusals { per_hour: 1 }.to_json()] }).to_string();
    assert_eq!(freddy.request("PUT /v1/organizations/org_demo/alerts", &headers, &rules).status, 200);
    assert_eq!(freddy.with_key("GET /v1/models", "webhook").status, 403);
    // A stop writes the usage, looks for alerts and delivers them.
    let (status, _, log) = freddy.stop();
    assert!(status.success(), "{log}");
    let (_, printed, _) = receiver.stop();
    let alert: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("one alert, not {printed:?}: {log}"));
    assert_eq!((&alert["type"], &alert["data"]["key_id"]), (&"key.refusals".into(), &"key_webhook".into()));
}
