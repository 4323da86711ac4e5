//! A store whose calls are counted, and can be held, fail and panic, each by itself.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    time::SystemTime,
};

use tokio::sync::watch;
use tower_auth::{
    BoxError, KeyDigest, KeyDigests, KeyRecord, KeyStore, MaybeReady, MemoryKeyStore, StoreFuture,
    cache::Versioned,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryError,
        RegistryFuture, RegistryStore, Tombstone,
    },
    session::{
        CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionStore, TokenFacts,
    },
};

use super::gate::Gate;

/// The store of one process. The keys are shared.
#[derive(Clone)]
pub(crate) struct Backend(Arc<Inner>);

struct Inner {
    store: MemoryKeyStore,
    mode: Mutex<Mode>,
    calls: Mutex<Vec<Call>>,
    asked: AtomicUsize,
    /// Before and after a change is committed.
    committing: Gate,
    committed: Gate,
    /// For [`Versioned`]; zero is unknown.
    version: AtomicU64,
}

/// What becomes of the next lookups.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Answer,
    Hold,
    Fail,
}

/// A lookup that is under way, or was.
#[derive(Clone)]
pub(crate) struct Call {
    stage: watch::Sender<Stage>,
    /// What is looked up.
    of: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Called,
    Read,
    Answered,
    Failed,
    Panicked,
}

impl Call {
    /// Makes the store read what it will answer.
    pub(crate) fn read(&self) {
        self.stage.send_if_modified(|stage| std::mem::replace(stage, Stage::Read) == Stage::Called);
    }

    pub(crate) fn answer(&self) {
        self.stage.send_replace(Stage::Answered);
    }

    pub(crate) fn fail(&self) {
        self.stage.send_replace(Stage::Failed);
    }

    pub(crate) fn panic(&self) {
        self.stage.send_replace(Stage::Panicked);
    }

    /// Whether somebody still waits for it.
    pub(crate) fn is_under_way(&self) -> bool {
        self.stage.receiver_count() > 0
    }
}

impl Backend {
    pub(crate) fn new(store: &MemoryKeyStore) -> Self {
        Self(Arc::new(Inner {
            store: store.clone(),
            mode: Mutex::new(Mode::Answer),
            calls: Mutex::default(),
            asked: AtomicUsize::new(0),
            committing: Gate::new(),
            committed: Gate::new(),
            version: AtomicU64::new(1),
        }))
    }

    pub(crate) fn committing(&self) -> &Gate {
        &self.0.committing
    }

    pub(crate) fn committed(&self) -> &Gate {
        &self.0.committed
    }

    /// How often the store was asked for a key or a token.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(SeqCst)
    }

    pub(crate) fn set_version(&self, version: u64) {
        self.0.version.store(version, SeqCst);
    }

    /// Holds all later lookups.
    pub(crate) fn hold(&self) {
        *self.0.mode.lock().unwrap() = Mode::Hold;
    }

    pub(crate) fn fail(&self) {
        *self.0.mode.lock().unwrap() = Mode::Fail;
    }

    /// Answers all later lookups at once. Those that are held stay so.
    pub(crate) fn answer(&self) {
        *self.0.mode.lock().unwrap() = Mode::Answer;
    }

    /// The lookups that were held, the oldest first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.0.calls.lock().unwrap().clone()
    }

    pub(crate) fn call(&self, number: usize) -> Call {
        self.calls()[number].clone()
    }

    pub(crate) fn under_way(&self) -> usize {
        self.calls().iter().filter(|call| call.is_under_way()).count()
    }

    /// Asserts that no key or token is looked up more than twice at once.
    pub(crate) fn assert_at_most_two(&self) {
        let mut all: Vec<_> = self.calls().into_iter().filter(Call::is_under_way).map(|call| call.of).collect();
        all.sort_unstable();
        assert!(all.windows(3).all(|three| three[0] != three[2]), "three lookups of one key");
    }

    fn look<T: Send + 'static>(
        &self,
        of: Vec<u8>,
        read: impl Fn(&MemoryKeyStore) -> MaybeReady<Result<T, BoxError>> + Send + 'static,
    ) -> MaybeReady<Result<T, BoxError>> {
        self.0.asked.fetch_add(1, SeqCst);
        let mode = *self.0.mode.lock().unwrap();
        match mode {
            Mode::Answer => read(&self.0.store),
            Mode::Fail => MaybeReady::ready(Err("the store is set to fail".into())),
            Mode::Hold => self.held(of, read),
        }
    }

    fn held<T: Send + 'static>(
        &self,
        of: Vec<u8>,
        read: impl Fn(&MemoryKeyStore) -> MaybeReady<Result<T, BoxError>> + Send + 'static,
    ) -> MaybeReady<Result<T, BoxError>> {
        let call = Call { stage: watch::Sender::new(Stage::Called), of };
        let (mut stage, store) = (call.stage.subscribe(), self.0.store.clone());
        self.0.calls.lock().unwrap().push(call);
        MaybeReady::boxed(async move {
            stage.wait_for(|stage| *stage >= Stage::Read).await?;
            let found = read(&store).await;
            let end = *stage.wait_for(|stage| *stage >= Stage::Answered).await?;
            match end {
                Stage::Failed => Err("the call is set to fail".into()),
                Stage::Panicked => panic!("the call is set to panic"),
                _ => found,
            }
        })
    }
}

