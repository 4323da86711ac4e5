//! A client that goes away takes its request along, wherever that waits, and nobody else notices.

use std::time::Duration;

use http::{Method, Version};
use http_body_util::Full;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, sync::mpsc};
use tower_auth::{ApiKeyLayer, AuthStack, KeyDigests, KeyRecord, KeyScheme, KeyStore, StoreFuture};

use super::{
    Auth, Case, READER, UNKNOWN,
    client::ask,
    everywhere, rules,
    serve::{Dropped, Mount},
};

/// Far beyond what anything here takes: past it, something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

type Told = mpsc::UnboundedReceiver<&'static str>;

async fn next(told: &mut Told, case: &Case<'_>) -> &'static str {
    tokio::time::timeout(PATIENCE, told.recv()).await.unwrap_or_else(|_| panic!("{case}: nothing happens")).unwrap()
}

/// Asks, waits until somebody has begun to answer, and goes away.
async fn ask_and_go(case: &Case<'_>, path: &str, key: &str, told: &mut Told) {
    if case.version == Version::HTTP_11 {
        let mut connection = TcpStream::connect(case.address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(next(told, case).await, "begun", "{case}");
        return;
    }
    let request = case.request(Method::GET, path, &[("x-api-key", key)]).body(Full::default()).unwrap();
    tokio::select! {
        answer = ask(case.version, request) => panic!("{case}: {answer:?}"),
        begun = next(told, case) => assert_eq!(begun, "begun", "{case}"),
    }
}

#[tokio::test]
async fn a_dropped_connection_drops_the_handler() {
    let auth = Auth::new();
    let (slow, told) = mpsc::unbounded_channel();
    let mut mount = auth.mount();
    mount.slow = slow;
    let told = tokio::sync::Mutex::new(told);
    everywhere(&auth, &mount, async |case| {
        let mut told = told.lock().await;
        ask_and_go(case, "/v1/slow", READER, &mut told).await;
        assert_eq!(next(&mut told, case).await, "dropped", "{case}");
        assert_eq!(case.with_key("/v1/me", READER).await.told(), (200, "ann".to_owned()), "{case}");
    })
    .await;
}

/// Answers about one key for ever, and about all others at once.
struct Stuck {
    key: KeyDigests,
    told: mpsc::UnboundedSender<&'static str>,
}

impl KeyStore for Stuck {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        if key.as_slices() != self.key.as_slices() {
            let record = KeyRecord::new("key_1", "ann").scopes(["read"]);
            return StoreFuture::boxed(async {
                tokio::task::yield_now().await;
                Ok(Some(record))
            });
        }
        let told = self.told.clone();
        StoreFuture::boxed(async move {
            let _ = told.send("begun");
            let _dropped = Dropped(told);
            std::future::pending().await
        })
    }
}

#[tokio::test]
async fn a_dropped_connection_drops_the_lookup() {
    let (sender, told) = mpsc::unbounded_channel();
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let store = Stuck { key: scheme.digests(UNKNOWN.as_bytes()).unwrap(), told: sender };
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, store)).rules(rules()).build().unwrap();
    let (mount, auth) = (Mount::new(stack), Auth::new());
    let told = tokio::sync::Mutex::new(told);
    everywhere(&auth, &mount, async |case| {
        let mut told = told.lock().await;
        ask_and_go(case, "/v1/me", UNKNOWN, &mut told).await;
        assert_eq!(next(&mut told, case).await, "dropped", "{case}");
        assert_eq!(case.with_key("/v1/me", READER).await.told(), (200, "ann".to_owned()), "{case}");
    })
    .await;
}
