//! What a lookup may answer: a register whose reads may be late, but not later than the bound.

/// For how long a cache may answer that a key is unknown, in milliseconds. A creation that could not be announced has returned all
/// the same, so nothing shorter is promised.
const UNKNOWN: u64 = 2_000;

/// What one thing was, one version after the other.
pub(super) struct History<V> {
    versions: Vec<Version<V>>,
    /// Whether the first version ends with the second, whatever comes later.
    is_created: bool,
}

struct Version<V> {
    value: V,
    /// The step at which the change was committed.
    committed: u64,
    returned: Option<Returned>,
}

#[derive(Clone, Copy)]
struct Returned {
    step: u64,
    /// Milliseconds.
    at: u64,
    process: usize,
}

/// A lookup that a process was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) process: usize,
    pub(super) step: u64,
    /// Whether the answer must not be older than the call.
    pub(super) must_be_fresh: bool,
}

impl<V: PartialEq> History<V> {
    pub(super) fn new(value: V) -> Self {
        Self { versions: vec![Version { value, committed: 0, returned: None }], is_created: false }
    }

    /// Of a key, which does not exist at first. That it is unknown ends when its creation is known: an update says nothing of it.
    pub(super) fn of_key(unknown: V) -> Self {
        Self { is_created: true, ..Self::new(unknown) }
    }

    pub(super) fn now(&self) -> Option<&V> {
        self.versions.last().map(|version| &version.value)
    }

    /// Adds a version, and returns its number.
    pub(super) fn commit(&mut self, value: V, step: u64) -> usize {
        self.versions.push(Version { value, committed: step, returned: None });
        self.versions.len() - 1
    }

    /// Notes that the call that has made a version has returned.
    pub(super) fn returned(&mut self, number: usize, step: u64, at: u64, process: usize) {
        self.versions[number].returned = Some(Returned { step, at, process });
    }

    /// Whether a lookup may be answered with this value now.
    pub(super) fn allows(&self, seen: &V, asked: Asked, now: u64, bound: u64) -> bool {
        let count = |number: usize| if self.is_created && number == 0 { 1 } else { usize::MAX };
        let later = |number: usize| self.versions.iter().skip(number + 1).take(count(number));
        let limit = |number: usize| if self.is_created && number == 0 { bound.max(UNKNOWN) } else { bound };
        let known = |number: usize| later(number).any(|later| must_know(later, asked, now, limit(number)));
        self.versions.iter().enumerate().any(|(number, version)| version.value == *seen && !known(number))
    }
}

/// Whether the answer to a lookup must know of this version.
fn must_know<V>(version: &Version<V>, asked: Asked, now: u64, bound: u64) -> bool {
    let after = version.returned.filter(|returned| returned.step < asked.step);
    asked.must_be_fresh && version.committed < asked.step
        || after.is_some_and(|returned| returned.process == asked.process || now >= returned.at + bound)
}
