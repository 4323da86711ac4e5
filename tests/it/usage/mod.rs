//! What keys have been doing: what is counted, what is kept, and what a failure loses.

mod broken;
mod child;
mod counted;
mod databases;
mod days;
mod exact;
mod killed;
mod large;
mod written;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::Request;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, PeerAddr, Principal,
    Usage,
    testing::ManualClock,
    usage::{Outcome, UsageOf, UsagePolicy, UsageTotals},
};

use crate::support::{Body, get, ok};

const NOW: &str = "2027-01-15T08:59:30Z";
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Keys in memory, and a stack that counts.
struct Counted {
    scheme: KeyScheme,
    store: MemoryKeyStore,
    clock: ManualClock,
    usage: Usage,
}

impl Counted {
    fn new() -> Self {
        Self::with(UsagePolicy::new())
    }

    fn with(policy: UsagePolicy) -> Self {
        let store = MemoryKeyStore::new();
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
        let clock = ManualClock::at(NOW);
        Self { scheme, usage: Usage::with(store.clone(), policy, &clock), store, clock }
    }

    fn key(&self, record: KeyRecord) -> String {
        self.store.create(&self.scheme, record).unwrap().expose().to_owned()
    }

    fn keys(&self) -> ApiKeyLayer {
        ApiKeyLayer::new(self.scheme.clone(), self.store.clone()).disclose(Disclosure::All)
    }

    fn stack(&self) -> AuthStack {
        let builder = AuthStack::builder().auth(self.keys()).client_ip(ClientIp::peer());
        builder.on_decision(self.usage.observer()).clock(&self.clock).build().unwrap()
    }

    async fn totals(&self, of: UsageOf) -> UsageTotals {
        self.usage.flush().await.unwrap();
        self.usage.totals(of, 2).await.unwrap()
    }
}

fn request(key: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get("/", &[&[("x-api-key", key)], headers].concat());
    request.extensions_mut().insert(PeerAddr("192.0.2.1".parse::<IpAddr>().unwrap()));
    request
}

async fn ask(stack: &AuthStack, request: Request<Body>) -> u16 {
    stack.layer(ok()).oneshot(request).await.unwrap().status().as_u16()
}
