//! Whether the promise was kept in a column, and by how much.

use std::{fmt, time::Duration};

use crate::{
    column::Column,
    order::{BOUND, Report, Seen, Span, is_rare},
    revoke::Revoked,
};

/// What was measured in a column.
pub(crate) struct Measured {
    pub(crate) column: Column,
    pub(crate) first: u32,
    pub(crate) revoked: Vec<Revoked>,
    pub(crate) reports: [Report; 2],
    pub(crate) faults: u32,
}

/// Times in milliseconds, in order.
pub(crate) struct Times(Vec<f64>);

impl Times {
    fn new(times: impl Iterator<Item = f64>) -> Self {
        let mut times: Vec<_> = times.collect();
        times.sort_by(f64::total_cmp);
        Self(times)
    }

    /// The time that so many of a thousand do not exceed.
    pub(crate) fn of(&self, thousandth: usize) -> f64 {
        let place = (self.0.len() * thousandth).div_ceil(1000).max(1) - 1;
        self.0.get(place).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn worst(&self) -> f64 {
        self.of(1000)
    }
}

/// How a promise can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    /// No request that began later than the bound after the return of `revoke` is admitted by an older answer.
    Cache,
    /// None that began after the return is admitted by an answer of the store.
    Store,
    /// Keys were admitted from the cache, and what should fail has failed.
    Tested,
}

impl Measured {
    /// What broke the promise.
    pub(crate) fn broken(&self) -> Vec<(Rule, String)> {
        let bound = if self.column.strict { Duration::ZERO } else { BOUND };
        let broken = self.pairs().filter_map(|pair| Some((pair.broken(bound)?, pair.to_string())));
        let untested = self.untested().map(|why| (Rule::Tested, format!("{}: {why}", self.column.name)));
        broken.chain(untested).collect()
    }

    /// Why the column has tested nothing.
    fn untested(&self) -> Option<String> {
        let cached = self.pairs().filter(|pair| pair.seen.from_cache.is_some()).count();
        if cached * 10 < self.revoked.len() {
            return Some(format!("only {cached} keys were admitted from a cache"));
        }
        let is_lost = self.total(|report| report.losses) > 0;
        (self.column.fault.is_loss() && !is_lost).then(|| "no connection was lost".to_owned())
    }

    /// Every key, on every server.
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let servers = (0..).zip(&self.reports);
        servers.flat_map(move |(server, report)| {
            let keys = (self.first..).zip(&self.revoked).zip(&report.keys);
            keys.map(move |((number, revoked), seen)| Pair {
                column: self.column.name,
                server,
                number,
                revoked: *revoked,
                seen: *seen,
            })
        })
    }

    /// From the return of `revoke` to the begin of the last request that was admitted from the cache.
    pub(crate) fn last_admissions(&self) -> Times {
        Times::new(self.pairs().filter_map(|pair| Some(pair.late(pair.cached()?.began).max(0.0))))
    }

    pub(crate) fn total(&self, count: impl Fn(&Report) -> u64) -> u64 {
        self.reports.iter().map(count).sum()
    }

    /// A line with the times that are not in the table.
    pub(crate) fn line(&self) -> String {
        let late = |of: fn(&Seen) -> Option<Span>| {
            let ends = self.pairs().filter_map(|pair| Some(pair.late(of(&pair.seen)?.ended)));
            Times::new(ends).worst()
        };
        let refused = |from: fn(&Revoked) -> u64| {
            let often = self.pairs().filter(|pair| !is_rare(pair.server, pair.number));
            let first = often.filter_map(|pair| Some(millis(pair.seen.refused?.ended, from(&pair.revoked))));
            let times = Times::new(first);
            format!("p50 {:.2}, p99 {:.2}, worst {:.2}", times.of(500), times.of(990), times.worst())
        };
        format!(
            "{}, {} ({} times), ms: last answer that admits: from the cache {:.2}, shared {:.2}, from the store {:.2}; \
             first that refuses: after the return {}; after the call {}; failed lookups {}",
            self.column.bus,
            self.column.name,
            self.faults,
            late(|seen| seen.from_cache),
            late(|seen| seen.from_shared),
            late(|seen| seen.from_store),
            refused(|revoked| revoked.returned),
            refused(|revoked| revoked.called),
            self.total(|report| report.failures),
        )
    }
}

/// A key on a server.
struct Pair {
    column: &'static str,
    server: u32,
    number: u32,
    revoked: Revoked,
    seen: Seen,
}

impl Pair {
    /// The last admission that may be older than its request.
    fn cached(&self) -> Option<Span> {
        let both = [self.seen.from_cache, self.seen.from_shared];
        both.into_iter().flatten().max_by_key(|span| span.began)
    }

    /// Milliseconds after the return of `revoke`.
    fn late(&self, time: u64) -> f64 {
        millis(time, self.revoked.returned)
    }

    fn broken(&self, bound: Duration) -> Option<Rule> {
        let returned = self.revoked.returned;
        let end = returned + u64::try_from(bound.as_nanos()).unwrap();
        let is_after = |span: Option<Span>, end| span.is_some_and(|span| span.began > end);
        if is_after(self.seen.from_store, returned) {
            return Some(Rule::Store);
        }
        is_after(self.cached(), end).then_some(Rule::Cache)
    }
}

/// All times, in milliseconds after the return of `revoke`.
impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Revoked { called, returned }, seen) = (self.revoked, self.seen);
        write!(
            f,
            "{}: key {} on server {}: revoke called {:.3} and returned at 0 ({returned}); ",
            self.column,
            self.number,
            self.server,
            millis(called, returned)
        )?;
        for (name, span) in [
            ("last admitted from the cache", seen.from_cache),
            ("from a shared lookup", seen.from_shared),
            ("from the store", seen.from_store),
            ("refused", seen.refused),
        ] {
            match span {
                Some(Span { began, ended }) => {
                    write!(f, "{name} {:.3} to {:.3}; ", millis(began, returned), millis(ended, returned))?;
                }
                None => write!(f, "{name} never; ")?,
            }
        }
        Ok(())
    }
}

fn millis(time: u64, from: u64) -> f64 {
    let nanos = i128::from(time) - i128::from(from);
    #[allow(clippy::cast_precision_loss, reason = "a time is shown with few digits")]
    let nanos = nanos as f64;
    nanos / 1e6
}
