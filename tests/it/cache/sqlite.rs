//! A cache in front of an SQLite file: a change of any process counts for the next lookup.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::Stdio,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, CachedKeyStore, KeyDigests, KeyFormat, KeyRecord, KeyRegistry, KeyScheme, KeyStore, NewKey,
    Peppers, Principal, Rejection, RejectionKind, Secret, SqliteKeyStore, StoreFuture, cache::Versioned,
};

use crate::{
    sqlite::{Folder, Office, child, scheme},
    support::{
        get, ok,
        process::{ended, spawn, until},
    },
};

/// What a cache keeps is of one scheme, so this is one.
static SCHEME: LazyLock<KeyScheme> = LazyLock::new(scheme);

/// A store that counts its lookups, and can keep an answer back.
struct Asked {
    store: SqliteKeyStore,
    lookups: AtomicU64,
    gate: Option<Arc<Gate>>,
}

#[derive(Default)]
struct Gate {
    has_read: Notify,
    open: Notify,
}

impl Asked {
    fn new(store: SqliteKeyStore) -> Self {
        Self { store, lookups: AtomicU64::new(0), gate: None }
    }

    fn lookups(&self) -> u64 {
        self.lookups.load(Ordering::SeqCst)
    }
}

impl KeyStore for Asked {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        // The first lookup waits at the gate.
        let gate = self.gate.clone().filter(|_| self.lookups() == 0);
        self.lookups.fetch_add(1, Ordering::SeqCst);
        let found = self.store.find(key);
        StoreFuture::boxed(async move {
            let found = found.await;
            if let Some(gate) = gate {
                gate.has_read.notify_one();
                gate.open.notified().await;
            }
            found
        })
    }
}

impl Versioned for Asked {
    fn version(&self) -> Option<u64> {
        self.store.version()
    }
}

/// A cache that is ready to answer.
fn cached(store: Asked) -> CachedKeyStore<Asked> {
    assert!(until(|| store.version().is_some()));
    CachedKeyStore::local(store)
}

async fn state(cache: &impl KeyStore, key: &Secret) -> Option<String> {
    let record = cache.find(&SCHEME.digests(key.expose().as_bytes()).unwrap()).await.unwrap()?;
    Some(format!("{:?}", record.status(std::time::SystemTime::now())))
}

#[tokio::test]
async fn p12_hits_do_not_reach_the_store() {
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    let (key, unknown) = (office.create("key_1").await, SCHEME.generate().unwrap());
    let cache = cached(Asked::new(office.store.clone()));
    for _ in 0..100 {
        assert_eq!(state(&cache, &key).await.unwrap(), "Active");
        assert_eq!(state(&cache, &unknown).await, None);
    }
    assert_eq!(cache.store().lookups(), 2);
    // A last use is no change.
    let used = tower_auth::registry::Change::Used(vec![("key_1".into(), std::time::SystemTime::now())]);
    let store: &dyn tower_auth::registry::RegistryStore = &other.store;
    store.transact(vec![], Box::new(|_| Ok(vec![used]))).await.unwrap();
    assert_eq!(state(&cache, &key).await.unwrap(), "Active");
    assert_eq!(cache.store().lookups(), 2);
    other.keys.revoke(&other.admin, "key_1").await.unwrap();
    for _ in 0..100 {
        assert_eq!(state(&cache, &key).await.unwrap(), "Revoked");
    }
    assert_eq!(cache.store().lookups(), 3);
    let health = cache.health();
    assert_eq!((health.hits, health.unknown, health.fills, health.bound), (199, 99, 3, Duration::ZERO));
}

const FILE: &str = "TOWER_AUTH_SQLITE_CACHE";

/// Not a test of its own: the other process does what each line says to the key, and answers afterwards.
#[tokio::test]
async fn the_other_process() {
    let Some(file) = env::var_os(FILE) else { return };
    let office = Office::of(SqliteKeyStore::open(Path::new(&file)).unwrap());
    let mut out = std::io::stdout();
    for line in std::io::stdin().lines() {
        match &*line.unwrap() {
            "pause" => drop(office.keys.pause(&office.admin, "key_1").await.unwrap()),
            "resume" => drop(office.keys.resume(&office.admin, "key_1").await.unwrap()),
            _ => drop(office.keys.revoke(&office.admin, "key_1").await.unwrap()),
        }
        writeln!(out, "\ndone").and_then(|()| out.flush()).unwrap();
    }
}

