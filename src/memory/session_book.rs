//! Sessions in memory, and what was revoked.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap, HashSet},
    hash::{BuildHasher as _, Hash, Hasher, RandomState},
    ops::Bound,
    sync::Arc,
    time::SystemTime,
};

use crate::session::{CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionMark, TokenFacts};

#[derive(Default)]
pub(super) struct SessionBook {
    ids: HashSet<ById>,
    /// The sessions of each subject, account and key. It takes 24 bytes for each of them.
    held: BTreeMap<Place, Arc<Kept>>,
    hasher: RandomState,
    last: u64,
    denied: HashMap<Box<str>, SystemTime>,
    cut_offs: HashMap<Box<str>, SystemTime>,
    /// The cut-off of all subjects.
    everyone: Option<SystemTime>,
}

/// The hash of a name, and the number of a session. Names whose hashes are equal share a list, so the reader compares the
/// name of each session.
pub(super) type Place = (u64, u64);

struct Kept {
    number: u64,
    session: Session,
}

/// A session that is found by its id.
struct ById(Arc<Kept>);

impl Borrow<str> for ById {
    fn borrow(&self) -> &str {
        self.0.session.id()
    }
}

impl Hash for ById {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.session.id().hash(state);
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.session.id() == other.0.session.id()
    }
}

impl Eq for ById {}

