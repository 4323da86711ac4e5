//! The same stack, unchanged, on axum, tonic and bare hyper, over real sockets, HTTP/1.1 and HTTP/2.
//!
//! A test says what is answered once; [`everywhere`] asks it of every host in both versions. The order of layers is
//! that of the documents: CORS outside of the stack, tracing inside.

mod cancellation;
mod cors;
mod credentials;
mod envelope;
mod grpc;
mod grpc_web;
mod hostile;
mod paths;
mod peers;
mod serve;

#[path = "../../../examples/pb/inventory.rs"]
#[rustfmt::skip]
pub(crate) mod pb;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderName, Method, Request, Version};
use http_body_util::Full;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, ErrorEnvelopeLayer, KeyRecord, KeyScheme, MemoryKeyStore, RejectionKind, Rules,
    permission::scope, testing::FlakyKeyStore,
};

use serve::{Host, Mount};

use crate::support::client::{self, Answer, ask};

/// The key of ann, who may read.
const READER: &str = "ak_readreadreadreadreadreadreadreadreadread";
/// The key of bob, who may read and write.
const WRITER: &str = "ak_writewritewritewritewritewritewritewrite";
/// Well-formed, and nobody's.
const UNKNOWN: &str = "ak_0000000000000000000000000000000000000000";
/// A header by which a client could claim to be somebody.
const CLAIM: &str = "x-authenticated-user";

/// What the observer received about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    kind: Option<RejectionKind>,
    layer: &'static str,
    subject: Option<String>,
    peer: Option<IpAddr>,
    trace_id: Option<String>,
}

/// One stack, and what a test wants to know and to break behind it.
struct Auth {
    stack: AuthStack,
    store: FlakyKeyStore,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Auth {
    fn new() -> Self {
        Self::with(|auth| auth)
    }

    /// The stack with something said about its methods.
    fn with(change: impl FnOnce(AuthLayer) -> AuthLayer) -> Self {
        Self::ruled(change, rules())
    }

    /// One that lets preflights pass, with a table that says nothing of OPTIONS.
    fn passing_preflights() -> Self {
        let rules = Rules::new().public("GET /health").require("GET /v1/me", scope("read"));
        Self::ruled(AuthLayer::allow_preflight, rules.require("POST /v1/me", scope("write")))
    }

    fn ruled(change: impl FnOnce(AuthLayer) -> AuthLayer, rules: Rules) -> Self {
        let (scheme, keys) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
        let writer = KeyRecord::new("key_2", "bob").scopes(["read", "write"]).organizations(["acme"]);
        keys.insert(&scheme, READER, KeyRecord::new("key_1", "ann").scopes(["read"])).unwrap();
        keys.insert(&scheme, WRITER, writer).unwrap();
        let store = FlakyKeyStore::new(keys);
        let methods = ApiKeyLayer::new(scheme, store.clone()).header("x-api-key").bearer();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let stack = AuthStack::builder()
            .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors().or_problem_json().grpc_domain("hosts.test"))
            .auth(change(AuthLayer::first(methods).strip_headers([HeaderName::from_static(CLAIM)])))
            .rules(rules)
            .on_decision(move |decision| {
                told.lock().unwrap().push(Seen {
                    kind: decision.kind(),
                    layer: decision.layer(),
                    subject: decision.principal().map(|who| who.subject().to_owned()),
                    peer: decision.peer_ip(),
                    trace_id: decision.trace_id().map(|id| id.to_string()),
                });
            })
            .build()
            .unwrap();
        Self { stack, store, seen }
    }

    fn mount(&self) -> Mount {
        Mount::new(self.stack.clone())
    }

    /// What the observer received since the last call.
    fn decisions(&self) -> Vec<Seen> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

/// The table of every host.
fn rules() -> Rules {
    Rules::new()
        .public("GET /health")
        .public("/grpc.health.v1.Health/*")
        .require("/inventory.v1.Stock/Reserve", scope("write"))
        .require("/inventory.v1.Stock/*", scope("read"))
        .require("GET /v1/me", scope("read"))
        .require("POST /v1/models", scope("write"))
        .require("* /v1/**", scope("read"))
        .otherwise_deny()
}

/// One host in one version of HTTP.
struct Case<'a> {
    host: Host,
    version: Version,
    address: SocketAddr,
    auth: &'a Auth,
}

impl fmt::Display for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, {:?}", self.host, self.version)
    }
}

impl Case<'_> {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.version, self.request(method, path, headers).body(Full::default()).unwrap()).await
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers).await
    }

    async fn with_key(&self, path: &str, key: &str) -> Answer {
        self.get(path, &[("x-api-key", key)]).await
    }

    /// A gRPC call with an empty message.
    async fn call(&self, method: &str, headers: &[(&str, &str)]) -> Answer {
        let headers = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        let message = Full::new(Bytes::from_static(&[0; 5]));
        ask(self.version, self.request(Method::POST, method, &headers).body(message).unwrap()).await
    }

    fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }
}

/// Asks the same of every host in both versions of HTTP, all in front of the same stack.
async fn everywhere(auth: &Auth, mount: &Mount, test: impl AsyncFn(&Case<'_>)) {
    for host in [Host::Axum, Host::Tonic, Host::Hyper] {
        let server = serve::start(host, mount).await;
        for version in [Version::HTTP_11, Version::HTTP_2] {
            auth.decisions();
            test(&Case { host, version, address: server.address, auth }).await;
        }
    }
}
