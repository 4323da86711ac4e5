use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::Poll,
    time::{Duration, SystemTime},
};

use crate::{
    KeyFormat, KeyRecord, KeyRegistry, KeyScheme, KeyStatus, KeyStore, NewKey, Peppers, Secret,
    registry::{Actor, IssuedKey, RegistryStore},
    testing::ManualClock,
};

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const TICK: Duration = Duration::from_millis(1);

/// One check: an empty store, a registry on it, and a clock that stands still.
pub(super) struct Trial<S> {
    pub(super) name: &'static str,
    pub(super) store: S,
    pub(super) hand: ManualClock,
    pub(super) keys: KeyRegistry,
    pub(super) admin: Actor,
    secrets: Secrets,
    scheme: KeyScheme,
}

impl<S: KeyStore + RegistryStore + Clone> Trial<S> {
    pub(super) fn new(name: &'static str, store: S, secrets: &Secrets) -> Self {
        let hand = ManualClock::at("2026-06-02T12:00:00Z");
        let scheme = scheme(&[1]);
        let keys = KeyRegistry::with_clock(scheme.clone(), store.clone(), &hand);
        Self { name, store, hand, keys, admin: Actor::named("alice"), secrets: secrets.clone(), scheme }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.hand.now()
    }

    /// A registry of the same store with other peppers, the current one first.
    pub(super) fn registry(&self, scheme: &KeyScheme) -> KeyRegistry {
        KeyRegistry::with_clock(scheme.clone(), self.store.clone(), &self.hand)
    }

    pub(super) async fn create(&self, new: NewKey) -> IssuedKey {
        self.noted(self.keys.create(&self.admin, new).await.expect("a key is created"))
    }

    /// Remembers a key that was issued.
    pub(super) fn noted(&self, issued: IssuedKey) -> IssuedKey {
        self.secrets.add(&issued.secret);
        issued
    }

    pub(super) fn note(&self, secret: &Secret) {
        self.secrets.add(secret);
    }

    /// Makes a key that no store has.
    pub(super) fn mint(&self) -> Secret {
        let secret = self.scheme.generate().expect("the system has random bytes");
        self.secrets.add(&secret);
        secret
    }

    pub(super) async fn find(&self, secret: &Secret) -> Option<KeyRecord> {
        self.find_by(&self.scheme, secret).await
    }

    /// Looks a key up as a guard of this scheme does.
    pub(super) async fn find_by(&self, scheme: &KeyScheme, secret: &Secret) -> Option<KeyRecord> {
        let digests = scheme.digests(secret.expose().as_bytes()).expect("the key has the format");
        self.store.find(&digests).await.unwrap_or_else(|error| panic!("{}: a look-up failed: {error}", self.name))
    }

    pub(super) async fn status(&self, secret: &Secret) -> Option<KeyStatus> {
        Some(self.find(secret).await?.status(self.now()))
    }

    pub(super) async fn assert_status(&self, secret: &Secret, expected: KeyStatus) {
        assert_eq!(self.status(secret).await, Some(expected), "{}: at {:?}", self.name, self.now());
    }
}

/// A scheme with these pepper versions, the current one first.
pub(super) fn scheme(versions: &[u8]) -> KeyScheme {
    let Some((first, rest)) = versions.split_first() else { return KeyScheme::sha256(format()) };
    let pepper = |version: &u8| [*version; 32];
    let peppers = Peppers::new(u32::from(*first), pepper(first)).and_then(|peppers| {
        rest.iter().try_fold(peppers, |peppers, version| peppers.accept(u32::from(*version), pepper(version)))
    });
    KeyScheme::new(format(), peppers.expect("the peppers are right"))
}

pub(super) fn format() -> KeyFormat {
    KeyFormat::prefixed("conf", 40).expect("the format is right")
}

pub(super) fn new() -> NewKey {
    NewKey::named("ci").account("acme").organizations(["org_1"]).scopes(["read"]).plan("standard")
}

/// The keys that a suite has created. They are shown nowhere, not even in a failure.
///
/// ```
/// use tower_auth::testing::conformance::Secrets;
///
/// Secrets::default().assert_absent_from(b"the raw bytes of a database");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<Mutex<Vec<String>>>);

impl Secrets {
    fn add(&self, secret: &Secret) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(secret.expose().to_owned());
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Returns whether no key was created.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Searches raw bytes, such as a file of a database, for the keys.
    ///
    /// # Panics
    /// If the bytes contain the random part of any of the keys.
    pub fn assert_absent_from(&self, raw: &[u8]) {
        let secrets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Twelve characters in the middle, of which no hint shows any.
        let parts: std::collections::HashSet<&[u8]> =
            secrets.iter().filter_map(|key| key.as_bytes().get(10..22)).collect();
        let found = raw.windows(12).any(|window| parts.contains(window));
        assert!(!found, "the raw bytes contain a key that was created: a store must keep digests only");
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("keys", &self.len()).finish()
    }
}

/// Runs futures at once, in one task.
pub(super) async fn all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    type Running<F, T> = (Pin<Box<F>>, Option<T>);
    let mut running: Vec<Running<_, T>> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
