//! Stores with one fault each: the suite has to find it.

use std::{collections::HashMap, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tower_auth::{
    KeyDigest, KeyDigests, KeyRecord, KeyStatus, KeyStore, StoreFuture,
    registry::{
        AuditFilter, AuditRow, Change, Decide, Entry, Forget, Holder, KeyFilter, Page, PepperCount, RegistryFuture,
        RegistryStore, Tombstone,
    },
    session::{CutOff, Findings, Outdated, SessionEnd, SessionFilter, SessionFuture, SessionMark, TokenFacts},
    testing::conformance,
};

use super::*;

/// What a store does wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// A member of the grant is not kept.
    Member(&'static str),
    /// Times are kept in milliseconds.
    Milliseconds,
    /// A generation has 31 bits.
    Narrow,
    /// Sessions are created without their end.
    CreatesLive,
    /// A second session with the same id is no error.
    Twice,
    /// The case of an id does not matter.
    Case,
    /// A text ends at its first NUL, in lists.
    Cut,
    /// Any higher generation replaces a session.
    Skips,
    /// The same generation replaces a session again.
    Again,
    /// A session that has ended is said to be replaced.
    ReplacesEnded,
    /// A session that is replaced is replaced as a whole.
    ReplacesAll,
    /// A rotation leaves a column as it was.
    Keeps(Column),
    /// It reads, lets others run, and writes.
    Racy,
    /// It writes in two steps.
    Torn,
    /// A session that has ended ends again.
    EndsAgain,
    /// Sessions that are not there end.
    EndsUnknown,
    /// All sessions are logged out.
    OneReason,
    /// A cut-off ends no session.
    KeepsSessions,
    /// A cut-off is not kept.
    KeepsNoTime,
    /// The last cut-off is kept.
    LastCutOff,
    /// The time of the call is kept, although a session is newer.
    IgnoresAhead,
    /// The newest creation of all subjects is kept.
    NewestOfAll,
    /// A cut-off of a subject is one of everyone.
    CutsEveryone,
    /// A cut-off of everyone is one of a subject without a name.
    CutsNoName,
    /// No token is denied.
    Admits,
    /// The first time of a denied token is kept.
    FirstDenial,
    /// A denied token is also a denied session.
    DeniesSessions,
    /// A look finds no session.
    NoSession,
    /// A look finds ended sessions as live.
    Live,
    /// A look has the last use of a session as its creation.
    Created,
    /// A look finds no key.
    NoKey,
    /// A look finds keys of suspended accounts as active.
    ActiveKey,
    /// A deleted key is none.
    DeletedKey,
    /// Suspended holders are not looked for.
    NoHolder,
    /// Of the organisations, the first one counts.
    FirstHolder,
    /// An account is looked for among organisations too.
    AnyHolder,
    /// Lists begin with the oldest.
    OldestFirst,
    /// Lists have no end.
    Endless,
    /// Lists leave out what has ended.
    OnlyLive,
    /// Lists are selected by the subject only, if there is one.
    OneSelection,
    /// Nothing is forgotten.
    Remembers,
    /// What is to be kept is forgotten too.
    Early,
    /// Everything is forgotten at once.
    AllAtOnce,
    /// Cut-offs are forgotten with the sessions.
    OneTime,
    /// Half of what is forgotten is counted.
    Miscounts,
    /// Sessions of an erased account stay.
    ErasedStay,
    /// Cut-offs go with an erased account.
    ErasedCutOffs,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Digest,
    Expiry,
    Use,
    Replaced,
}

#[derive(Clone)]
struct Broken {
    store: MemoryKeyStore,
    fault: Fault,
    /// What is found instead of what the store has.
    others: Arc<Mutex<HashMap<String, Session>>>,
    /// The cut-offs that are found instead of those of the store.
    cut_offs: Arc<Mutex<HashMap<CutOff, SystemTime>>>,
    denied: Arc<Mutex<Vec<String>>>,
}

fn now<T>(future: SessionFuture<T>) -> T {
    future.now_or_never().unwrap().unwrap()
}

fn with(session: &Session, change: impl FnOnce(&mut SessionRow)) -> Session {
    let mut row = session.to_row();
    change(&mut row);
    row.into_session().unwrap()
}

impl Broken {
    fn new(fault: Fault) -> Self {
        let (others, cut_offs, denied) = Default::default();
        Self { store: MemoryKeyStore::new(), fault, others, cut_offs, denied }
    }

    fn known(&self, id: &str) -> Option<Session> {
        now(SessionStore::find(&self.store, id))
    }

    /// A session as this store creates it.
    fn created(&self, session: &Session) -> Session {
        with(session, |row| match self.fault {
            Fault::Member(name) => {
                let mut grant: serde_json::Value = serde_json::from_str(&row.grant).unwrap();
                grant.as_object_mut().unwrap().remove(name);
                row.grant = grant.to_string();
            }
            Fault::Milliseconds => row.created_at = row.created_at / 1_000 * 1_000,
            Fault::Narrow => row.generation &= i64::from(i32::MAX),
            Fault::CreatesLive => (row.ended_at, row.ended_because) = (None, None),
            Fault::Case => row.id = row.id.to_lowercase(),
            _ => {}
        })
    }

    /// The next generation as this store replaces a known one by it.
    fn next(&self, next: &Session) -> Session {
        let Some(known) = self.known(next.id()).map(|known| known.to_row()) else { return next.clone() };
        with(next, |row| match self.fault {
            Fault::Keeps(Column::Digest) => row.digest = known.digest,
            Fault::Keeps(Column::Expiry) => row.expires_at = known.expires_at,
            Fault::Keeps(Column::Use) => row.used_at = known.used_at,
            Fault::Keeps(Column::Replaced) => row.replaced = known.replaced,
            Fault::Skips if row.generation > known.generation => row.generation = known.generation + 1,
            _ => {}
        })
    }

    fn all(&self) -> Vec<Session> {
        let mut filter = SessionFilter::subject("").limit(usize::MAX);
        filter.subject = None;
        now(SessionStore::list(&self.store, &filter))
    }
}

impl SessionStore for Broken {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        let created = SessionStore::create(&self.store, &self.created(session)).now_or_never().unwrap();
        SessionFuture::ready(if self.fault == Fault::Twice { Ok(()) } else { created })
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        let id = if self.fault == Fault::Case { id.to_lowercase() } else { id.to_owned() };
        let other = self.others.lock().unwrap().get(&id).cloned();
        SessionFuture::ready(Ok(other.or_else(|| self.known(&id))))
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        let (known, store, others) = (self.known(next.id()), self.store.clone(), self.others.clone());
        let has_ended = known.as_ref().is_some_and(|known| known.ended().is_some());
        let next = self.next(next);
        match (self.fault, known) {
            (Fault::ReplacesEnded, Some(_)) if has_ended => SessionFuture::ready(Ok(true)),
            (Fault::Again, Some(known)) if known.generation() == next.generation() && !has_ended => {
                SessionFuture::ready(Ok(true))
            }
            (Fault::ReplacesAll, _) => {
                let rotated = now(store.rotate(&next));
                if rotated {
                    others.lock().unwrap().insert(next.id().to_owned(), next);
                }
                SessionFuture::ready(Ok(rotated))
            }
            (Fault::Racy, Some(known)) => SessionFuture::boxed(async move {
                tokio::task::yield_now().await;
                store.rotate(&next).await?;
                Ok(known.generation() + 1 == next.generation() && !has_ended)
            }),
            (Fault::Torn, Some(known)) => SessionFuture::boxed(async move {
                let half = with(&next, |row| row.digest = known.to_row().digest);
                let rotated = store.rotate(&half).await?;
                others.lock().unwrap().insert(half.id().to_owned(), half);
                tokio::task::yield_now().await;
                others.lock().unwrap().remove(next.id());
                Ok(rotated)
            }),
            _ => store.rotate(&next),
        }
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        let why = if self.fault == Fault::OneReason { SessionEnd::LoggedOut } else { why };
        let ended = now(self.store.end(id, at, why));
        let is_known = self.known(id).is_some();
        SessionFuture::ready(Ok(match self.fault {
            Fault::EndsAgain => ended || is_known,
            Fault::EndsUnknown => ended || !is_known,
            _ => ended,
        }))
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        let mut own = self.cut_offs.lock().unwrap();
        let newest = self.all().iter().map(Session::created_at).max().unwrap_or(at).max(at);
        match self.fault {
            Fault::KeepsSessions => {
                let known = own.entry(whose.clone()).or_insert(newest);
                *known = newest.max(*known);
                return SessionFuture::ready(Ok(()));
            }
            Fault::LastCutOff | Fault::IgnoresAhead => drop(own.insert(whose.clone(), at)),
            Fault::NewestOfAll => drop(own.insert(whose.clone(), newest)),
            Fault::CutsEveryone => return self.store.cut_off(&CutOff::Everyone, at),
            Fault::CutsNoName if *whose == CutOff::Everyone => {
                drop(now(self.store.cut_off(whose, at)));
                own.insert(CutOff::subject(""), at);
            }
            _ => {}
        }
        self.store.cut_off(whose, at)
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        let mut denied = self.denied.lock().unwrap();
        let is_known = denied.iter().any(|known| known == token);
        denied.push(token.to_owned());
        match self.fault {
            Fault::FirstDenial if is_known => SessionFuture::ready(Ok(())),
            _ => self.store.deny(token, until),
        }
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        let mut facts = *token;
        let first = token.organizations.len().min(1);
        match self.fault {
            Fault::FirstHolder => facts.organizations = &token.organizations[..first],
            Fault::NoHolder => (facts.account, facts.organizations) = (None, &[]),
            _ => {}
        }
        let mut found = now(self.store.look(&facts));
        let own = self.cut_offs.lock().unwrap();
        let own = own.get(&CutOff::subject(token.subject)).copied().max(own.get(&CutOff::Everyone).copied());
        match self.fault {
            Fault::KeepsNoTime => found.cut_off = None,
            Fault::KeepsSessions | Fault::LastCutOff | Fault::IgnoresAhead | Fault::NewestOfAll | Fault::CutsNoName => {
                found.cut_off = own;
            }
            Fault::Admits => found.is_denied = false,
            Fault::DeniesSessions => {
                let mut other = *token;
                other.token = token.session;
                found.is_denied |= now(self.store.look(&other)).is_denied;
            }
            Fault::NoSession => found.session = None,
            Fault::Live => found.session = found.session.map(|mark| SessionMark::new(mark.created_at, false)),
            Fault::Created => {
                let used = token.session.and_then(|id| self.known(id)).map(|known| known.used_at());
                found.session = found.session.zip(used).map(|(mark, used)| SessionMark::new(used, mark.has_ended));
            }
            Fault::NoKey => found.key = None,
            Fault::ActiveKey => {
                let active = |key: KeyRecord| key.account_suspended(false).organization_suspended(false);
                found.key = found.key.map(active);
            }
            Fault::DeletedKey => {
                found.key = found.key.filter(|key| key.status(SystemTime::now()) != KeyStatus::Revoked)
            }
            Fault::AnyHolder => {
                let names: Vec<String> = token.account.iter().map(|name| (*name).to_owned()).collect();
                let mut other = *token;
                other.organizations = &names;
                found.is_suspended |= now(self.store.look(&other)).is_suspended;
            }
            _ => {}
        }
        SessionFuture::ready(Ok(found))
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        let mut filter = filter.clone();
        match self.fault {
            Fault::Endless => filter.limit = usize::MAX,
            Fault::OneSelection if filter.subject.is_some() => (filter.account, filter.key) = (None, None),
            Fault::Cut => filter.subject = filter.subject.map(|name| name.split('\0').next().unwrap().to_owned()),
            _ => {}
        }
        let mut found = now(SessionStore::list(&self.store, &filter));
        match self.fault {
            Fault::OldestFirst => found.reverse(),
            Fault::OnlyLive => found.retain(|session| session.ended().is_none()),
            _ => {}
        }
        SessionFuture::ready(Ok(found))
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        let mut what = *what;
        let tick = Duration::from_micros(1);
        match self.fault {
            Fault::Remembers => return SessionFuture::ready(Ok(0)),
            Fault::Early => what = Outdated::new(what.sessions + tick, what.cut_offs + tick),
            Fault::OneTime => what.cut_offs = what.sessions,
            Fault::AllAtOnce => return SessionStore::forget(&self.store, &what, usize::MAX),
            Fault::Miscounts => {
                let gone = now(SessionStore::forget(&self.store, &what, limit));
                return SessionFuture::ready(Ok(gone.div_ceil(2)));
            }
            _ => {}
        }
        SessionStore::forget(&self.store, &what, limit)
    }
}

