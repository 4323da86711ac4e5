//! The bound that all processes share. It is stored as a number of microseconds, in decimal digits, without expiry.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::failure::Failure;

/// The text of a duration, rounded up. Longer ones than 584,000 years are shortened.
pub(super) fn text(bound: Duration) -> String {
    u64::try_from(bound.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX).to_string()
}

pub(super) fn read(stored: &str) -> Result<Duration, Failure> {
    let unreadable = |_| {
        Failure::new(
            "the shared bound is not a number of microseconds; help: delete the key whose name ends with :bound, and restart all \
             processes",
        )
    };
    stored.parse().map(Duration::from_micros).map_err(unreadable)
}

/// What this process knows of the bound.
#[derive(Default)]
pub(super) struct Agreed(Mutex<Option<Agreement>>);

#[derive(Clone, Copy)]
struct Agreement {
    /// The largest bound that a cache of this process has.
    wanted: Duration,
    /// The one that all processes share.
    shared: Duration,
}

impl Agreed {
    /// Returns the bound to store if there is none.
    pub(super) fn offer(&self, wanted: Duration) -> Duration {
        self.get().map_or(wanted, |known| known.shared.max(wanted))
    }

    /// Returns the bound that must be stored as long as this process trusts its subscription.
    pub(super) fn shared(&self) -> Option<Duration> {
        self.get().map(|known| known.shared)
    }

    /// Notes the stored bound. A cache that wants more than it refuses to work, so it is not what this process wants. If another cache
    /// of this process works with more, nothing is noted: its next heartbeat finds that the bound has changed.
    pub(super) fn note(&self, wanted: Duration, stored: &str) -> Result<Duration, Failure> {
        let shared = read(stored)?;
        let before = self.get().map_or(Duration::ZERO, |known| known.wanted);
        let wanted = if wanted <= shared { wanted.max(before) } else { before };
        if wanted > shared {
            return Ok(shared);
        }
        self.set(Agreement { wanted, shared });
        Ok(shared)
    }

    /// Notes the bound that is stored when a subscription begins.
    ///
    /// # Errors
    /// If a cache of this process has a larger one: the others do not wait for it.
    pub(super) fn renew(&self, stored: &str) -> Result<(), Failure> {
        let (Some(known), shared) = (self.get(), read(stored)?) else { return Ok(()) };
        if shared < known.wanted {
            let wanted = known.wanted;
            return Err(Failure::new(format_args!("the shared bound is {shared:?} now, and a cache has {wanted:?}")));
        }
        self.set(Agreement { shared, ..known });
        Ok(())
    }

    /// Returns whether what is stored is what this process relies on.
    pub(super) fn is(&self, stored: Option<&str>) -> bool {
        self.shared().is_none_or(|shared| stored == Some(&*text(shared)))
    }

    fn get(&self) -> Option<Agreement> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, agreement: Agreement) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(agreement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_millis(250);

    #[test]
    fn a_smaller_bound_is_not_what_a_cache_relies_on() {
        let agreed = Agreed::default();
        assert_eq!(agreed.note(LONG, &text(LONG)).unwrap(), LONG);
        assert_eq!(agreed.note(LONG, &text(SHORT)).unwrap(), SHORT);
        assert!(!agreed.is(Some(&text(SHORT))), "the cache works with the long one");
    }

    #[test]
    fn a_bound_is_read_as_it_was_written() {
        for micros in [0, 1, 250_000, u64::MAX] {
            let bound = Duration::from_micros(micros);
            assert_eq!(read(&text(bound)).unwrap(), bound);
        }
        assert_eq!(text(Duration::from_nanos(1)), "1");
        assert_eq!(text(Duration::MAX), u64::MAX.to_string());
        assert!(read("250 ms").is_err());
    }

    #[test]
    fn without_an_agreement_anything_may_be_stored() {
        let agreed = Agreed::default();
        assert!(agreed.is(None) && agreed.is(Some("1")));
        agreed.renew("1").unwrap();
        assert!(agreed.shared().is_none());
    }

    #[test]
    fn an_agreed_bound_must_be_stored_and_is_offered_again() {
        let agreed = Agreed::default();
        assert_eq!(agreed.note(SHORT, "250000").unwrap(), LONG);
        assert!(agreed.is(Some("250000")));
        assert!(!agreed.is(Some("100000")) && !agreed.is(None));
        assert_eq!(agreed.offer(SHORT), LONG);
    }

    #[test]
    fn another_bound_is_taken_over_unless_it_is_too_small() {
        let agreed = Agreed::default();
        agreed.note(SHORT, "250000").unwrap();
        agreed.renew("100000").unwrap();
        assert!(agreed.is(Some("100000")));
        let error = agreed.renew("99999").unwrap_err().to_string();
        assert!(error.contains("99.999ms") && error.contains("100ms"), "{error}");
    }

    #[test]
    fn a_refused_bound_is_not_wanted() {
        let agreed = Agreed::default();
        agreed.note(LONG, "100000").unwrap();
        agreed.renew("100000").unwrap();
    }
}
