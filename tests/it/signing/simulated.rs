//! Processes with arbitrary clocks on one store, for thousands of rounds. They run at the same moment, so their calls interleave.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64},
    },
};

use tower_auth::token::Algorithm;

use super::*;

/// The scale of the simulation, in seconds.
#[derive(Clone, Copy)]
struct Scale {
    period: i64,
    ahead: i64,
    keep: i64,
    /// The longest time between two rounds.
    pause: i64,
    rounds: usize,
}

/// Keys change often, and every process looks every minute at the latest.
const FAST: Scale = Scale { period: 7_200, ahead: 900, keep: 1_800, pause: 60, rounds: 3_000 };
/// The default policy. Time goes on by hours.
const DEFAULT: Scale = Scale { period: 30 * 86_400, ahead: 86_400, keep: 2 * 86_400, pause: 4 * 3_600, rounds: 3_000 };
const WORLDS: u64 = 6;

fn worlds() -> impl Iterator<Item = (u64, Scale)> {
    (0..WORLDS).zip([FAST, DEFAULT].into_iter().cycle())
}

/// How far right clocks are from the true time.
const RIGHT: i64 = 30;
/// A process acts if its clock differs by two minutes from that of the store, and another may be half a minute off.
const SLACK: i64 = 150;
/// Tokens live this much shorter than keys are kept.
const MARGIN: i64 = 300;
const START: i64 = 1_800_000_000;

/// Offsets of clocks: those that are not far off, and days, weeks, and decades.
const WRONG: [i64; 16] = [
    -90,
    90,
    -119,
    119,
    -130,
    130,
    600,
    -600,
    3 * 3_600,
    -3 * 3_600,
    3 * 86_400,
    -3 * 86_400,
    40 * 86_400,
    -40 * 86_400,
    75 * 365 * 86_400,
    -START,
];

/// Pseudo-random numbers, the same in every run (`SplitMix64`).
#[derive(Clone)]
struct Random(Arc<AtomicU64>);

impl Random {
    fn below(&self, most: i64) -> i64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        i64::try_from((mixed ^ (mixed >> 31)) >> 2).unwrap() % most
    }

    fn one_in(&self, most: i64) -> bool {
        self.below(most) == 0
    }

    fn right(&self) -> i64 {
        self.below(2 * RIGHT + 1) - RIGHT
    }

    fn wrong(&self) -> i64 {
        WRONG[usize::try_from(self.below(16)).unwrap()]
    }
}

fn time_of(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.max(0).unsigned_abs())
}

fn seconds_of(time: SystemTime) -> i64 {
    i64::try_from(seconds(time)).unwrap()
}

/// A store of rows that keeps the rules of the chain, and writes down when keys came.
#[derive(Clone)]
struct Store {
    rows: MemoryRows,
    true_time: Arc<AtomicI64>,
    /// How far its clock is off, if it has one.
    offset: Option<Arc<AtomicI64>>,
}

type MemoryRows = Arc<Mutex<Book>>;

#[derive(Default)]
struct Book {
    chain: Vec<StoredSigningKey>,
    /// All keys that ever were, with the true time when they came, and the time from which they sign.
    made: Vec<(String, i64, i64)>,
}

impl Store {
    fn call<T: Send + 'static>(&self, work: impl FnOnce(&mut Book, i64) -> T + Send + 'static) -> SigningFuture<T> {
        let (rows, now) = (Arc::clone(&self.rows), self.true_time.load(Ordering::Relaxed));
        SigningFuture::boxed(async move {
            tokio::task::yield_now().await;
            Ok(work(&mut rows.lock().unwrap(), now))
        })
    }
}

impl SigningKeyStore for Store {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        self.call(|book, _| book.chain.clone())
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        self.call(|book, now| {
            let fits = key.after.as_ref() == book.chain.last().map(|newest| &newest.id);
            if fits {
                book.made.push((key.id.clone(), now, seconds_of(key.signs_from)));
                book.chain.push(key);
            }
            fits
        })
    }

    fn reseal_signing_key(&self, _: &str, _: Vec<u8>) -> SigningFuture<()> {
        unreachable!("there is one pepper")
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        let id = id.to_owned();
        self.call(move |book, _| {
            if book.chain.last().is_some_and(|newest| newest.id != id) {
                book.chain.retain(|key| key.id != id);
            }
        })
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        let offset = self.offset.as_ref().map(|offset| offset.load(Ordering::Relaxed));
        self.call(move |_, now| offset.map(|offset| time_of(now + offset)))
    }
}