impl KeyStore for Broken {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        KeyStore::find(&self.store, key)
    }
}

impl RegistryStore for Broken {
    fn transact(&self, ids: Vec<String>, decide: Decide) -> RegistryFuture<Vec<Change>> {
        self.store.transact(ids, decide)
    }

    fn forget(&self, what: &Forget, limit: usize) -> RegistryFuture<usize> {
        let Forget::Account { account } = what else { return RegistryStore::forget(&self.store, what, limit) };
        let sessions = now(SessionStore::list(&self.store, &SessionFilter::account(account)));
        let forgotten = RegistryStore::forget(&self.store, what, limit);
        match self.fault {
            Fault::ErasedStay => sessions.iter().for_each(|session| now(SessionStore::create(&self.store, session))),
            Fault::ErasedCutOffs => {
                let all = Outdated::new(SystemTime::UNIX_EPOCH, at(1_000_000));
                now(SessionStore::forget(&self.store, &all, usize::MAX));
            }
            _ => {}
        }
        forgotten
    }

    fn get(&self, id: &str) -> RegistryFuture<Option<Entry>> {
        self.store.get(id)
    }

    fn list(&self, filter: &KeyFilter) -> RegistryFuture<Page<Entry>> {
        RegistryStore::list(&self.store, filter)
    }

