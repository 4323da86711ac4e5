//! Log lines and decisions (p84): a line says which request lacked what, every fault leaves one line, an id of the
//! client's is kept where that is wanted, and no key is in any of it.

mod faults;
mod ids;
mod limits;
mod refusals;
mod secrets;

use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{ApiKeyLayer, Decision, KeyDigests, KeyRecord, KeyStore, MemoryKeyStore, StoreFuture};

use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, store},
};

const KEYED: (&str, &str) = ("x-api-key", KEY);

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"]).organizations(["acme"])
}

/// Keys whose store answers at once, or has to be waited for.
fn keys(slow: bool) -> ApiKeyLayer {
    let (scheme, store) = store(record());
    if slow { ApiKeyLayer::new(scheme, Slow(store)) } else { ApiKeyLayer::new(scheme, store) }
}

struct Slow(MemoryKeyStore);

impl KeyStore for Slow {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let found = self.0.find(key);
        StoreFuture::boxed(async {
            tokio::task::yield_now().await;
            found.await
        })
    }
}

/// The status of the answer, and all lines of this crate with a message of a refusal.
async fn lines<S, B>(service: S, request: Request<Body>) -> (u16, Vec<String>)
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let logs = Logs::capture();
    let response = service.oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    drop(response);
    let text = logs.text();
    let refused = text.lines().filter(|line| line.contains("tower_auth: request") && line.contains("refused"));
    (status, refused.map(str::to_owned).collect())
}

/// The one line of a refusal.
async fn line<L, S, B>(layer: &L, inner: S, request: Request<Body>) -> (u16, String)
where
    L: Layer<S>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
{
    let (status, mut lines) = lines(layer.layer(inner), request).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    (status, lines.remove(0))
}

#[track_caller]
fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[track_caller]
fn lacks(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(!line.contains(part), "{part} is in {line}");
    }
}

/// What an observer reads of the refusals that it receives.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn observer(&self) -> impl Fn(&Decision<'_>) + Send + Sync + 'static {
        let seen = Arc::clone(&self.0);
        move |decision| {
            if decision.rejection().is_none() {
                return;
            }
            seen.lock().unwrap().push(format!(
                "{} {} required={} limit={} plan={} client={} id={}",
                decision.method().map_or("-", http::Method::as_str),
                decision.path().unwrap_or_default(),
                decision.required().unwrap_or_default(),
                decision.limit_name().unwrap_or_default(),
                decision.plan().unwrap_or_default(),
                decision.client_ip().map(|client| client.to_string()).unwrap_or_default(),
                decision.request_id().map(|id| id.to_string()).unwrap_or_default(),
            ));
        }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A request of the key's holder.
fn keyed(method: &str, target: &str) -> Request<Body> {
    let mut request = get(target, &[KEYED]);
    *request.method_mut() = method.parse().unwrap();
    request
}
