//! The assignment of a bucket's stored times to the windows of its limits.

use std::{sync::Arc, time::Duration};

use super::{
    calendar::Calendar,
    limits::Limits,
    quota::{Quota, Span},
    window::{Kind, Window, of_count},
};

/// The limits that last counted a bucket, and the place (of `N`) that stores the time of each window. The place of a
/// window that the current limits do not have is kept, in case later limits have this window again.
pub(super) struct Layout<const N: usize> {
    pub(super) limits: Limits,
    /// The place of each window.
    pub(super) at: [u8; N],
    places: [Option<Place>; N],
}

/// The window of a place. Two windows are the same if their periods are equal: the length, or the unit of the calendar and
/// the time zone.
#[derive(Clone)]
struct Place {
    /// A typical length, for a calendar window.
    period: Duration,
    calendar: Option<Arc<Calendar>>,
    /// The quota that counted last. Its name decides between several windows with the same period.
    quota: Arc<Quota>,
}

/// The source of a window's count.
pub(super) enum Source {
    /// The window was not counted before. It starts with the count of the other windows.
    Others,
    /// The window's own place.
    Own,
}

impl<const N: usize> Layout<N> {
    /// Returns the layout of a new bucket.
    pub(super) fn first(limits: &Limits) -> Self {
        const NONE: Option<Place> = None;
        Self::after([NONE; N], limits).0
    }

    /// Returns the layout of a bucket that was counted by this layout before, and the source of each window's count.
    pub(super) fn next(&self, limits: &Limits) -> (Self, Vec<Source>) {
        Self::after(self.places.clone(), limits)
    }

    fn after(mut places: [Option<Place>; N], limits: &Limits) -> (Self, Vec<Source>) {
        let windows: Vec<Place> = limits.all().iter().take(N).map(Place::of).collect();
        let mut found: Vec<Option<usize>> = vec![None; windows.len()];
        let free = |found: &[Option<usize>], at: usize| !found.contains(&Some(at));
        let same: [fn(&Place, &Place) -> bool; 2] = [|one, other| one == other, Place::has_period_of];
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
            // Use an empty place, or the place with the shortest period, because that window is full again first.
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

    /// Creates the layout of a bucket that another process has counted: the quota of each place, and the place of each window.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(super) fn stored(quotas: Vec<Quota>, at: Vec<u8>) -> Result<Self, crate::ConfigError> {
        const NONE: Option<Place> = None;
        let of_window = |at: &u8| quotas.get(usize::from(*at)).cloned();
        let limits = Limits::new(at.iter().filter_map(of_window))?;
        let mut layout = Self { limits, at: [0; N], places: [NONE; N] };
        layout.at.iter_mut().zip(at).for_each(|(place, at)| *place = at);
        for (place, quota) in layout.places.iter_mut().zip(quotas) {
            *place = Some(Place::of(&Window::new(quota)?));
        }
        Ok(layout)
    }

    /// Returns the quota of each place.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(super) fn quotas(&self) -> impl Iterator<Item = &Quota> {
        self.places.iter().filter_map(|place| place.as_ref().map(|place| &*place.quota))
    }

    /// Returns the places of calendar windows, also of those that the limits no longer have.
    pub(super) fn calendars(&self) -> impl Iterator<Item = (usize, &Calendar)> {
        self.places.iter().enumerate().filter_map(|(at, place)| Some((at, place.as_ref()?.calendar.as_deref()?)))
    }

    /// Returns whether both layouts have the same limits and the same places.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.limits.id() == other.limits.id() && self.at == other.at && self.places == other.places
    }

    /// Returns whether this is the layout that [`first`](Self::first) returns for these limits.
    pub(super) fn is_first_of(&self, limits: &Limits) -> bool {
        let count = limits.len();
        self.limits.id() == limits.id()
            && self.places.iter().take(count).all(Option::is_some)
            && self.places.iter().skip(count).all(Option::is_none)
            && self.at.iter().take(count).enumerate().all(|(number, at)| usize::from(*at) == number)
    }
}

impl<const N: usize> Layout<N> {
    /// Returns for each place the largest slot that equals that of a new bucket: the present time, or the last slot before
    /// the period of a calendar window. `wall` is a time of day in seconds since 1970 that is surely over.
    pub(super) fn outdated(&self, elapsed: u64, wall: u64) -> [u64; N] {
        let calendar = |at: usize| self.places[at].as_ref()?.calendar.as_ref();
        std::array::from_fn(|at| {
            calendar(at).map_or(elapsed, |calendar| of_count(calendar.compute(wall).number, 0) - 1)
        })
    }
}

impl Place {
    fn of(window: &Window) -> Self {
        let (period, calendar) = match (&window.kind, window.quota.span()) {
            (Kind::Calendar(calendar), _) => (calendar.unit.length(), Some(Arc::clone(calendar))),
            (Kind::Even(_), Span::Even(period)) => (period, None),
            (Kind::Even(_), Span::Calendar(unit)) => (unit.length(), None),
        };
        Self { period, calendar, quota: Arc::clone(&window.quota) }
    }

    fn has_period_of(&self, other: &Self) -> bool {
        match (&self.calendar, &other.calendar) {
            (Some(one), Some(other)) => one.is(other),
            (None, None) => self.period == other.period,
            _ => false,
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.has_period_of(other) && self.quota.name() == other.quota.name()
    }
}
