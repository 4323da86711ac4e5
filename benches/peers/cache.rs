//! Caches in front of a key store: ours, `moka` and `quick_cache` by hand, and the least that a cache must do.
//!
//! `README.md` next to this file says how to run it. Every row turns the text of a key into its record, and finds it in the cache.
//! The keys have a pepper, as the documentation recommends. A cache by hand knows only the digest under the pepper, which a second
//! hash computes; ours finds a key by its plain SHA-256, which is never stored.

#[path = "../support/caches/mod.rs"]
mod caches;
#[path = "../support/floor.rs"]
mod floor;
#[path = "../support/harness.rs"]
mod harness;
#[path = "../support/services.rs"]
mod services;
#[path = "../support/two_threads.rs"]
mod two_threads;

use std::{hint::black_box, sync::Arc};

use axum::body::Body;
use http::{Method, StatusCode};
use tower::Layer as _;
use tower_auth::{ApiKeyLayer, KeyRecord, KeyStore, MemoryKeyStore};

use self::{
    caches::{
        Keys,
        by_hand::{Moka, Quick},
        least::Least,
        ours,
    },
    floor::{Bare, Checked},
    harness::{Bench, Effort, Report, Row, target},
    services::Template,
};

/// Lookups per call. There are many, so that the time to wake the second thread is small in comparison.
const LOOKUPS: u32 = 16_384;
const LIMIT: f64 = 1.5;

fn main() {
    let effort = Effort::from_args();
    let mut bench = Bench::default();
    let many = if effort.is_some() { 100_000 } else { 100 };
    let (one, all) = (Keys::new(1), Keys::new(many));
    let compared =
        [Compared::rows(&mut bench, "one key", &one), Compared::rows(&mut bench, &format!("{many} keys"), &all)];
    let layers = Layers::rows(&mut bench, &one);

    let Some(effort) = effort else { return };
    let report = bench.report(effort);
    for compared in &compared {
        compared.print(&report);
    }
    println!();
    for compared in &compared {
        compared.targets(&report);
    }
    layers.targets(&report);
}

/// The rows of one cache: in one thread, and in two at once.
struct Pair {
    name: &'static str,
    alone: Row,
    together: Row,
}

/// All caches with the same keys.
struct Compared {
    what: String,
    least: Pair,
    ours: [Pair; 2],
    by_hand: [Pair; 2],
}

impl Compared {
    fn rows(bench: &mut Bench, what: &str, keys: &Keys) -> Self {
        let least = Least::filled(keys);
        let least = pair(bench, what, "floor", keys, move |_, text| {
            least.look_up(text.as_bytes()).expect("the floor has the key")
        });
        let store = || keys.store.clone();
        Self {
            what: what.to_owned(),
            ours: [
                of_store(bench, what, "CachedKeyStore::leased", keys, ours::leased(store())),
                of_store(bench, what, "CachedKeyStore::ttl", keys, ours::ttl(store())),
            ],
            by_hand: [
                of_store(bench, what, "quick_cache by hand", keys, Quick::new(store())),
                of_store(bench, what, "moka by hand", keys, Moka::new(store())),
            ],
            least,
        }
    }

    /// Prints the time of a lookup in nanoseconds, as each thread sees it.
    fn print(&self, report: &Report) {
        let each = |row| report.added(row) / f64::from(LOOKUPS);
        for Pair { name, alone, together } in [&self.least].into_iter().chain(&self.ours).chain(&self.by_hand) {
            let (what, alone, together) = (&self.what, each(*alone), each(*together));
            println!("- {what}: {name}: {alone:.0} ns alone, {together:.0} ns in each of two threads");
        }
    }

    fn targets(&self, report: &Report) {
        let what = &self.what;
        for ours in &self.ours {
            let alone = report.ratio(ours.alone, self.least.alone);
            target(&format!("{what}, {}", ours.name), alone, LIMIT, "x floor");
            let together = report.ratio(ours.together, self.least.together);
            target(&format!("{what}, {}, two threads", ours.name), together, LIMIT, "x floor");
        }
        for peer in &self.by_hand {
            let (alone, together) =
                (report.ratio(self.ours[0].alone, peer.alone), report.ratio(self.ours[0].together, peer.together));
            println!("- {what}: leased takes {alone:.2} x {}, in two threads {together:.2} x", peer.name);
        }
    }
}

fn of_store(bench: &mut Bench, what: &str, name: &'static str, keys: &Keys, cache: impl KeyStore + Clone) -> Pair {
    keys.fill(&cache);
    pair(bench, what, name, keys, move |keys, text| keys.look_up(&cache, text))
}

fn pair(
    bench: &mut Bench,
    what: &str,
    name: &'static str,
    keys: &Keys,
    look_up: impl Fn(&Keys, &str) -> KeyRecord + Send + Sync + 'static,
) -> Pair {
    let look_up = Arc::new(look_up);
    let work = |from: usize| {
        let (keys, look_up) = (keys.clone(), Arc::clone(&look_up));
        let mut next = from;
        move || {
            for _ in 0..LOOKUPS {
                next = (next + 1) % keys.texts.len();
                drop(black_box(look_up(&keys, black_box(&keys.texts[next]))));
            }
        }
    };
    let far = keys.texts.len() / 2;
    let alone = bench.work(&format!("{what}: {name}, {LOOKUPS} lookups"), work(0));
    let together =
        bench.in_two_threads(&format!("{what}: {name}, {LOOKUPS} lookups in each of two threads"), work(0), work(far));
    Pair { name, alone, together }
}

/// Rows of a layer in front of a service that does nothing.
struct Layers {
    least: Row,
    ours: Vec<(&'static str, Row)>,
}

impl Layers {
    fn rows(bench: &mut Bench, keys: &Keys) -> Self {
        let authorization: &'static str = format!("Bearer {}", keys.texts[0]).leak();
        let headers = [
            ("host", "api.example.com"),
            ("user-agent", "example/1.0"),
            ("accept", "application/json"),
            ("authorization", authorization),
        ];
        let request = Template::new(Method::GET, "/v1/models", &headers, Body::empty);
        let bare = bench.row("bare service", &request, StatusCode::OK, Bare);
        bench.over(bare);
        let least = Checked { inner: Bare, check: Least::filled(keys) };
        let least = bench.row("layer: floor", &request, StatusCode::OK, least);
        bench.against(least);
        let mut ours = Vec::new();
        let mut row = |name, store: Arc<dyn KeyStore>| {
            keys.fill(&store);
            let layer = ApiKeyLayer::new(keys.scheme.clone(), store).bearer();
            ours.push((name, bench.row(&format!("layer: {name}"), &request, StatusCode::OK, layer.layer(Bare))));
        };
        let store: fn(&Keys) -> MemoryKeyStore = |keys| keys.store.clone();
        row("CachedKeyStore::leased", Arc::new(ours::leased(store(keys))));
        row("CachedKeyStore::ttl", Arc::new(ours::ttl(store(keys))));
        row("quick_cache by hand", Arc::new(Quick::new(store(keys))));
        row("moka by hand", Arc::new(Moka::new(store(keys))));
        row("MemoryKeyStore, no cache", Arc::new(store(keys)));
        Self { least, ours }
    }

    fn targets(&self, report: &Report) {
        for (name, row) in &self.ours[..2] {
            target(&format!("ApiKeyLayer, {name}"), report.ratio(*row, self.least), LIMIT, "x floor");
            let more = report.added_allocations(*row);
            target(&format!("ApiKeyLayer, {name}: allocations"), more, 3.0, "more");
        }
    }
}
