//! What the decision of a bucket tells: the states of its windows, and how long to wait.

use std::{cmp::Reverse, time::Duration};

use super::{
    entry::{Entry, Places},
    purse::{Purse, Standing},
};
use crate::limit::{LimitDecision, WindowStates, levels::MOST_WINDOWS, time::Moment, window::left};

impl Entry {
    /// Returns the state of all windows.
    pub(super) fn levels(&self, places: &Places, even: Option<&LimitDecision>, moment: Moment) -> WindowStates {
        let counted = match even {
            Some(LimitDecision::Admitted(levels) | LimitDecision::Refused { levels, .. }) => *levels,
            _ => WindowStates::none(),
        };
        let (mut levels, mut even) = (WindowStates::none(), counted.all().iter());
        for (window, purse) in self.windows(places) {
            match purse {
                Some(purse) => levels.push(purse.state(window.size, moment)),
                None => even.next().into_iter().for_each(|level| levels.push(*level)),
            }
        }
        (levels.ticket, levels.shared) = (counted.ticket, counted.shared);
        levels.find_tightest();
        levels
    }

    /// Returns the refusal of the window with the longest wait.
    pub(super) fn refused(
        &self,
        places: &Places,
        standings: [Standing; MOST_WINDOWS],
        even: Option<&LimitDecision>,
        moment: Moment,
    ) -> LimitDecision {
        let (mut longest, mut evens) = (None, 0);
        let end = |purse: &Purse| Duration::from_nanos(left(&purse.calendar, purse.number(), moment));
        for (place, ((_, purse), standing)) in self.windows(places).zip(standings).enumerate() {
            let wait = match (purse, even) {
                (Some(purse), _) => (standing == Standing::Spent).then(|| end(purse)),
                (None, Some(LimitDecision::Refused { levels, wait })) => {
                    evens += 1;
                    (levels.tightest_index() + 1 == evens).then_some(*wait)
                }
                (None, _) => None,
            };
            longest = longest.max(wait.map(|wait| (wait, Reverse(place))));
        }
        let mut levels = self.levels(places, even, moment);
        let (wait, Reverse(place)) = longest.unwrap_or((Duration::ZERO, Reverse(0)));
        levels.set_tightest(place);
        LimitDecision::Refused { levels, wait }
    }
}