struct Process {
    keys: SigningKeys,
    offset: Arc<AtomicI64>,
}

impl Process {
    fn offset(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    fn is_right(&self) -> bool {
        self.offset().abs() <= RIGHT
    }
}

struct World {
    scale: Scale,
    random: Random,
    store: Store,
    processes: Vec<Process>,
    /// When a right process signed with a key for the last time.
    used: HashMap<String, i64>,
    /// The latest time that any process has seen.
    latest: i64,
}

impl World {
    async fn new(seed: u64, scale: Scale, has_clock: bool, offsets: Vec<i64>) -> Self {
        let random = Random(Arc::new(seed.into()));
        let true_time = Arc::new(AtomicI64::new(START));
        let offset = has_clock.then(|| Arc::new(AtomicI64::new(0)));
        let store = Store { rows: Arc::default(), true_time, offset };
        let mut world = Self { scale, random, store, processes: Vec::new(), used: HashMap::new(), latest: START };
        for offset in offsets {
            let process = world.open(offset).await;
            world.processes.push(process);
        }
        world
    }

    async fn open(&self, offset: i64) -> Process {
        let (offset, now) = (Arc::new(AtomicI64::new(offset)), Arc::clone(&self.store.true_time));
        let shown = Arc::clone(&offset);
        let clock = Clock::from_fns(
            move || time_of(now.load(Ordering::Relaxed) + shown.load(Ordering::Relaxed)),
            || Duration::ZERO,
        );
        let of = |seconds: i64| Duration::from_secs(seconds.unsigned_abs());
        let Scale { period, ahead, keep, .. } = self.scale;
        let policy = SigningPolicy::new().algorithm(Algorithm::Ed25519);
        let policy = policy.period(of(period)).publish_ahead(of(ahead)).keep(of(keep));
        let keys = SigningKeys::open(self.store.clone(), &peppers(), policy, clock).await.unwrap();
        Process { keys, offset }
    }

    fn now(&self) -> i64 {
        self.store.true_time.load(Ordering::Relaxed)
    }

    /// Time goes on, and all processes look at the same moment. Returns what the right ones say.
    async fn round(&mut self) -> Vec<Result<(), String>> {
        let pause = 1 + self.random.below(self.scale.pause);
        self.store.true_time.fetch_add(pause, Ordering::Relaxed);
        self.sign();
        if self.random.one_in(50) {
            // A process starts anew.
            let which = usize::try_from(self.random.below(self.processes.len().try_into().unwrap())).unwrap();
            self.processes[which] = self.open(self.processes[which].offset()).await;
        }
        let all = self.processes.iter().map(|process| process.keys.refresh());
        let all = futures_util::future::join_all(all).await;
        self.sign();
        let right = all.into_iter().zip(&self.processes).filter(|(_, process)| process.is_right());
        right.map(|(said, _)| said.map_err(|error| error.to_string())).collect()
    }

    /// Every right process signs a token. Every other one could.
    fn sign(&mut self) {
        let now = self.now();
        for process in &self.processes {
            let shown = now + process.offset();
            self.latest = self.latest.max(shown);
            let key = process.keys.current(time_of(shown)).unwrap();
            if process.is_right() {
                self.used.insert(key.id().to_owned(), now);
            }
        }
    }

    fn made(&self) -> Vec<(String, i64, i64)> {
        self.store.rows.lock().unwrap().made.clone()
    }

    /// Every key with which a right process signs now was published for as long as the policy says. The first one needs not.
    fn check_ahead(&self) {
        for (place, (id, made, _)) in self.made().iter().enumerate() {
            let is_used = self.used.get(id) == Some(&self.now());
            let published = self.now() - made;
            assert!(!is_used || place == 0 || published >= self.scale.ahead - SLACK, "key {place}: {published} s");
        }
    }

    /// Every key of which a token may be valid is published by every process.
    fn check_kept(&self) {
        let (now, lifetime) = (self.now(), self.scale.keep - MARGIN);
        for process in &self.processes {
            let document = process.keys.key_set_json();
            let document = str::from_utf8(&document).unwrap();
            for (id, _) in self.used.iter().filter(|(_, last)| **last + lifetime > now) {
                assert!(
                    document.contains(id.as_str()),
                    "not published by a process that is {} s off",
                    process.offset()
                );
            }
        }
    }

