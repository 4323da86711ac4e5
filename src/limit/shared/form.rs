//! The windows of a bucket in the form in which a server keeps them: numbers below 2^53.

use super::quotas::{layout_of, text_of};
use crate::limit::{
    Limits,
    layout::Layout,
    levels::MOST_WINDOWS,
    quota::IN_MICROS,
    time::Moment,
    window::{Kind, Window, of_count},
};

/// What a window counts: requests not yet refilled in ticks, and zero; or requests in a calendar period, and its number.
pub(crate) type Pair = [u64; 2];

/// How a window counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The ticks that one request uses.
    pub(crate) interval: u64,
    /// The ticks that are refilled in a microsecond; zero for a calendar window.
    pub(crate) drain: u64,
}

/// Numbers in a script of Redis are exact below.
const EXACT: u64 = 1 << 53;

impl Pace {
    pub(in crate::limit) fn of(window: &Window) -> Self {
        match window.kind {
            Kind::Calendar(_) => Self { interval: 1, drain: 0 },
            Kind::Even(_) => {
                let tick = if u128::from(window.capacity()) >= IN_MICROS { MICRO } else { 1 };
                Self { interval: window.unit() / tick, drain: MICRO / tick }
            }
        }
    }

    /// Returns the slot of the window at a time of the server.
    pub(crate) fn slot(self, [value, number]: Pair, now: u64) -> u64 {
        match MICRO.checked_div(self.drain) {
            Some(tick) => now.saturating_add(value.saturating_mul(tick)),
            None => of_count(low(number), low(value)),
        }
    }

    fn pair(self, slot: u64, now: u64) -> Pair {
        match MICRO.checked_div(self.drain) {
            Some(tick) => [slot.saturating_sub(now).div_ceil(tick).min(EXACT - 1), 0],
            None => [slot & u64::from(u32::MAX), slot >> 32],
        }
    }
}

const MICRO: u64 = 1_000;

fn low(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// How a bucket is laid out that other limits have counted.
pub(crate) struct Form {
    layout: Layout<MOST_WINDOWS>,
    paces: Vec<Pace>,
}

/// The same bucket, for the limits that count now.
pub(crate) struct Converted {
    pub(crate) text: String,
    /// The place of each window.
    pub(crate) at: Vec<u8>,
    /// Of each place.
    pub(crate) paces: Vec<Pace>,
    pub(crate) pairs: Vec<Pair>,
}

impl Form {
    /// Reads what a server keeps. `at` is the place of each window.
    pub(crate) fn read(text: &str, at: &[u64], paces: Vec<Pace>) -> Option<Self> {
        let at = at.iter().map(|place| u8::try_from(*place).ok()).collect::<Option<Vec<_>>>()?;
        let layout = layout_of(text, at)?;
        (layout.quotas().count() == paces.len()).then_some(Self { layout, paces })
    }

    /// Converts the bucket to other limits.
    pub(crate) fn convert(&self, pairs: &[Pair], limits: &Limits, now: u64) -> Converted {
        let mut slots = [0; MOST_WINDOWS];
        for (slot, (pair, pace)) in slots.iter_mut().zip(pairs.iter().zip(&self.paces)) {
            *slot = pace.slot(*pair, now);
        }
        let (layout, slots) = self.layout.carry_over(slots, limits, Moment { elapsed: now, wall: now });
        let text = text_of(&layout);
        let at: Vec<u8> = layout.at.iter().take(limits.len()).copied().collect();
        let mut paces = self.paces.clone();
        paces.resize(layout.quotas().count(), Pace { interval: 1, drain: 0 });
        for (window, at) in limits.all().iter().zip(&at) {
            if let Some(pace) = paces.get_mut(usize::from(*at)) {
                *pace = Pace::of(window);
            }
        }
        let pairs = slots.iter().zip(&paces).map(|(slot, pace)| pace.pair(*slot, now)).collect();
        Converted { text, at, paces, pairs }
    }
}

impl Limits {
    /// Returns how each window counts.
    pub(crate) fn paces(&self) -> impl ExactSizeIterator<Item = Pace> {
        self.all().iter().map(Pace::of)
    }

    /// Returns the slots of the windows, from what a server answered at this time of its clock.
    pub(crate) fn slots(&self, pairs: impl Iterator<Item = Pair>, now: u64) -> [u64; MOST_WINDOWS] {
        let mut slots = [0; MOST_WINDOWS];
        for (slot, (pace, pair)) in slots.iter_mut().zip(self.paces().zip(pairs)) {
            *slot = pace.slot(pair, now);
        }
        slots
    }
}
