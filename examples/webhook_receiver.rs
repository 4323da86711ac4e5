//! Receives the alerts of the example servers: signed webhooks, as the Standard Webhooks specification has them.
//!
//! ```sh
//! cargo run --example webhook_receiver -- --listen 127.0.0.1:8090 --secret webhook.txt
//! cargo run --example freddy -- --alerts-webhook http://127.0.0.1:8090/ --alerts-secret webhook.txt
//! ```
//!
//! `webhook.txt` must exist: `(umask 077; echo "whsec_$(openssl rand -base64 32)" > webhook.txt)`.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, http::StatusCode, routing::post};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::net::TcpListener;
use tower_auth::BoxError;

/// How far the clocks of sender and receiver may be apart, in seconds.
const TOLERANCE: u64 = 5 * 60;

#[derive(Clone)]
struct Receiver {
    secret: Hmac<Sha256>,
    /// The ids that were seen. A service keeps them where a restart does not lose them, for as long as the sender retries.
    seen: Arc<Mutex<HashSet<String>>>,
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let words: Vec<String> = std::env::args().collect();
    let option = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1));
    let file = option("--secret").ok_or("--secret FILE is missing: the file of the sender's --alerts-secret")?;
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {file}: {error}"))?;
    let secret = text.trim().strip_prefix("whsec_").ok_or_else(|| format!("{file} does not begin with whsec_"))?;
    let secret = Hmac::new_from_slice(&STANDARD.decode(secret).map_err(|_| format!("{file} has no base64"))?)?;
    let app = Router::new().route("/", post(receive)).with_state(Receiver { secret, seen: Arc::default() });
    let listener = TcpListener::bind(option("--listen").map_or("127.0.0.1:8090", |listen| listen)).await?;
    println!("{{\"listening\":\"http://{}\"}}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Prints an alert that is genuine and new. A repeated id is answered 2xx, because it tells the sender not to try again.
async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let Some(id) = genuine(&receiver.secret, &headers, &body) else { return StatusCode::UNAUTHORIZED };
    if !receiver.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(id) {
        return StatusCode::ALREADY_REPORTED;
    }
    println!("{}", String::from_utf8_lossy(&body));
    StatusCode::OK
}

/// Returns the id if the signature is right and the timestamp is of now. During a change of the secret, a sender may send several
/// signatures.
fn genuine(secret: &Hmac<Sha256>, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let mut expected = secret.clone();
    expected.update(format!("{id}.{timestamp}.").as_bytes());
    expected.update(body);
    let signatures = header("webhook-signature")?.split(' ').filter_map(|one| one.strip_prefix("v1,"));
    let mut signatures = signatures.filter_map(|one| STANDARD.decode(one).ok());
    // `verify_slice` takes the same time wherever two signatures differ.
    let is_signed = signatures.any(|one| expected.clone().verify_slice(&one).is_ok());
    (is_signed && now.abs_diff(timestamp.parse().ok()?) <= TOLERANCE).then(|| id.to_owned())
}
