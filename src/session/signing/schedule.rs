//! The schedule: which key signs, and when keys are added and removed. It only computes.

use std::time::{Duration, SystemTime};

use super::SigningPolicy;

/// What the schedule needs to know of a key. The keys are in the order of the chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub(super) signs_from: SystemTime,
    /// Whether this process has the private key.
    pub(super) usable: bool,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) step: Step,
    /// The places of keys whose tokens have expired.
    pub(super) remove: Vec<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Add(Why, SystemTime),
    /// A key would be added, but there are too many.
    Full,
    /// The key at this place signs so late that one of the clocks is wrong, and nobody here can tell which.
    TooFar(usize),
    /// Something would be changed, but the clock of the store shows this time.
    Differ(SystemTime),
}

/// Why a key is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    First,
    /// The time of the newest key ends soon.
    Next,
    /// The next key cannot be used by this process.
    Replace,
    /// The key in use cannot be used by this process, and no other can take over.
    Lost,
}

/// Clocks of processes differ. A key that another process has made to sign at once may lie this far in the future.
const SKEW: Duration = Duration::from_secs(60);
/// A process whose clock differs by more from that of the store changes nothing. Two processes then differ by at most four minutes,
/// which is less than the margin of [`SigningPolicy::check_lifetime`].
const MOST_DIFFERENCE: Duration = Duration::from_secs(120);
/// The number of keys from which none is added. Processes with different peppers could otherwise add one after another.
pub(super) const MOST_KEYS: usize = 32;

/// Returns the place of the key that signs: the newest usable one that has begun.
pub(super) fn signer(keys: &[Slot], now: SystemTime) -> Option<usize> {
    let begun = |by: SystemTime| move |key: &Slot| key.usable && key.signs_from <= by;
    keys.iter().rposition(begun(now)).or_else(|| keys.iter().rposition(begun(later(now, SKEW)))).or_else(|| {
        // If no key has begun, the clock was set back. The oldest key signs: verifiers have known it for the longest time.
        let none = keys.iter().all(|key| key.signs_from > now);
        keys.iter().position(|key| none && key.usable)
    })
}

pub(super) fn plan(keys: &[Slot], now: SystemTime, policy: &SigningPolicy) -> Plan {
    let step = match step(keys, now, policy) {
        Step::Add(why, _) if keys.len() >= MOST_KEYS && why != Why::First => Step::Full,
        step => step,
    };
    Plan { step, remove: remove(keys, now, policy) }
}

impl Plan {
    /// Whether it changes what other processes rely on. Nobody relies on an empty store.
    pub(super) const fn needs_a_right_clock(&self) -> bool {
        let is_first = matches!(self.step, Step::Add(Why::First, _));
        !self.remove.is_empty() || matches!(self.step, Step::Add(..)) && !is_first
    }

    /// Returns the plan, or one that changes nothing if the clocks differ. The store showed `store` at a time between the other two.
    pub(super) fn agreed(self, asked: SystemTime, store: SystemTime, answered: SystemTime) -> Self {
        if store > later(answered, MOST_DIFFERENCE) || later(store, MOST_DIFFERENCE) < asked {
            return Self { step: Step::Differ(store), remove: Vec::new() };
        }
        self
    }
}

/// A key that is planned never signs before the key that it follows. So a process whose clock is wrong adds one key, and not
/// another one until its clock has gone on by a period.
fn step(keys: &[Slot], now: SystemTime, policy: &SigningPolicy) -> Step {
    let Some(newest) = keys.last() else { return Step::Add(Why::First, now) };
    let soonest = later(now, policy.ahead);
    let too_far = Step::TooFar(keys.len() - 1);
    if keys.iter().all(|key| key.signs_from > later(now, SKEW)) {
        return too_far;
    }
    if is_lost(keys, now) {
        return Step::Add(Why::Lost, now);
    }
    if newest.signs_from > later(soonest, SKEW) {
        return too_far;
    }
    if !newest.usable {
        return Step::Add(Why::Replace, soonest.max(newest.signs_from));
    }
    let ends = later(newest.signs_from, policy.period);
    if ends <= soonest { Step::Add(Why::Next, soonest) } else { Step::Nothing }
}