#[tokio::test]
async fn p12_a_change_of_another_process_counts_for_the_next_request() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let cache = cached(Asked::new(office.store.clone()));
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(SCHEME.clone(), cache.clone())).build().unwrap();
    let present = async || {
        let response = stack.layer(ok()).oneshot(get("/", &[("x-api-key", key.expose())])).await.unwrap();
        Rejection::of(&response).map(Rejection::kind)
    };
    let mut command = child("cache::sqlite::the_other_process", FILE, &folder.file());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = spawn(command).unwrap();
    let mut orders = process.stdin.take().unwrap();
    let mut answers = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut order = |what: &str| {
        writeln!(orders, "{what}").unwrap();
        assert!(answers.any(|line| line.unwrap() == "done"));
    };
    for _ in 0..50 {
        assert_eq!((present().await, present().await), (None, None));
        order("pause");
        let refused = present().await;
        assert!(refused.is_some() && refused == present().await, "{refused:?}");
        order("resume");
    }
    assert_eq!(present().await, None);
    order("revoke");
    assert_eq!(present().await, Some(RejectionKind::InvalidKey));
    assert!(cache.health().hits >= 100, "{:?}", cache.health());
    drop(orders);
    assert!(ended(&mut process).unwrap().success());
}

/// A lookup that has read the key before it was revoked does not put what it has read into the cache.
#[tokio::test]
async fn p12_a_lookup_under_way_does_not_keep_a_revoked_key() {
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    let (key, gate) = (office.create("key_1").await, Arc::new(Gate::default()));
    let cache = cached(Asked { gate: Some(Arc::clone(&gate)), ..Asked::new(office.store.clone()) });
    let revoking = async {
        gate.has_read.notified().await;
        other.keys.revoke(&other.admin, "key_1").await.unwrap();
        // This request comes after the revocation, so it must not be answered by the lookup that is under way.
        let asked = tokio::spawn({
            let (cache, key) = (cache.clone(), Secret::new(key.expose().to_owned()));
            async move { state(&cache, &key).await.unwrap() }
        });
        tokio::task::yield_now().await;
        gate.open.notify_one();
        asked.await.unwrap()
    };
    let (before, after) = tokio::join!(state(&cache, &key), revoking);
    assert_eq!((before.as_deref(), &*after), (Some("Active"), "Revoked"));
    assert_eq!(state(&cache, &key).await.unwrap(), "Revoked");
}

/// Requests on several threads, while another connection pauses the key again and again: who begins after a change sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn p12_no_request_is_admitted_after_a_change_has_returned() {
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    let key = office.create("key_1").await;
    let cache = cached(Asked::new(office.store.clone()));
    // Odd while the key is paused, and not about to be resumed.
    let (paused, ended) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let ask = || {
        let (cache, key, paused, ended) =
            (cache.clone(), Secret::new(key.expose().to_owned()), Arc::clone(&paused), Arc::clone(&ended));
        tokio::spawn(async move {
            while !ended.load(Ordering::SeqCst) {
                let before = paused.load(Ordering::SeqCst);
                let state = state(&cache, &key).await.unwrap();
                let same = paused.load(Ordering::SeqCst) == before;
                assert!(!(same && before % 2 == 1 && state == "Active"), "admitted while paused");
                tokio::task::yield_now().await;
            }
        })
    };
    let asking = [ask(), ask(), ask()];
    for _ in 0..300 {
        other.keys.pause(&other.admin, "key_1").await.unwrap();
        paused.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(1)).await;
        paused.fetch_add(1, Ordering::SeqCst);
        other.keys.resume(&other.admin, "key_1").await.unwrap();
    }
    ended.store(true, Ordering::SeqCst);
    for one in asking {
        one.await.unwrap();
    }
    assert!(cache.health().hits > 0, "{:?}", cache.health());
}

