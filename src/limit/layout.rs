//! Which of the times that a bucket keeps is whose.

use std::time::Duration;

use super::limits::Limits;

/// The limits that a bucket was last counted by, and in which of its `N` places the time of each window stands. Places of
/// windows that these limits have not are kept for when others have them again.
pub(super) struct Layout<const N: usize> {
    pub(super) limits: Limits,
    /// The place of each window.
    pub(super) at: [u8; N],
    places: [Option<Place>; N],
}

/// Whose a place is: a window is the same if its period is, and its name where there are several.
#[derive(Clone, PartialEq, Eq)]
struct Place {
    period: Duration,
    name: Box<str>,
}

/// Where a window finds what was counted for it.
pub(super) enum Source {
    /// Nothing was: so it starts with what the others have counted.
    Others,
    /// Its own place.
    Own,
}

impl<const N: usize> Layout<N> {
    /// For a bucket that keeps nothing yet.
    pub(super) fn first(limits: &Limits) -> Self {
        const NONE: Option<Place> = None;
        Self::after([NONE; N], limits).0
    }

    /// For a bucket that was counted otherwise; and where each window finds its time.
    pub(super) fn next(&self, limits: &Limits) -> (Self, Vec<Source>) {
        Self::after(self.places.clone(), limits)
    }

    fn after(mut places: [Option<Place>; N], limits: &Limits) -> (Self, Vec<Source>) {
        let windows: Vec<Place> = limits.all().iter().take(N).map(Place::of).collect();
        let mut found: Vec<Option<usize>> = vec![None; windows.len()];
        let free = |found: &[Option<usize>], at: usize| !found.contains(&Some(at));
        let same: [fn(&Place, &Place) -> bool; 2] =
            [|one, other| one == other, |one, other| one.period == other.period];
        for same in same {
            for (number, window) in windows.iter().enumerate() {
                if found[number].is_none() {
                    let fits = |at: &usize| places[*at].as_ref().is_some_and(|place| same(place, window));
                    found[number] = (0..N).filter(|at| free(&found, *at)).find(fits);
                }
            }
        }
        let (mut at, mut sources) = ([0; N], Vec::new());
        for (number, window) in windows.into_iter().enumerate() {
            let own = found[number];
            // An empty place, or that of the shortest period: it would be the first to be full again.
            let next = || {
                (0..N).filter(|at| free(&found, *at)).min_by_key(|at| places[*at].as_ref().map(|place| place.period))
            };
            let place = own.or_else(next).unwrap_or(0);
            found[number] = Some(place);
            places[place] = Some(window);
            at[number] = u8::try_from(place).unwrap_or(0);
            sources.push(if own.is_some() { Source::Own } else { Source::Others });
        }
        (Self { limits: limits.clone(), at, places }, sources)
    }

    /// Whether it is for these limits, and keeps the same places.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.limits.id() == other.limits.id() && self.at == other.at && self.places == other.places
    }

    /// Whether it is the one of a bucket that keeps nothing else.
    pub(super) fn is_first_of(&self, limits: &Limits) -> bool {
        let count = limits.len();
        self.limits.id() == limits.id()
            && self.places.iter().take(count).all(Option::is_some)
            && self.places.iter().skip(count).all(Option::is_none)
            && self.at.iter().take(count).enumerate().all(|(number, at)| usize::from(*at) == number)
    }
}

impl Place {
    fn of(window: &super::window::Window) -> Self {
        Self { period: window.quota.period(), name: window.quota.name().into() }
    }
}