/// A name by which sessions are listed.
#[derive(Hash)]
enum Name<'a> {
    Subject(&'a str),
    Account(&'a str),
    Key(&'a str),
}

/// Iterates over the names by which a session is listed.
fn names(session: &Session) -> impl Iterator<Item = Name<'_>> {
    let (grant, who) = (session.grant(), session.grant().holder());
    let others = [who.account().map(Name::Account), grant.key_id().map(Name::Key)];
    [Name::Subject(who.subject())].into_iter().chain(others.into_iter().flatten())
}

fn is_selected(session: &Session, filter: &SessionFilter) -> bool {
    let (grant, who) = (session.grant(), session.grant().holder());
    filter.subject.as_deref().is_none_or(|subject| who.subject() == subject)
        && filter.account.as_deref().is_none_or(|account| who.account() == Some(account))
        && filter.key.as_deref().is_none_or(|key| grant.key_id() == Some(key))
}

impl SessionBook {
    /// Returns `false` if there is a session with this id.
    pub(super) fn create(&mut self, session: &Session) -> bool {
        if self.ids.contains(session.id()) {
            return false;
        }
        self.last += 1;
        self.put(Kept { number: self.last, session: session.clone() });
        true
    }

    pub(super) fn find(&self, id: &str) -> Option<Session> {
        self.ids.get(id).map(|ById(kept)| kept.session.clone())
    }

    pub(super) fn rotate(&mut self, next: &Session) -> bool {
        self.change(next.id(), |known| {
            let is_next = known.generation().checked_add(1) == Some(next.generation());
            is_next.then(|| known.clone().rotated(next))
        })
    }

    pub(super) fn end(&mut self, id: &str, at: SystemTime, why: SessionEnd) -> bool {
        self.change(id, |known| Some(known.clone().ended_at(at, why)))
    }

    pub(super) fn cut_off(&mut self, whose: &CutOff, at: SystemTime) {
        let of = match whose {
            CutOff::Subject(subject) => self.select(&SessionFilter::subject(subject)),
            CutOff::Everyone => Vec::new(),
        };
        let newest = match whose {
            CutOff::Subject(_) => of.iter().map(|kept| kept.session.created_at()).max(),
            CutOff::Everyone => self.ids.iter().map(|ById(kept)| kept.session.created_at()).max(),
        };
        let newest = newest.map_or(at, |newest| newest.max(at));
        let known = match whose {
            CutOff::Subject(subject) => {
                for kept in of {
                    self.end(kept.session.id(), at, SessionEnd::LoggedOut);
                }
                self.cut_offs.entry(subject.as_str().into()).or_insert(newest)
            }
            CutOff::Everyone => self.everyone.get_or_insert(newest),
        };
        *known = newest.max(*known);
    }

    pub(super) fn deny(&mut self, token: &str, until: SystemTime) {
        let known = self.denied.entry(token.into()).or_insert(until);
        *known = until.max(*known);
    }

    /// Returns what is known of a token, without its key and the suspension. It allocates nothing.
    pub(super) fn look(&self, token: &TokenFacts<'_>) -> Findings {
        let session = token.session.and_then(|id| self.ids.get(id));
        let session = session.map(|ById(kept)| &kept.session);
        Findings {
            session: session.map(|session| SessionMark::new(session.created_at(), session.ended().is_some())),
            is_denied: token.token.is_some_and(|id| self.denied.contains_key(id)),
            cut_off: self.cut_offs.get(token.subject).copied().max(self.everyone),
            ..Findings::default()
        }
    }

    pub(super) fn list(&self, filter: &SessionFilter) -> Vec<Session> {
        let mut found = self.select(filter);
        let place = |kept: &Kept| (kept.session.created_at(), kept.number);
        found.sort_unstable_by_key(|kept| std::cmp::Reverse(place(kept)));
        found.iter().take(filter.limit).map(|kept| kept.session.clone()).collect()
    }

    /// Removes the sessions of an account.
    pub(super) fn forget_account(&mut self, account: &str) {
        for kept in self.select(&SessionFilter::account(account)) {
            self.remove(&kept);
        }
    }

    /// Removes outdated sessions among the next `steps` of those after this place. Returns how many, and where to go on.
    pub(super) fn forget_some(
        &mut self,
        what: &Outdated,
        after: Option<Place>,
        steps: usize,
    ) -> (usize, Option<Place>) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let next = || self.held.range((from, Bound::Unbounded)).take(steps);
        let (count, last) = (next().count(), next().last().map(|(place, _)| *place));
        let is_old = |kept: &Kept| {
            let (session, before) = (&kept.session, what.sessions);
            session.expires_at() < before || session.ended().is_some_and(|(at, _)| at < before)
        };
        let old: Vec<_> = next().filter(|(_, kept)| is_old(kept)).map(|(_, kept)| Arc::clone(kept)).collect();
        let gone = old.iter().filter(|kept| self.remove(kept)).count();
        (gone, last.filter(|_| count == steps))
    }

    /// Removes outdated denials and cut-offs, at most so many of each. Returns how many.
    pub(super) fn forget_revoked(&mut self, what: &Outdated, limit: usize) -> usize {
        // A session that another process has begun late is void only because of the cut-off.
        let is_needed = |subject: &str, at: SystemTime| {
            let live = self.select(&SessionFilter::subject(subject)).into_iter();
            live.filter(|kept| kept.session.ended().is_none()).any(|kept| kept.session.created_at() <= at)
        };
        let old = self.cut_offs.iter().filter(|(subject, at)| **at < what.cut_offs && !is_needed(subject, **at));
        let old: HashSet<Box<str>> = old.map(|(subject, _)| subject.clone()).take(limit).collect();
        forget(&mut self.denied, limit, |_, until| until < what.sessions)
            + forget(&mut self.cut_offs, limit, |subject, _| old.contains(subject))
    }

    fn select(&self, filter: &SessionFilter) -> Vec<Arc<Kept>> {
        let subject = filter.subject.as_deref().map(Name::Subject);
        let account = filter.account.as_deref().map(Name::Account);
        let name = filter.key.as_deref().map(Name::Key).or(subject).or(account);
        let chosen = |kept: &&Arc<Kept>| is_selected(&kept.session, filter);
        let Some(name) = name else {
            return self.ids.iter().map(|ById(kept)| kept).filter(chosen).cloned().collect();
        };
        let hash = self.hasher.hash_one(name);
        self.held.range((hash, 0)..=(hash, u64::MAX)).map(|(_, kept)| kept).filter(chosen).cloned().collect()
    }

    /// Changes a session that has not ended, unless there is no change.
    fn change(&mut self, id: &str, change: impl FnOnce(&Session) -> Option<Session>) -> bool {
        let known = self.ids.get(id).filter(|ById(kept)| kept.session.ended().is_none());
        let changed = known.and_then(|ById(kept)| Some(Kept { number: kept.number, session: change(&kept.session)? }));
        changed.map(|kept| self.put(kept)).is_some()
    }

    fn put(&mut self, kept: Kept) {
        let kept = Arc::new(kept);
        for name in names(&kept.session) {
            self.held.insert((self.hasher.hash_one(name), kept.number), Arc::clone(&kept));
        }
        self.ids.replace(ById(kept));
    }

    /// Returns whether it was there.
    fn remove(&mut self, kept: &Kept) -> bool {
        for name in names(&kept.session) {
            self.held.remove(&(self.hasher.hash_one(name), kept.number));
        }
        self.ids.remove(kept.session.id())
    }
}

/// Removes at most so many that are older, and returns how many.
fn forget(all: &mut HashMap<Box<str>, SystemTime>, limit: usize, is_old: impl Fn(&str, SystemTime) -> bool) -> usize {
    let mut gone = 0;
    all.retain(|name, at| {
        let is_old = gone < limit && is_old(name, *at);
        gone += usize::from(is_old);
        !is_old
    });
    gone
}