    fn audit(&self, filter: &AuditFilter) -> RegistryFuture<Page<AuditRow>> {
        self.store.audit(filter)
    }

    fn suspended(&self, holders: &[Holder]) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.store.suspended(holders)
    }

    fn holders(&self, after: Option<&Holder>) -> RegistryFuture<Vec<(Holder, SystemTime)>> {
        self.store.holders(after)
    }

    fn removed(&self, after: Option<&KeyDigest>) -> RegistryFuture<Vec<Tombstone>> {
        self.store.removed(after)
    }

    fn count_by_pepper(&self) -> RegistryFuture<Vec<PepperCount>> {
        self.store.count_by_pepper()
    }
}

async fn conforms(fault: Fault) -> bool {
    let checked = async {
        conformance::check_sessions(async || Broken::new(fault)).await;
        conformance::check_sessions_of_keys(async || Broken::new(fault)).await;
    };
    AssertUnwindSafe(checked).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_suite_finds_each_fault() {
    assert!(conforms(Fault::None).await, "the wrapper itself is a store");
    let members = ["organizations", "scopes", "roles", "plan", "limits", "first_key", "hint", "client", "actor"];
    let columns = [Column::Digest, Column::Expiry, Column::Use, Column::Replaced];
    let others = [
        Fault::Milliseconds,
        Fault::Narrow,
        Fault::CreatesLive,
        Fault::Twice,
        Fault::Case,
        Fault::Cut,
        Fault::Skips,
        Fault::Again,
        Fault::ReplacesEnded,
        Fault::ReplacesAll,
        Fault::Racy,
        Fault::Torn,
        Fault::EndsAgain,
        Fault::EndsUnknown,
        Fault::OneReason,
        Fault::KeepsSessions,
        Fault::KeepsNoTime,
        Fault::LastCutOff,
        Fault::IgnoresAhead,
        Fault::NewestOfAll,
        Fault::CutsEveryone,
        Fault::CutsNoName,
        Fault::Admits,
        Fault::FirstDenial,
        Fault::DeniesSessions,
        Fault::NoSession,
        Fault::Live,
        Fault::Created,
        Fault::NoKey,
        Fault::ActiveKey,
        Fault::DeletedKey,
        Fault::NoHolder,
        Fault::FirstHolder,
        Fault::AnyHolder,
        Fault::OldestFirst,
        Fault::Endless,
        Fault::OnlyLive,
        Fault::OneSelection,
        Fault::Remembers,
        Fault::Early,
        Fault::AllAtOnce,
        Fault::OneTime,
        Fault::Miscounts,
        Fault::ErasedStay,
        Fault::ErasedCutOffs,
    ];
    let all = members.map(Fault::Member).into_iter().chain(columns.map(Fault::Keeps)).chain(others);
    let mut missed = Vec::new();
    for fault in all {
        if conforms(fault).await {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