/// The cache asks for fresh answers only.
impl KeyStore for Backend {
    fn find(&self, _: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Err("a cache must not fill itself from another one".into()))
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        let (key, of) = (key.clone(), key.as_slices().concat());
        self.look(of, move |store| KeyStore::find(store, &key))
    }
}

impl Versioned for Backend {
    fn version(&self) -> Option<u64> {
        Some(self.0.version.load(SeqCst)).filter(|version| *version > 0)
    }
}

impl RegistryStore for Backend {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        let (inner, committing, committed) = (Arc::clone(&self.0), self.0.committing.pass(), self.0.committed.pass());
        RegistryFuture::boxed(async move {
            committing.await?;
            let changes = inner.store.transact(ids, decide).await?;
            committed.await.map_err(RegistryError::from)?;
            Ok(changes)
        })
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        RegistryStore::forget(&self.0.store, what, limit)
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.0.store.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        RegistryStore::list(&self.0.store, filter)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.0.store.audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.0.store.suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.0.store.holders(after)
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        self.0.store.removed(after)
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.0.store.count_by_pepper()
    }
}

impl SessionStore for Backend {
    fn look(&self, _: &TokenFacts<'_>) -> SessionFuture<Findings> {
        SessionFuture::ready(Err("a cache must not fill itself from another one".into()))
    }

    fn look_fresh(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        // The memory is asked at once, because the facts are borrowed, except if the call is held.
        let facts = Facts::of(token);
        self.look(format!("{token:?}").into(), move |store| facts.with(|facts| store.look(facts)))
    }

    fn create(&self, session: &Session) -> SessionFuture<()> {
        SessionStore::create(&self.0.store, session)
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        SessionStore::find(&self.0.store, id)
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        self.0.store.rotate(next)
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        self.0.store.end(id, at, why)
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        self.0.store.cut_off(whose, at)
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.0.store.deny(token, until)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        SessionStore::list(&self.0.store, filter)
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        SessionStore::forget(&self.0.store, what, limit)
    }
}

/// [`TokenFacts`] that own their data.
struct Facts {
    subject: String,
    organizations: Vec<String>,
    ids: [Option<String>; 4],
}

impl Facts {
    fn of(token: &TokenFacts<'_>) -> Self {
        let ids = [token.account, token.session, token.token, token.key].map(|id| id.map(str::to_owned));
        Self { subject: token.subject.into(), organizations: token.organizations.to_vec(), ids }
    }

    fn with<T>(&self, look: impl FnOnce(&TokenFacts<'_>) -> T) -> T {
        let mut facts = TokenFacts::default();
        (facts.subject, facts.organizations) = (&self.subject, &self.organizations);
        [facts.account, facts.session, facts.token, facts.key] = self.ids.each_ref().map(Option::as_deref);
        look(&facts)
    }
}
