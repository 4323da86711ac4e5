//! A store that does one thing wrong, over the store in memory.

use std::{collections::HashMap, sync::Arc};

use futures_util::FutureExt as _;
use tower_auth::{
    KeyRecord, KeyStatus,
    session::{CutOff, Findings, Outdated, SessionEnd, SessionFilter, SessionFuture, SessionMark, TokenFacts},
};

use super::{
    super::*,
    fault::{Column, Fault},
};

#[derive(Clone)]
pub(super) struct Broken {
    pub(super) store: MemoryKeyStore,
    pub(super) fault: Fault,
    /// What is found instead of what the store has.
    others: Arc<Mutex<HashMap<String, Session>>>,
    /// The cut-offs that are found instead of those of the store.
    cut_offs: Arc<Mutex<HashMap<CutOff, SystemTime>>>,
    denied: Arc<Mutex<Vec<String>>>,
}

pub(super) fn now<T>(future: SessionFuture<T>) -> T {
    future.now_or_never().unwrap().unwrap()
}

fn with(session: &Session, change: impl FnOnce(&mut SessionRow)) -> Session {
    let mut row = session.to_row();
    change(&mut row);
    row.into_session().unwrap()
}

/// Keeps the later time.
fn keep(cut_offs: &mut HashMap<CutOff, SystemTime>, whose: &CutOff, at: SystemTime) {
    let known = cut_offs.entry(whose.clone()).or_insert(at);
    *known = at.max(*known);
}

impl Broken {
    pub(super) fn new(fault: Fault) -> Self {
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

    fn of(&self, whose: &CutOff) -> Vec<Session> {
        let mut all = self.all();
        if let CutOff::Subject(subject) = whose {
            all.retain(|session| session.grant().holder().subject() == subject);
        }
        all
    }

    fn newest_of(&self, whose: &CutOff, at: SystemTime) -> SystemTime {
        self.of(whose).iter().map(Session::created_at).max().unwrap_or(at).max(at)
    }

    fn all(&self) -> Vec<Session> {
        let mut filter = SessionFilter::subject("").limit(usize::MAX);
        filter.subject = None;
        now(SessionStore::list(&self.store, &filter))
    }
}

impl SessionStore for Broken {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        if self.fault == Fault::RacyCreate && self.known(session.id()).is_none() {
            let (store, session) = (self.store.clone(), session.clone());
            return SessionFuture::boxed(async move {
                tokio::task::yield_now().await;
                let _ = SessionStore::create(&store, &session).await;
                Ok(())
            });
        }
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
                if !store.rotate(&next).await? {
                    return Ok(false);
                }
                others.lock().unwrap().insert(half.id().to_owned(), half);
                tokio::task::yield_now().await;
                others.lock().unwrap().remove(next.id());
                Ok(true)
            }),
            (Fault::Revives, Some(_)) if !has_ended => SessionFuture::boxed(async move {
                tokio::task::yield_now().await;
                let rotated = store.rotate(&next).await?;
                let known = SessionStore::find(&store, next.id()).await?;
                if known.is_some_and(|known| known.ended().is_some()) {
                    others.lock().unwrap().insert(next.id().to_owned(), next);
                    return Ok(true);
                }
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
        let newest = self.newest_of(&CutOff::Everyone, at);
        match self.fault {
            Fault::KeepsSessions => {
                keep(&mut own, whose, self.newest_of(whose, at));
                return SessionFuture::ready(Ok(()));
            }
            Fault::EndsEveryone if *whose == CutOff::Everyone => {
                for session in self.all() {
                    now(self.store.end(session.id(), at, SessionEnd::LoggedOut));
                }
            }
            Fault::LastCutOff => drop(own.insert(whose.clone(), at)),
            Fault::IgnoresAhead => keep(&mut own, whose, at),
            Fault::NewestOfAll => keep(&mut own, whose, newest),
            Fault::EarlierCutOff | Fault::ForgetsNeeded => keep(&mut own, whose, self.newest_of(whose, at)),
            Fault::RacyCutOff => {
                let (known, newest) = (own.get(whose).copied(), self.newest_of(whose, at));
                let (whose, owned) = (whose.clone(), self.cut_offs.clone());
                let ended = self.store.cut_off(&whose, at);
                return SessionFuture::boxed(async move {
                    tokio::task::yield_now().await;
                    owned.lock().unwrap().insert(whose, known.map_or(newest, |known| known.max(newest)));
                    ended.await
                });
            }
            Fault::CutsOld if *whose != CutOff::Everyone => {
                let (store, known) = (self.store.clone(), self.of(whose));
                keep(&mut own, whose, self.newest_of(whose, at));
                return SessionFuture::boxed(async move {
                    tokio::task::yield_now().await;
                    for session in known {
                        if SessionStore::find(&store, session.id()).await?.as_ref() == Some(&session) {
                            store.end(session.id(), at, SessionEnd::LoggedOut).await?;
                        }
                    }
                    Ok(())
                });
            }
            Fault::CutsEveryone => return self.store.cut_off(&CutOff::Everyone, at),
            Fault::CutsNoName if *whose == CutOff::Everyone => {
                return self.store.cut_off(&CutOff::subject(""), self.newest_of(whose, at));
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
        let (one, all) = (own.get(&CutOff::subject(token.subject)).copied(), own.get(&CutOff::Everyone).copied());
        match self.fault {
            Fault::KeepsNoTime => found.cut_off = None,
            Fault::KeepsSessions
            | Fault::LastCutOff
            | Fault::IgnoresAhead
            | Fault::NewestOfAll
            | Fault::RacyCutOff
            | Fault::ForgetsNeeded => found.cut_off = one.max(all),
            Fault::CutsOld => found.cut_off = found.cut_off.max(one),
            Fault::EarlierCutOff => found.cut_off = one.zip(all).map_or(one.max(all), |(one, all)| Some(one.min(all))),
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
                found.key = found.key.filter(|key| key.status(SystemTime::now()) != KeyStatus::Revoked);
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
        let mut own = self.cut_offs.lock().unwrap();
        let is_old = |(of, at): &(&CutOff, &SystemTime)| **at < what.cut_offs && **of != CutOff::Everyone;
        let old: Vec<CutOff> = own.iter().filter(is_old).map(|(of, _)| of.clone()).collect();
        let gone = old.iter().take(limit).filter_map(|of| own.remove(of)).count();
        let is_apart = matches!(self.fault, Fault::KeepsSessions | Fault::CutsOld);
        SessionFuture::ready(Ok(gone * usize::from(is_apart) + now(SessionStore::forget(&self.store, &what, limit))))
    }
}
