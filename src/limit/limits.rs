use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    calendar::{CalendarPeriod, CalendarUnit},
    gcra::Gcra,
    levels::MOST_WINDOWS,
    quota::Quota,
    time::{LimitTime, Moment, nanos, wall_nanos},
    window::{Kind, Window},
};
use crate::{ConfigError, key::sha256};

/// Several quotas that are decided together. A request is admitted by all quotas and counted in each, or it is counted
/// in none. Cloning increments one reference count.
///
/// ```
/// use tower_auth::{Quota, limit::Limits};
///
/// let limits = Limits::new([Quota::per_minute(100), Quota::per_day(10_000)])?;
/// assert_eq!(limits.to_string(), "100 per 60s; 10000 per 86400s");
/// assert!(Limits::new([Quota::per_minute(0)]).is_err());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Limits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    windows: Box<[Window]>,
    /// A digest of the quotas, equal for equal quotas.
    id: u64,
    most: u32,
    has_calendar: bool,
    /// The windows that are refilled evenly, if there are others too.
    #[cfg(feature = "tokio")]
    even: Option<Limits>,
    /// The form in which servers keep them, once it was needed.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    stored: std::sync::OnceLock<Box<str>>,
}

impl Limits {
    /// Creates limits from one to four quotas.
    ///
    /// # Errors
    /// If there is no quota or more than four, if a quota is invalid (such as zero events), if the time zone of a
    /// calendar quota is unknown, or if two quotas have the same name.
    pub fn new(quotas: impl IntoIterator<Item = Quota>) -> Result<Self, ConfigError> {
        let windows = quotas.into_iter().map(Window::new).collect::<Result<Box<[_]>, _>>()?;
        if windows.is_empty() || windows.len() > MOST_WINDOWS {
            return Err(ConfigError::new(
                format!("Limits::new got {} quotas", windows.len()),
                format!("use 1 to {MOST_WINDOWS} quotas: a short period against bursts, a long period against the sum"),
            ));
        }
        for (place, window) in windows.iter().enumerate() {
            let (name, others) = (window.quota.name(), &windows[place + 1..]);
            if others.iter().any(|other| other.quota.name() == name) {
                return Err(ConfigError::new(
                    format!("two quotas of the same Limits are named {name:?}"),
                    "give each quota its own name with .named(..)",
                ));
            }
        }
        let id = id(&windows);
        #[cfg(feature = "tokio")]
        let even = Self::even_of(&windows, id)?;
        Ok(Self(Arc::new(Inner {
            id,
            #[cfg(feature = "tokio")]
            even,
            ..Inner::of(windows)
        })))
    }

    /// Returns limits of the windows that are refilled evenly; `None` if all are, or none. They have the id of all windows, so
    /// that a reservation of all windows is one of these.
    #[cfg(feature = "tokio")]
    fn even_of(windows: &[Window], id: u64) -> Result<Option<Self>, ConfigError> {
        let even = windows.iter().filter(|window| window.is_even()).map(|window| Window::new((*window.quota).clone()));
        let even = even.collect::<Result<Box<[_]>, _>>()?;
        let is_part = !even.is_empty() && even.len() < windows.len();
        Ok(is_part.then(|| Self(Arc::new(Inner { id, ..Inner::of(even) }))))
    }

