//! Alerts: what raises them, that each comes once in its period, and how they are delivered.

mod broken;
mod databases;
mod delivered;
mod limits;
mod networks;
mod refusals;
mod rules;
mod scans;
#[cfg(unix)]
mod webhook;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, ClientIp, Disclosure, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, PeerAddr,
    Plans, Quota, RateLimitLayer, Usage,
    alerts::{Alert, AlertRule, Alerts},
    registry::{Actor, Holder, IssuedKey},
    testing::ManualClock,
    usage::UsagePolicy,
};

use crate::support::{get, ok};

const NOW: &str = "2027-01-15T08:59:30Z";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A service whose keys are watched.
struct Watched {
    scheme: KeyScheme,
    store: MemoryKeyStore,
    clock: ManualClock,
    keys: KeyRegistry,
    usage: Usage,
    limits: RateLimitLayer,
    alerts: Alerts,
    told: Arc<Mutex<Vec<Alert>>>,
}

impl Watched {
    async fn new(rules: &[AlertRule]) -> Self {
        Self::with(rules, [Quota::per_minute(1_000_000)]).await
    }

    /// The organisation `org_1` has these rules.
    async fn with(rules: &[AlertRule], quotas: impl IntoIterator<Item = Quota>) -> Self {
        let plans = Plans::new().plan("standard", quotas).fallback("standard").build().unwrap();
        Self::limited(rules, RateLimitLayer::by_plan(&plans)).await
    }

    async fn limited(rules: &[AlertRule], limits: RateLimitLayer) -> Self {
        let (store, clock) = (MemoryKeyStore::new(), ManualClock::at(NOW));
        let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
        let watched = Self::process(&scheme, &store, &clock, limits);
        watched.alerts.set_rules(ops(), Holder::organization("org_1"), rules).await.unwrap();
        watched
    }

    /// One process of several that share a store.
    fn process(scheme: &KeyScheme, store: &MemoryKeyStore, clock: &ManualClock, limits: RateLimitLayer) -> Self {
        let keys = KeyRegistry::with_clock(scheme.clone(), store.clone(), clock);
        let usage = Usage::with(store.clone(), UsagePolicy::new(), clock);
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        let alerts = Alerts::new(keys.clone(), usage.clone(), store.clone()).limits(&limits).unwrap();
        let alerts = alerts.on_event(move |alert| sink.lock().unwrap().push(alert.clone()));
        Self { scheme: scheme.clone(), store: store.clone(), clock: clock.clone(), keys, usage, limits, alerts, told }
    }

    /// A second process with the same keys and limits of its own.
    fn another(&self, limits: RateLimitLayer) -> Self {
        Self::process(&self.scheme, &self.store, &self.clock, limits)
    }

    fn stack(&self) -> AuthStack {
        let keys = ApiKeyLayer::new(self.scheme.clone(), self.store.clone()).disclose(Disclosure::All);
        let builder = AuthStack::builder().auth(keys).limit(self.limits.clone()).client_ip(ClientIp::peer());
        let builder = builder.on_decision(self.usage.observer()).on_decision(self.alerts.observer());
        builder.clock(&self.clock).build().unwrap()
    }

    async fn key(&self, id: &str) -> IssuedKey {
        let new = NewKey::named("CI").id(id).account("acme").organizations(["org_1"]).scopes(["read"]);
        self.keys.create(ops(), new).await.unwrap()
    }

    /// Sends so many requests with a key from an address, and returns the last status.
    async fn send(&self, count: usize, key: &IssuedKey, address: &str) -> u16 {
        let (stack, mut status) = (self.stack(), 0);
        for _ in 0..count {
            let mut request = get("/", &[("x-api-key", key.secret.expose())]);
            request.extensions_mut().insert(PeerAddr(address.parse::<IpAddr>().unwrap()));
            status = stack.layer(ok()).oneshot(request).await.unwrap().status().as_u16();
        }
        status
    }

    async fn ask(&self, count: usize, key: &IssuedKey) -> u16 {
        self.send(count, key, "192.0.2.1").await
    }

    /// What the tasks do every few seconds. Returns what was told.
    async fn look(&self) -> Vec<Alert> {
        self.usage.flush().await.unwrap();
        self.alerts.check().await.unwrap();
        self.alerts.deliver().await.unwrap();
        self.take()
    }

    /// What the task does every hour.
    async fn scan(&self) -> Vec<Alert> {
        self.usage.flush().await.unwrap();
        self.alerts.scan().await.unwrap();
        self.alerts.deliver().await.unwrap();
        self.take()
    }

    fn take(&self) -> Vec<Alert> {
        std::mem::take(&mut *self.told.lock().unwrap())
    }
}

/// The kinds of alerts, and their keys.
fn kinds(alerts: &[Alert]) -> Vec<(&str, Option<&str>)> {
    alerts.iter().map(|alert| (&*alert.kind, alert.key.as_deref())).collect()
}

fn organization() -> Holder {
    Holder::organization("org_1")
}

fn ops() -> Actor {
    Actor::named("ops")
}
