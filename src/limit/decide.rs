//! The decision of all windows of a bucket.

use std::{cmp::Reverse, num::NonZeroU32, time::Duration};

use super::{levels::WindowStates, limiter::LimitDecision, time::Moment, window::Window};

/// Takes the cost out of all windows or out of none.
#[inline]
pub(super) fn decide<const N: usize>(
    slots: &mut [u64; N],
    at: [u8; N],
    windows: &[Window],
    cost: u32,
    now: Moment,
) -> LimitDecision {
    let Some(events) = NonZeroU32::new(cost) else {
        return LimitDecision::Admitted(levels(slots, at, windows, now));
    };
    let (mut next, mut longest) = (*slots, None);
    for (place, (window, at)) in windows.iter().zip(at).enumerate() {
        match window.take(slots[usize::from(at)], events, now) {
            Ok(slot) => next[usize::from(at)] = slot,
            Err(wait) => longest = longest.max(Some((wait, Reverse(place)))),
        }
    }
    if let Some((wait, Reverse(place))) = longest {
        let mut levels = levels(slots, at, windows, now);
        levels.set_tightest(place);
        return LimitDecision::Refused { levels, wait: Duration::from_nanos(wait) };
    }
    *slots = next;
    LimitDecision::Admitted(levels(slots, at, windows, now))
}

/// Returns the state of the windows. The tightest is the one with the fewest remaining requests, and of several the one
/// with the longest reset.
#[inline]
pub(super) fn levels<const N: usize>(slots: &[u64; N], at: [u8; N], windows: &[Window], now: Moment) -> WindowStates {
    let (mut levels, mut least) = (WindowStates::none(), None);
    for (place, (window, at)) in windows.iter().zip(at).enumerate() {
        let state = window.state(slots[usize::from(at)], now);
        levels.push(state);
        let room = state.room();
        if least.is_none_or(|(known, _)| room < known) {
            least = Some((room, place));
        }
    }
    levels.set_tightest(least.map_or(0, |(_, place)| place));
    levels
}

/// Converts what is used of one window to another window with the same number of requests.
pub(super) fn scaled(used: u64, from: &Window, to: &Window) -> u64 {
    let used = u128::from(used) * u128::from(to.unit());
    u64::try_from(used.div_ceil(u128::from(from.unit()))).unwrap_or(u64::MAX)
}