#[tokio::test]
async fn p13_a_key_that_another_process_creates_is_found_at_once() {
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    let cache = cached(Asked::new(office.store.clone()));
    for number in 0..20 {
        let secret = SCHEME.generate().unwrap();
        for _ in 0..3 {
            assert_eq!(state(&cache, &secret).await, None);
        }
        let record = KeyRecord::new(format!("key_{number}"), "acme");
        other.keys.import(&other.admin, "ci", &secret, record).await.unwrap();
        assert_eq!(state(&cache, &secret).await.unwrap(), "Active");
    }
}

/// A cache that two schemes share: a key of an old pepper is known to the one that accepts it only.
#[tokio::test]
async fn p30_an_answer_is_that_of_one_scheme() {
    let folder = Folder::new();
    let office = folder.office().await;
    let format = || KeyFormat::prefixed("ak", 40).unwrap();
    let old = KeyScheme::new(format(), Peppers::new(1, [9; 32]).unwrap());
    let new = KeyScheme::new(format(), Peppers::new(2, [7; 32]).unwrap());
    let keys = KeyRegistry::new(old.clone(), office.store.clone());
    let created = keys.create(&office.admin, NewKey::named("ci").account("acme")).await.unwrap();
    let cache = cached(Asked::new(office.store.clone()));
    let find = async |scheme: &KeyScheme| {
        cache.find(&scheme.digests(created.secret.expose().as_bytes()).unwrap()).await.unwrap().is_some()
    };
    for _ in 0..3 {
        assert!(find(&old).await && find(&SCHEME).await && !find(&new).await);
    }
    assert_eq!(cache.store().lookups(), 3);
}

/// While it is not known whether the file has changed, the store is asked.
#[tokio::test]
async fn without_a_version_nothing_is_answered_from_the_cache() {
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    let key = office.create("key_1").await;
    let cache = cached(Asked::new(office.store.clone()));
    assert_eq!(state(&cache, &key).await.unwrap(), "Active");
    let connection = folder.connection();
    connection.execute_batch("ALTER TABLE changes RENAME TO moved").unwrap();
    other.keys.revoke(&other.admin, "key_1").await.unwrap();
    for lookups in 2..5 {
        assert_eq!(state(&cache, &key).await.unwrap(), "Revoked");
        assert_eq!(cache.store().lookups(), lookups);
    }
}

#[tokio::test]
async fn an_ended_session_counts_for_the_next_request() {
    use tower_auth::session::{Grant, SessionEnd, SessionRow, SessionStore, TokenFacts};
    let folder = Folder::new();
    let (office, other) = (folder.office().await, folder.office().await);
    assert!(until(|| office.store.version().is_some()));
    let cache = CachedKeyStore::local(office.store.clone());
    let mut row = SessionRow::default();
    row.id = "session".into();
    row.grant = Grant::of(&Principal::builder("alice").build()).to_json().to_string();
    (row.expires_at, row.ends_at) = (i64::MAX, i64::MAX);
    (row.digest, row.replaced) = (vec![0; 32], "[0]".into());
    SessionStore::create(&other.store, &row.into_session().unwrap()).await.unwrap();
    let mut token = TokenFacts::default();
    (token.subject, token.session, token.token) = ("alice", Some("session"), Some("token"));
    let look = async || {
        let found = cache.look(&token).await.unwrap();
        (found.session.unwrap().has_ended, found.is_denied, found.cut_off.is_some())
    };
    for _ in 0..3 {
        assert_eq!(look().await, (false, false, false));
    }
    let now = std::time::SystemTime::now();
    other.store.deny("token", now).await.unwrap();
    assert_eq!(look().await, (false, true, false));
    other.store.end("session", now, SessionEnd::LoggedOut).await.unwrap();
    assert_eq!(look().await, (true, true, false));
    other.store.cut_off(&tower_auth::session::CutOff::Everyone, now).await.unwrap();
    assert_eq!(look().await, (true, true, true));
    assert_eq!(cache.health().hits, 2);
}
