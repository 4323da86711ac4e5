//! p83: what somebody else has to answer is waited for within a time limit, whatever runtime polls the request.

mod clocks;
mod parts;

use std::{
    convert::Infallible,
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use tower::{Layer, Service, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthStack, Authenticator, BoxError, KeyDigests, KeyRecord, KeyStore, Limiter,
    MaybeReady, Permission, Principal, Rejection, RejectionKind, RequestHead, StoreFuture,
    limit::{BucketKey, LimitFuture, LimitTime, Limits, Reservation},
    permission::PermissionFuture,
    token::{Claims, TokenRevocation, TokenStatus},
};

use crate::support::{Body, KEY, Strict, get, store, strict};

/// So short that a test may really wait for it.
const SHORT: Duration = Duration::from_millis(50);
const SECOND: Duration = Duration::from_secs(1);

/// What is asked and never answers, or not before some time of tokio's. It counts who waits for it.
#[derive(Clone, Default)]
struct Hangs {
    waiting: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    answers_after: Option<Duration>,
}

impl Hangs {
    fn after(time: Duration) -> Self {
        Self { answers_after: Some(time), ..Self::default() }
    }

    fn wait<T: Send + 'static>(&self, answer: T) -> MaybeReady<T> {
        let (asked, waiting, after) = (Arc::clone(&self.asked), Arc::clone(&self.waiting), self.answers_after);
        MaybeReady::boxed(async move {
            asked.fetch_add(1, Ordering::SeqCst);
            waiting.fetch_add(1, Ordering::SeqCst);
            let _waiting = Waiting(waiting);
            match after {
                Some(after) => tokio::time::sleep(after).await,
                None => pending().await,
            }
            answer
        })
    }

    /// Asked so often, and nobody waits for it any more.
    #[track_caller]
    fn assert_given_up(&self, asked: usize) {
        let counts = (self.asked.load(Ordering::SeqCst), self.waiting.load(Ordering::SeqCst));
        assert_eq!(counts, (asked, 0));
    }
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"]).organizations(["acme"])
}

impl KeyStore for Hangs {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.wait(Ok(Some(record())))
    }
}

impl TokenRevocation for Hangs {
    fn status(&self, _: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.wait(Ok(TokenStatus::Valid))
    }
}

impl Permission for Hangs {
    fn check(&self, _: &Principal, _: &RequestHead<'_>) -> PermissionFuture {
        self.wait(true.into())
    }

    fn describe(&self) -> String {
        "owner of the file".to_owned()
    }
}

impl Limiter for Hangs {
    fn decide(&self, _: BucketKey, _: &Limits, _: u32, _: LimitTime) -> LimitFuture {
        self.wait(Err("too late to matter".into()))
    }

    fn refund(&self, _: BucketKey, _: &Reservation, _: LimitTime) {}
}

/// A method of a service's own.
impl Authenticator for Hangs {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        self.wait(tower_auth::AuthOutcome::Authenticated(Principal::builder("alice").build()))
    }

    fn challenge(&self) -> &'static str {
        "Mutual realm=\"mesh\""
    }
}

fn keys(keys: &Hangs) -> ApiKeyLayer {
    ApiKeyLayer::new(store(record()).0, keys.clone())
}

/// Keys that are known at once.
fn ready_keys() -> ApiKeyLayer {
    let (scheme, store) = store(record());
    ApiKeyLayer::new(scheme, store)
}

fn request() -> Request<Body> {
    let mut request = get("/files/1", &[("x-api-key", KEY)]);
    request.extensions_mut().insert(tower_auth::PeerAddr([192, 0, 2, 1].into()));
    request
}

type Handler = Strict<fn(Request<Body>) -> Response<Body>>;

/// What a service in this layer, which answers 200, makes of a request.
fn ask<L, B>(layer: &L, request: Request<Body>) -> impl Future<Output = Told> + use<L, B>
where
    L: Layer<Handler>,
    L::Service: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Data = Bytes>,
{
    let inner: fn(Request<Body>) -> Response<Body> = |_| Response::new(Body::default());
    let answering = layer.layer(strict(inner)).oneshot(request);
    async move {
        let response = answering.await.unwrap();
        let refusal = Rejection::of(&response);
        Told {
            status: response.status().as_u16(),
            kind: refusal.map(Rejection::kind),
            layer: refusal.and_then(Rejection::layer),
            cause: refusal.and_then(|refusal| Some(refusal.private_cause()?.to_string())),
            retry_after: response.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned()),
            challenged: response.headers().contains_key("www-authenticate"),
        }
    }
}

#[derive(Debug)]
struct Told {
    status: u16,
    kind: Option<RejectionKind>,
    layer: Option<&'static str>,
    cause: Option<String>,
    retry_after: Option<String>,
    challenged: bool,
}

impl Told {
    /// 503 with `Retry-After`, never 401 or 403, and a cause that says who did not answer, and within which time.
    #[track_caller]
    fn assert_late(&self, layer: &str, what: &str, limit: &str) {
        let told = (self.status, self.kind, self.retry_after.as_deref(), self.challenged, self.layer);
        assert_eq!(told, (503, Some(RejectionKind::Unavailable), Some("1"), false, Some(layer)), "{self:?}");
        assert_eq!(self.cause.as_deref(), Some(&*format!("{what} did not answer within {limit}")));
    }
}

fn stack(auth: impl Into<AuthLayer>) -> AuthStack {
    AuthStack::builder().auth(auth).decision_timeout(SHORT).build().unwrap()
}