    /// Each key signs at least a period after the one before. So their number is that of periods which a clock has gone through.
    fn check_number(&self, latest: i64) {
        let (made, period) = (self.made(), self.scale.period);
        for (place, pair) in made.windows(2).enumerate() {
            assert!(pair[1].2 >= pair[0].2 + period, "key {place} is followed too early");
        }
        let first = made.get(1).map_or(latest, |second| second.2);
        let most = 2 + (latest + self.scale.ahead - first).max(0) / period;
        assert!(i64::try_from(made.len()).unwrap() <= most, "{} keys, and {most} were due", made.len());
    }
}

/// Right processes, and some others, in any order: any of them may make the first key.
fn some(random: &Random) -> Vec<i64> {
    let mut offsets: Vec<i64> = (0..3).map(|_| random.right()).collect();
    for _ in 0..2 {
        let place = usize::try_from(random.below(offsets.len().try_into().unwrap())).unwrap();
        offsets.insert(place, random.wrong());
    }
    offsets
}

/// All of the rules hold at each moment, whatever clocks show.
#[tokio::test]
async fn no_clock_harms_the_others_in_a_store_that_has_a_clock() {
    let mut changed = 0;
    for (seed, scale) in worlds() {
        let jumps = seed >= 2;
        let offsets = some(&Random(Arc::new((seed + 100).into())));
        let mut world = World::new(seed, scale, true, offsets).await;
        for _ in 0..scale.rounds {
            if jumps {
                jump(&world);
            }
            world.round().await;
            world.check_ahead();
            world.check_kept();
        }
        // Only clocks that agree with that of the store change keys.
        world.check_number(world.now() + SLACK);
        changed += world.made().len();
    }
    assert!(changed > 50, "keys change all the same: {changed}");
}

/// The clock of one process, or that of the store, is set, and set right again after a while.
fn jump(world: &World) {
    let random = &world.random;
    for (place, process) in world.processes.iter().enumerate().filter(|_| random.one_in(40)) {
        let offset = if place > 2 && random.one_in(2) { random.wrong() } else { random.right() };
        process.offset.store(offset, Ordering::Relaxed);
    }
    let store = world.store.offset.as_ref().unwrap();
    if random.one_in(100) {
        // It differs from those of all processes.
        store.store(random.wrong() / 2 + 1_111, Ordering::Relaxed);
    } else if random.one_in(20) {
        store.store(0, Ordering::Relaxed);
    }
}

/// The number of keys is bounded, and a right process always has one that signs. When the clocks are set, and an operator has
/// set the time of the key that is too far ahead, old keys are kept from then on. The key that signs then may be a young one,
/// if a wrong clock has removed the one before.
#[tokio::test]
async fn without_a_clock_of_the_store_the_harm_ends_with_its_cause() {
    let mut mended = 0;
    for (seed, scale) in worlds() {
        let offsets = some(&Random(Arc::new((seed + 200).into())));
        let mut world = World::new(seed, scale, false, offsets).await;
        let jumps = seed >= 2;
        for _ in 0..scale.rounds / 2 {
            if jumps && world.random.one_in(40) {
                let place = usize::try_from(world.random.below(5)).unwrap();
                let offset = if world.random.one_in(2) { world.random.wrong() } else { world.random.right() };
                world.processes[place].offset.store(offset, Ordering::Relaxed);
            }
            world.round().await;
        }
        world.check_number(world.latest);
        for process in &world.processes {
            process.offset.store(0, Ordering::Relaxed);
        }
        world.round().await;
        mended += usize::from(mend(&world));
        // The default policy is simulated with processes that look every few hours, and learn so late what was set.
        world.round().await;
        world.used.clear();
        let (before, long_ago) = (world.made().len(), world.now() + scale.ahead);
        for _ in 0..scale.rounds / 2 {
            for said in world.round().await {
                said.unwrap();
            }
            if world.now() > long_ago {
                world.check_ahead();
            }
            world.check_kept();
        }
        assert!(world.made().len() > before, "keys change again");
    }
    assert!(mended > 2, "{mended}");
}

/// The operator sets the time of the newest key, if it is too far ahead, or no key has begun to sign.
fn mend(world: &World) -> bool {
    let now = world.now();
    let (far, young) = (now + world.scale.ahead + 60, now - world.scale.ahead);
    let mut book = world.store.rows.lock().unwrap();
    let is_young = book.made.last().unwrap().1 > young;
    let has_begun = book.chain.iter().any(|key| seconds_of(key.signs_from) <= now);
    let newest = book.chain.last_mut().unwrap();
    if seconds_of(newest.signs_from) <= far && has_begun {
        return false;
    }
    newest.signs_from = time_of(if is_young && has_begun { now + world.scale.ahead } else { now });
    true
}