/// Returns whether the key in use cannot be used by this process, and no other key can sign until another takes over.
fn is_lost(keys: &[Slot], now: SystemTime) -> bool {
    let Some(able) = signer(keys, now) else { return true };
    let in_use = keys.iter().rposition(|key| key.signs_from <= later(now, SKEW)).unwrap_or(able);
    let in_use_is_usable = keys.get(in_use).is_some_and(|key| key.usable);
    !in_use_is_usable && !keys.iter().skip(in_use).any(|key| key.usable)
}

/// A key is removed when a newer one that this process can use has signed for as long as tokens may live. All but the newest can be
/// removed. None is while a key that is still to sign lies too far ahead, because a wrong clock takes keys for old.
fn remove(keys: &[Slot], now: SystemTime, policy: &SigningPolicy) -> Vec<usize> {
    let (far, signer) = (later(later(now, policy.ahead), SKEW), signer(keys, now).unwrap_or(0));
    if keys.iter().skip(signer).any(|key| key.signs_from > far) {
        return Vec::new();
    }
    let over = |key: &Slot| key.usable && later(key.signs_from, policy.keep) <= now;
    let replaced = keys.iter().rposition(over).unwrap_or(0);
    (0..replaced).collect()
}

fn later(time: SystemTime, by: Duration) -> SystemTime {
    // A time that cannot be represented is never reached.
    time.checked_add(by).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;
    const DAY: u64 = 24 * HOUR;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    fn key(seconds: u64) -> Slot {
        Slot { signs_from: at(seconds), usable: true }
    }

    fn lost(seconds: u64) -> Slot {
        Slot { usable: false, ..key(seconds) }
    }

    fn planned(keys: &[Slot], now: u64) -> (Step, Vec<usize>) {
        let Plan { step, remove } = plan(keys, at(now), &SigningPolicy::new());
        (step, remove)
    }

    fn step(keys: &[Slot], now: u64) -> Step {
        planned(keys, now).0
    }

    fn signs(keys: &[Slot], now: u64) -> Option<usize> {
        signer(keys, at(now))
    }

    #[test]
    fn the_first_key_signs_at_once_and_is_followed_before_its_time_ends() {
        assert_eq!(step(&[], 0), Step::Add(Why::First, at(0)));
        let first = [key(0)];
        assert_eq!(step(&first, 0), Step::Nothing);
        assert_eq!(step(&first, 29 * DAY - 1), Step::Nothing);
        assert_eq!(step(&first, 29 * DAY), Step::Add(Why::Next, at(30 * DAY)));
        let both = [key(0), key(30 * DAY)];
        assert_eq!(planned(&both, 29 * DAY), (Step::Nothing, vec![]));
        assert_eq!((signs(&both, 30 * DAY - 1), signs(&both, 30 * DAY)), (Some(0), Some(1)));
        assert_eq!(planned(&both, 32 * DAY - 1), (Step::Nothing, vec![]));
        assert_eq!(planned(&both, 32 * DAY), (Step::Nothing, vec![0]));
        assert_eq!(planned(&both, 59 * DAY), (Step::Add(Why::Next, at(60 * DAY)), vec![0]));
    }

    /// A minute is a step of the upkeep: it may see the time a little late, and the next key is planned from then.
    #[test]
    fn a_key_is_always_published_for_a_day_before_it_signs() {
        let (mut keys, mut now, mut pauses) =
            (Vec::<(u64, Slot)>::new(), 0, [60, 7 * DAY, 61, 200 * DAY, 3 * HOUR].into_iter().cycle());
        while now < 3_000 * DAY {
            let slots: Vec<Slot> = keys.iter().map(|(_, slot)| *slot).collect();
            let Plan { step, remove } = plan(&slots, at(now), &SigningPolicy::new());
            if let Step::Add(why, signs_from) = step {
                assert!(why == Why::First || signs_from >= at(now + DAY), "{now}");
                keys.push((now, Slot { signs_from, usable: true }));
            }
            keys.drain(..remove.len());
            let slots: Vec<Slot> = keys.iter().map(|(_, slot)| *slot).collect();
            let signer = signer(&slots, at(now)).unwrap();
            assert!(slots[signer].signs_from <= at(now), "{now}");
            assert!(keys.len() <= 3, "{now}");
            now += pauses.next().unwrap();
        }
        assert!(keys[0].0 > 2_000 * DAY, "keys were replaced");
    }

    #[test]
    fn after_months_the_old_key_signs_until_the_next_one_was_published_for_a_day() {
        let old = [key(0)];
        assert_eq!(planned(&old, 200 * DAY), (Step::Add(Why::Next, at(201 * DAY)), vec![]));
        let both = [key(0), key(201 * DAY)];
        assert_eq!((signs(&both, 201 * DAY - 1), signs(&both, 201 * DAY)), (Some(0), Some(1)));
        assert_eq!(planned(&both, 202 * DAY), (Step::Nothing, vec![]), "its tokens are still valid");
    }

    #[test]
    fn a_lost_key_in_use_is_replaced_at_once() {
        assert_eq!(step(&[lost(0)], 5), Step::Add(Why::Lost, at(5)));
        assert_eq!(step(&[key(0), lost(30 * DAY)], 30 * DAY), Step::Add(Why::Lost, at(30 * DAY)));
        assert_eq!(step(&[lost(0), key(30 * DAY)], 29 * DAY), Step::Add(Why::Lost, at(29 * DAY)), "the next one waits");
        let replaced = [lost(0), key(5)];
        assert_eq!(planned(&replaced, 5), (Step::Nothing, vec![]));
        assert_eq!(signs(&replaced, 5), Some(1));
        assert_eq!(planned(&replaced, 5 + 2 * DAY), (Step::Nothing, vec![0]), "it is published as long as any other");
        // The key that was planned before is never used: it comes before the one that replaced the lost key.
        let planned_before = [lost(0), key(30 * DAY), key(29 * DAY)];
        assert_eq!(signs(&planned_before, 30 * DAY), Some(2));
        assert_eq!(planned(&planned_before, 31 * DAY), (Step::Nothing, vec![0, 1]));
    }

    #[test]
    fn a_lost_next_key_is_replaced_before_its_time() {
        let keys = [key(0), lost(30 * DAY)];
        assert_eq!(step(&keys, 29 * DAY + HOUR), Step::Add(Why::Replace, at(30 * DAY + HOUR)));
        let keys = [key(0), lost(30 * DAY), key(30 * DAY + HOUR)];
        for (now, signer) in [(30 * DAY - 1, 0), (30 * DAY, 0), (30 * DAY + HOUR - 1, 0), (30 * DAY + HOUR, 2)] {
            assert_eq!(planned(&keys, now), (Step::Nothing, vec![]), "{now}");
            assert_eq!(signs(&keys, now), Some(signer), "{now}");
        }
        assert_eq!(planned(&keys, 32 * DAY).1, [0; 0], "tokens of the first key are younger");
        assert_eq!(planned(&keys, 32 * DAY + HOUR).1, [0, 1]);
    }

    /// A key that another process has just made lies in the future of this process.
    #[test]
    fn clocks_that_differ_make_no_keys() {
        assert_eq!((step(&[key(30)], 0), signs(&[key(30)], 0)), (Step::Nothing, Some(0)));
        assert_eq!((step(&[lost(0), key(30)], 0), signs(&[lost(0), key(30)], 0)), (Step::Nothing, Some(1)));
        assert_eq!((step(&[key(0), key(30)], 0), signs(&[key(0), key(30)], 0)), (Step::Nothing, Some(0)));
        // A clock that is behind by hours.
        assert_eq!((step(&[key(5 * HOUR)], 0), signs(&[key(5 * HOUR)], 0)), (Step::TooFar(0), Some(0)));
        assert_eq!(step(&[lost(5 * HOUR)], 0), Step::TooFar(0));
        assert_eq!(signs(&[lost(0), key(5 * HOUR)], 10), None, "a planned key never signs early");
    }

    #[test]
    fn nothing_is_changed_while_a_key_lies_too_far_ahead() {
        let keys = [key(0), key(30 * DAY), key(9_000 * DAY)];
        for now in [31 * DAY, 40 * DAY, 500 * DAY] {
            assert_eq!(planned(&keys, now), (Step::TooFar(2), vec![]), "{now}");
            assert_eq!(signs(&keys, now), Some(1));
        }
        assert_eq!(step(&[key(0), lost(9_000 * DAY)], 5), Step::TooFar(1));
        assert_eq!(step(&[key(0), key(DAY + 60)], 0), Step::Nothing, "made by a clock that is ahead by a minute");
        assert_eq!(step(&[key(0), key(DAY + 61)], 0), Step::TooFar(1));
        // An operator has set its time to the present.
        let keys = [key(0), key(30 * DAY), key(500 * DAY)];
        assert_eq!(planned(&keys, 500 * DAY), (Step::Nothing, vec![0]));
    }

    /// The key in use is lost, and another key lies too far ahead. The new key takes its place.
    #[test]
    fn a_lost_key_is_replaced_although_another_lies_too_far_ahead() {
        assert_eq!(step(&[lost(0), key(9_000 * DAY)], 5), Step::Add(Why::Lost, at(5)));
        let keys = [lost(0), key(9_000 * DAY), key(5)];
        assert_eq!((planned(&keys, 5), signs(&keys, 5)), ((Step::Nothing, vec![]), Some(2)));
        assert_eq!(planned(&keys, 5 + 2 * DAY), (Step::Nothing, vec![0, 1]));
    }

    #[test]
    fn a_process_whose_clock_differs_from_that_of_the_store_changes_nothing() {
        let due = || plan(&[key(0), key(30 * DAY)], at(32 * DAY), &SigningPolicy::new());
        assert_eq!(due().remove, [0]);
        assert!(due().needs_a_right_clock());
        let day = 32 * DAY;
        for (asked, store, answered, agree) in [
            (day, day, day, true),
            (day, day - 120, day, true),
            (day, day - 121, day, false),
            (day, day + 120, day, true),
            (day, day + 121, day, false),
            (day, day + 129, day + 9, true),
        ] {
            let plan = due().agreed(at(asked), at(store), at(answered));
            let held = Plan { step: Step::Differ(at(store)), remove: vec![] };
            assert_eq!(plan, if agree { due() } else { held }, "{store}");
        }
        let plan = |keys: &[Slot], now| plan(keys, at(now), &SigningPolicy::new());
        assert!(!plan(&[], 0).needs_a_right_clock(), "the first key of a store");
        assert!(!plan(&[key(0)], 0).needs_a_right_clock());
        assert!(plan(&[key(0)], 29 * DAY).needs_a_right_clock());
        assert!(plan(&[lost(0)], 5).needs_a_right_clock());
        assert!(!plan(&[key(9 * DAY)], 0).needs_a_right_clock());
    }

    #[test]
    fn processes_that_cannot_read_each_others_keys_stop_adding() {
        let keys = vec![lost(0); MOST_KEYS];
        assert_eq!(step(&keys[1..], 5), Step::Add(Why::Lost, at(5)));
        assert_eq!(step(&keys, 5), Step::Full);
    }
}