    /// Returns one of so many equal parts of the limits: each window divided, and rounded down to at least one request.
    ///
    /// # Errors
    /// Never: a part of a valid window is valid.
    pub(super) fn share(&self, parts: NonZeroU32) -> Result<Self, ConfigError> {
        if parts == NonZeroU32::MIN {
            return Ok(self.clone());
        }
        let shares =
            |windows: &[Window]| windows.iter().map(|window| window.share(parts)).collect::<Result<Box<_>, _>>();
        let windows = shares(&self.0.windows)?;
        let id = id(&windows);
        #[cfg(feature = "tokio")]
        let even = match &self.0.even {
            Some(even) => Some(Self(Arc::new(Inner { id, ..Inner::of(shares(&even.0.windows)?) }))),
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            id,
            #[cfg(feature = "tokio")]
            even,
            ..Inner::of(windows)
        })))
    }

    /// Returns the number of windows, one to four.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.windows.len()
    }

    /// Returns `false`, because there is at least one window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.windows.is_empty()
    }

    /// Returns the largest cost that can be admitted: the burst of the smallest window.
    #[must_use]
    pub fn max_cost(&self) -> u32 {
        self.0.most
    }

    /// Returns the fixed properties of each window, in the order of the quotas.
    #[must_use]
    pub fn windows(&self) -> impl ExactSizeIterator<Item = WindowInfo<'_>> {
        self.0.windows.iter().map(|window| WindowInfo {
            name: window.quota.name(),
            size: window.size,
            refill: match &window.kind {
                Kind::Even(_) => Refill::Even(Duration::from_nanos(window.capacity())),
                Kind::Calendar(calendar) => Refill::Calendar { unit: calendar.unit, time_zone: &calendar.zone },
            },
        })
    }

    /// Returns whether a window is a calendar window. Only then does a decision need the time of day.
    #[inline]
    #[must_use]
    pub fn has_calendar(&self) -> bool {
        self.0.has_calendar
    }

    /// Returns limits of the windows that are refilled evenly, if there are others too.
    #[cfg(feature = "tokio")]
    pub(super) fn even(&self) -> Option<&Self> {
        self.0.even.as_ref()
    }

    /// Returns the current period of each calendar window at a time of day, in the order of the quotas; `None` for each
    /// other window. A limiter that counts elsewhere counts the requests of each period, and never goes back to a
    /// period with a smaller number.
    ///
    /// Within a period, this reads no calendar: each clone remembers the current period.
    #[must_use]
    pub fn periods(&self, now: SystemTime) -> impl ExactSizeIterator<Item = Option<CalendarPeriod>> {
        let now = wall_nanos(now);
        self.0.windows.iter().map(move |window| match &window.kind {
            Kind::Even(_) => None,
            Kind::Calendar(calendar) => Some(calendar.at(now).public()),
        })
    }

    /// Returns a time in nanoseconds. The time of day is zero if no window needs it.
    #[inline]
    pub(super) fn moment(&self, now: LimitTime) -> Moment {
        let wall = if self.has_calendar() { wall_nanos(now.wall()) } else { 0 };
        Moment { elapsed: nanos(now.elapsed()), wall }
    }

    /// Returns the nanoseconds in which a window is refilled by one request; zero for a calendar window.
    pub(crate) fn interval(&self, place: usize) -> u64 {
        self.0.windows.get(place).and_then(Window::interval).unwrap_or(0)
    }

    pub(super) fn all(&self) -> &[Window] {
        &self.0.windows
    }

    /// Returns the time after which a charge leaves no trace: all windows are full again.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(super) fn forgotten_after(&self) -> Duration {
        let full = |window: &Window| window.is_even().then(|| Duration::from_nanos(window.capacity()));
        self.all().iter().map(|window| full(window).unwrap_or(Duration::MAX)).max().unwrap_or(Duration::MAX)
    }

    /// Returns the form in which servers keep them. Each clone remembers it.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    pub(crate) fn form(&self) -> &str {
        self.0.stored.get_or_init(|| self.to_json().to_string().into())
    }

    pub(crate) fn id(&self) -> u64 {
        self.0.id
    }
}

impl Inner {
    fn of(windows: Box<[Window]>) -> Self {
        let most = windows.iter().map(|window| window.size).min().unwrap_or_default();
        let has_calendar = windows.iter().any(|window| matches!(window.kind, Kind::Calendar(_)));
        Self {
            windows,
            id: 0,
            most,
            has_calendar,
            #[cfg(feature = "tokio")]
            even: None,
            #[cfg(any(feature = "postgres", feature = "redis"))]
            stored: std::sync::OnceLock::new(),
        }
    }
}

/// Returns a digest of the quotas.
fn id(windows: &[Window]) -> u64 {
    let mut said = Vec::new();
    for window in windows {
        let name = window.quota.name();
        said.extend(window.size.to_le_bytes());
        said.extend((name.len() as u64).to_le_bytes());
        said.extend(name.as_bytes());
        match &window.kind {
            Kind::Even(Gcra { interval, .. }) => said.extend(interval.to_le_bytes()),
            Kind::Calendar(calendar) => {
                said.extend(calendar.unit.as_str().as_bytes());
                said.extend(calendar.zone.as_bytes());
            }
        }
        // The spans of `Quota`, and an end.
        said.extend(format!("{:?};", window.quota.span()).into_bytes());
    }
    sha256(&said).first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl PartialEq for Limits {
    fn eq(&self, other: &Self) -> bool {
        let quotas = |limits: &Self| limits.0.windows.iter().map(|window| window.quota.clone()).collect::<Vec<_>>();
        Arc::ptr_eq(&self.0, &other.0) || quotas(self) == quotas(other)
    }
}

impl Eq for Limits {}

impl std::fmt::Display for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, window) in self.0.windows.iter().enumerate() {
            write!(f, "{}{}", if place == 0 { "" } else { "; " }, window.quota)?;
        }
        Ok(())
    }
}

/// The fixed properties of a window of [`Limits`], for custom [`Limiter`](super::Limiter)s.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Quota, limit::{Limits, Refill}};
///
/// let limits = Limits::new([Quota::per_minute(100).burst(120)])?;
/// let minute = limits.windows().next().unwrap();
/// assert_eq!((minute.name, minute.size), ("minute", 120));
/// assert_eq!(minute.refill, Refill::Even(Duration::from_secs(72)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowInfo<'a> {
    /// The name of the quota, as response headers show it.
    pub name: &'a str,
    /// The number of requests that fit at once: the burst, or the whole budget of a calendar window.
    pub size: u32,
    /// How requests come back.
    pub refill: Refill<'a>,
}

/// How requests come back to a window; see [`WindowInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refill<'a> {
    /// One by one. The value is the time that an empty bucket takes to be full.
    Even(Duration),
    /// All at the end of a day or a month. [`Limits::periods`] returns the current one.
    Calendar {
        /// The unit.
        unit: CalendarUnit,
        /// The name of the time zone in the IANA time zone database, or `UTC`.
        time_zone: &'a str,
    },
}
