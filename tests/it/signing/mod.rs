//! Signing keys: what they sign, how they are kept, and when they change.

mod broken;
mod clocks;
mod keys;
mod outages;
mod peppers;
mod rotation;
mod simulated;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_auth::{
    Clock, MemoryKeyStore, Peppers, TokenVerifier,
    session::signing::{SigningFuture, SigningKeyStore, SigningKeys, SigningPolicy, StoredSigningKey},
    testing::ManualClock,
    token::{SigningKey, TokenError},
};

const ISSUER: &str = "https://id.example.com/";
const AUDIENCE: &str = "https://api.example.com";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

fn less(time: Duration, by: Duration) -> Duration {
    time.checked_sub(by).unwrap()
}

fn hand() -> ManualClock {
    ManualClock::at("2027-01-15T08:00:00Z")
}

fn peppers() -> Peppers {
    Peppers::new(1, [7; 32]).unwrap()
}

async fn open(store: &(impl SigningKeyStore + Clone), hand: &ManualClock) -> SigningKeys {
    SigningKeys::open(store.clone(), &peppers(), SigningPolicy::new(), hand).await.unwrap()
}

fn signer(keys: &SigningKeys, hand: &ManualClock) -> String {
    keys.current(hand.now()).unwrap().id().to_owned()
}

/// The ids of the published keys.
fn published(keys: &SigningKeys) -> Vec<String> {
    let set: Value = serde_json::from_slice(&keys.key_set_json()).unwrap();
    set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// A token that this key signs.
fn token(key: &SigningKey, now: SystemTime, lifetime: Duration) -> String {
    let alg = if key.algorithm().name() == "Ed25519" { "EdDSA" } else { key.algorithm().name() };
    let header = json!({ "alg": alg, "typ": "at+jwt", "kid": key.id() });
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "iat": seconds(now), "exp": seconds(now + lifetime),
    });
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

/// A token that the service issues now.
fn issued(keys: &SigningKeys, hand: &ManualClock, lifetime: Duration) -> String {
    token(&keys.current(hand.now()).unwrap(), hand.now(), lifetime)
}

fn verifier(keys: &SigningKeys) -> TokenVerifier {
    TokenVerifier::source(ISSUER, keys.clone()).audience(AUDIENCE).build().unwrap()
}

async fn verify(tokens: &TokenVerifier, token: &str, hand: &ManualClock) -> Result<String, TokenError> {
    let claims = tokens.verify(token, &Clock::from(hand)).await?;
    Ok(claims.principal().subject().to_owned())
}

/// Lets spawned tasks run until they wait.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

/// A store behind a network, as the test says: it counts its calls, and may be down. Clones are the same store.
#[derive(Clone, Default)]
struct Remote(Arc<State>);

#[derive(Default)]
struct State {
    store: MemoryKeyStore,
    down: AtomicBool,
    /// Nothing can be changed.
    read_only: AtomicBool,
    /// No call is answered.
    hangs: AtomicBool,
    /// Calls are carried out, and then their answer is lost.
    mute: AtomicBool,
    reads: AtomicUsize,
    reseals: AtomicUsize,
    /// The clock of the store, if it has one.
    clock: Option<ManualClock>,
}

impl Remote {
    /// On a machine with this clock.
    fn with(clock: &ManualClock) -> Self {
        Self(Arc::new(State { clock: Some(clock.clone()), ..State::default() }))
    }

    fn set(&self, switch: impl Fn(&State) -> &AtomicBool, on: bool) {
        switch(&self.0).store(on, Ordering::SeqCst);
    }

    fn set_down(&self, down: bool) {
        self.set(|state| &state.down, down);
    }

    fn reads(&self) -> usize {
        self.0.reads.swap(0, Ordering::SeqCst)
    }

    fn reseals(&self) -> usize {
        self.0.reseals.swap(0, Ordering::SeqCst)
    }

    async fn rows(&self) -> Vec<StoredSigningKey> {
        self.0.store.signing_keys().await.unwrap()
    }

    fn call<T: Send + 'static>(
        &self,
        writes: bool,
        work: impl FnOnce(&State) -> SigningFuture<T> + Send + 'static,
    ) -> SigningFuture<T> {
        let state = Arc::clone(&self.0);
        SigningFuture::boxed(async move {
            let is = |switch: &AtomicBool| switch.load(Ordering::SeqCst);
            // Two processes are in the middle of a call at the same moment.
            tokio::task::yield_now().await;
            if is(&state.hangs) {
                std::future::pending::<()>().await;
            }
            if is(&state.down) || writes && is(&state.read_only) {
                return Err("connection refused".into());
            }
            let done = work(&state).await?;
            if writes && is(&state.mute) {
                return Err("connection reset".into());
            }
            Ok(done)
        })
    }
}

impl SigningKeyStore for Remote {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        self.0.reads.fetch_add(1, Ordering::SeqCst);
        self.call(false, |state| state.store.signing_keys())
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        self.call(true, move |state| state.store.add_signing_key(key))
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        let id = id.to_owned();
        self.0.reseals.fetch_add(1, Ordering::SeqCst);
        self.call(true, move |state| state.store.reseal_signing_key(&id, sealed))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        let id = id.to_owned();
        self.call(true, move |state| state.store.remove_signing_key(&id))
    }

    fn store_time(&self) -> SigningFuture<Option<SystemTime>> {
        self.call(false, |state| SigningFuture::ready(Ok(state.clock.as_ref().map(ManualClock::now))))
    }
}

/// The rows of a database, changed by the test as somebody who can write it would.
#[derive(Clone, Default)]
struct Rows(Arc<std::sync::Mutex<Vec<StoredSigningKey>>>);

impl Rows {
    fn change<T>(&self, change: impl FnOnce(&mut Vec<StoredSigningKey>) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }
}

impl SigningKeyStore for Rows {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        SigningFuture::ready(Ok(self.change(|rows| rows.clone())))
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        let fits = self.change(|rows| {
            let fits = rows.last().map(|last| &last.id) == key.after.as_ref();
            rows.extend(fits.then_some(key));
            fits
        });
        SigningFuture::ready(Ok(fits))
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        self.change(|rows| rows.iter_mut().filter(|row| row.id == id).for_each(|row| row.sealed.clone_from(&sealed)));
        SigningFuture::ready(Ok(()))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        self.change(|rows| rows.retain(|row| row.id != id));
        SigningFuture::ready(Ok(()))
    }
}
