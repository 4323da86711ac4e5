//! What observers, logs and outer layers receive: decisions and their stable events, guards that only report, and
//! the page of USAGE.md for tests of a service (section 8), as far as its pieces exist.

mod events;
mod observer;
mod probe;
mod report_only;
mod usage;

use std::{
    collections::BTreeMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use http::Request;
use tower_auth::{ApiKeyLayer, Decision, KeyRecord, PeerAddr, RejectionKind, TraceId};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
    subscriber::DefaultGuard,
};

use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, store},
};

const KEYED: [(&str, &str); 1] = [("x-api-key", KEY)];
const HINT: &str = "ak_…5678";
const PEER: [u8; 4] = [192, 0, 2, 7];

fn record() -> KeyRecord {
    KeyRecord::new("key_1", "acme").scopes(["read"])
}

fn keys(record: KeyRecord) -> ApiKeyLayer {
    let (scheme, store) = store(record);
    ApiKeyLayer::new(scheme, store)
}

/// A request from a known address, under a known id.
fn from_peer(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(path, headers);
    request.extensions_mut().insert(PeerAddr(PEER.into()));
    request
        .headers_mut()
        .insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().unwrap());
    request
}

const TRACE_ID: &str = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";

/// All that a decision says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Told {
    admitted: bool,
    enforced: bool,
    kind: Option<RejectionKind>,
    layer: &'static str,
    subject: Option<String>,
    hint: Option<String>,
    peer: Option<IpAddr>,
    trace_id: Option<String>,
    cause: Option<String>,
}

#[derive(Clone, Default)]
struct Observed(Arc<Mutex<Vec<Told>>>);

impl Observed {
    fn observer(&self) -> impl Fn(&Decision<'_>) + Send + Sync + 'static {
        let told = Arc::clone(&self.0);
        move |decision| {
            told.lock().unwrap().push(Told {
                admitted: decision.is_admitted(),
                enforced: decision.is_enforced(),
                kind: decision.kind(),
                layer: decision.layer(),
                subject: decision.principal().map(|who| who.subject().to_owned()),
                hint: decision.credential_hint().map(str::to_owned),
                peer: decision.peer_ip(),
                trace_id: decision.trace_id().map(|id: TraceId| id.to_string()),
                cause: decision.private_cause().map(ToString::to_string),
            });
        }
    }

    fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// One event of this crate, as a collector of logs gets it.
#[derive(Debug)]
struct Line {
    target: &'static str,
    level: Level,
    /// All fields that the event declares, in their order.
    fields: Vec<&'static str>,
    /// Those that have a value.
    values: BTreeMap<&'static str, String>,
}

struct Events {
    lines: Arc<Mutex<Vec<Line>>>,
    _guard: DefaultGuard,
}

impl Events {
    fn capture() -> Self {
        // See there: with one subscriber alone, `tracing` asks the thread that meets a line first, which may be
        // another test's.
        drop(Logs::capture());
        let lines = Arc::default();
        Self { _guard: tracing::subscriber::set_default(Collector(Arc::clone(&lines), AtomicU64::new(1))), lines }
    }

    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }
}

struct Collector(Arc<Mutex<Vec<Line>>>, AtomicU64);

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("tower_auth")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(self.1.fetch_add(1, Ordering::Relaxed))
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line {
            target: metadata.target(),
            level: *metadata.level(),
            fields: metadata.fields().iter().map(|field| field.name()).collect(),
            values: BTreeMap::new(),
        };
        event.record(&mut line);
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.values.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.values.insert(field.name(), value.to_owned());
    }
}
