//! How the limits of a caller stand.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{
    counter::Counter,
    guard::{self, Partition, Whose},
    layer::{Kind, RateLimitLayer},
    plans::{Plans, own_scope},
};
use crate::{
    ConfigError, Principal, Rejection,
    base::clock::rfc3339,
    limit::{BucketKey, CalendarUnit, LimitDecision, Limits, Refill, WindowInfo, WindowState},
};

/// How the limits of a caller stand: the size of each window, what remains, and when it is full again.
///
/// [`RateLimitLayer::status`](crate::RateLimitLayer::status) returns it. In axum (feature `axum`) it is an extractor and a
/// response: the [module page](crate::rate_limit#how-a-limit-stands) has an example.
///
/// ```
/// use tower_auth::{ApiKeyLayer, Plans, Principal, Quota, RateLimitLayer};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
/// let layer = RateLimitLayer::by_plan(&plans);
/// let status = layer.status(&Principal::builder("alice").build()).await.unwrap();
/// let minute = &status.groups()[0].windows[0];
/// assert_eq!((minute.name.as_str(), minute.size, minute.remaining), ("minute", 100, 100));
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LimitStatus {
    plan: Option<String>,
    groups: Vec<LimitGroup>,
    at: SystemTime,
    partition: Partition,
}

/// Windows that are decided together: the general limits of a caller, or those of one class of routes.
///
/// ```
/// use tower_auth::rate_limit::LimitGroup;
///
/// fn is_spent(group: &LimitGroup) -> bool {
///     group.windows.iter().any(|window| window.remaining == 0)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitGroup {
    /// The class of routes ([`Plan::class`](super::Plan::class)); `None` for the general limits, which apply to all other
    /// routes.
    pub class: Option<String>,
    /// The windows, in the order of the quotas.
    pub windows: Vec<WindowStatus>,
    /// Where the requests are counted.
    bucket: BucketKey,
}

/// How one window stands.
///
/// ```
/// use tower_auth::rate_limit::WindowStatus;
///
/// fn used(window: &WindowStatus) -> u32 {
///     window.size - window.remaining
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowStatus {
    /// The name of the quota, as response headers show it.
    pub name: String,
    /// The number of requests that fit at once: the burst, or the whole budget of a calendar window.
    pub size: u32,
    /// The number of requests that would be admitted now. It never exceeds the size.
    pub remaining: u32,
    /// The time until the window is full, if no other request comes. For a calendar window, the time until the period ends.
    pub reset: Duration,
    /// What a calendar window counts; `None` for a window that refills evenly.
    pub calendar: Option<WindowCalendar>,
    /// The time that an empty window takes to be full; `None` for a calendar window.
    pub period: Option<Duration>,
}

/// The calendar of a window.
///
/// ```
/// use tower_auth::{limit::CalendarUnit, rate_limit::WindowCalendar};
///
/// fn is_of_june(calendar: &WindowCalendar) -> bool {
///     calendar.unit == CalendarUnit::Month && calendar.period % 100 == 6
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WindowCalendar {
    /// The unit.
    pub unit: CalendarUnit,
    /// The name of the time zone in the IANA time zone database, or `UTC`.
    pub time_zone: String,
    /// The number of the present period ([`CalendarPeriod::number`](crate::limit::CalendarPeriod::number)).
    pub period: u32,
}

impl LimitStatus {
    /// Returns the name of the plan whose limits apply; `None` for limits of the caller's own.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.plan.as_deref()
    }

    /// Returns the general limits, and then those of each class of routes.
    #[must_use]
    pub fn groups(&self) -> &[LimitGroup] {
        &self.groups
    }

    /// Returns which requests share these limits.
    #[must_use]
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// Returns the status as JSON, for an answer. Times are in RFC 3339, and in seconds, rounded up.
    ///
    /// ```
    /// # use tower_auth::{Plans, Principal, Quota, RateLimitLayer};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
    /// let status = RateLimitLayer::by_plan(&plans).status(&Principal::builder("alice").build()).await.unwrap();
    /// let shown = status.to_json();
    /// assert_eq!(shown["plan"], "standard");
    /// assert_eq!(shown["limits"][0]["windows"][0]["remaining"], 100);
    /// assert_eq!(shown["limits"][0]["windows"][0]["period_seconds"], 60);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        let groups: Vec<Value> = self
            .groups
            .iter()
            .map(|group| {
                let windows: Vec<Value> = group.windows.iter().map(|window| window.to_json(self.at)).collect();
                json!({ "class": group.class, "windows": windows })
            })
            .collect();
        json!({ "plan": self.plan, "limits": groups })
    }
}

impl LimitGroup {
    /// Returns the name of the bucket: equal for all callers who share these limits.
    #[cfg(feature = "tokio")]
    pub(crate) fn bucket_name(&self) -> String {
        self.bucket.to_bytes().into_iter().flat_map(crate::base::hex::digits).map(char::from).collect()
    }
}

impl WindowStatus {
    fn new(info: &WindowInfo<'_>, state: &WindowState, present: Option<u32>) -> Self {
        let (calendar, period) = match info.refill {
            Refill::Even(period) => (None, Some(period)),
            Refill::Calendar { unit, time_zone } => {
                let number = state.period().or(present).unwrap_or_default();
                (Some(WindowCalendar { unit, time_zone: time_zone.to_owned(), period: number }), None)
            }
        };
        // A custom limiter may report more than the size.
        let remaining = state.remaining.min(info.size);
        Self { name: info.name.to_owned(), size: info.size, remaining, reset: state.reset, calendar, period }
    }

    fn to_json(&self, at: SystemTime) -> Value {
        let seconds = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let resets_in = seconds(self.reset);
        let resets_at = at.checked_add(Duration::from_secs(resets_in)).map(|at| rfc3339(at).to_string());
        let mut shown = json!({
            "name": self.name, "limit": self.size, "remaining": self.remaining,
            "resets_in_seconds": resets_in, "resets_at": resets_at,
        });
        if let Some(period) = self.period {
            shown["period_seconds"] = seconds(period).into();
        }
        if let Some(calendar) = &self.calendar {
            shown["calendar"] = calendar.unit.as_str().into();
            shown["time_zone"] = calendar.time_zone.as_str().into();
        }
        shown
    }
}

impl RateLimitLayer {
    /// Returns how the limits of a caller stand, and takes nothing. It is for layers by plan ([`by_plan`](Self::by_plan)): the
    /// limits of the caller's plan, or the caller's own limits.
    ///
    /// Clones of a layer have the same counts, so this can be asked of a clone of the layer that is mounted. It uses the clock
    /// of the stack that was built with the layer.
    ///
    /// # Errors
    /// 503 if the limiter does not answer, whatever [`on_outage`](Self::on_outage) says: nobody knows the state then. 500 for a layer that
    /// does not limit by plan; ask [`Limiter::peek`](crate::Limiter::peek) about a bucket of your own.
    pub async fn status(&self, who: &Principal) -> Result<LimitStatus, Rejection> {
        let Kind::Limit(guard::Facts { whose: Whose::Plan { plans, partition, class }, counter, .. }) = &self.0 else {
            return Err(Rejection::internal(
                "RateLimitLayer::status was called on a layer that does not limit by plan; call it on one of by_plan, or ask \
                 Limiter::peek about a bucket of your own",
            ));
        };
        let wanted = wanted(plans, *partition, who, class.is_some());
        let mut groups = Vec::with_capacity(wanted.groups.len());
        for (class, bucket, limits) in wanted.groups {
            groups.push(LimitGroup { class, windows: windows(counter, bucket, &limits).await?, bucket });
        }
        Ok(LimitStatus { plan: wanted.plan, groups, at: counter.clock().now(), partition: *partition })
    }

    /// Returns whether [`status`](Self::status) has an answer.
    pub(crate) fn check_has_plans(&self, asked_by: &'static str) -> Result<(), ConfigError> {
        match &self.0 {
            Kind::Limit(guard::Facts { whose: Whose::Plan { .. }, .. }) => Ok(()),
            _ => Err(ConfigError::new(
                format!("{asked_by} was given a layer that does not limit by plan"),
                "give it a clone of the layer of RateLimitLayer::by_plan that is mounted",
            )),
        }
    }
}

struct Wanted {
    plan: Option<String>,
    groups: Vec<(Option<String>, BucketKey, Limits)>,
}

/// Returns the buckets of a caller and their limits. They own their data, because a table must not be held while a limiter
/// is asked.
fn wanted(plans: &Plans, partition: Partition, who: &Principal, has_classes: bool) -> Wanted {
    let bucket = partition.bucket(who);
    if let Some(own) = who.limits() {
        return Wanted { plan: None, groups: vec![(None, bucket.scoped(own_scope()), own.clone())] };
    }
    let table = plans.table();
    let mut rows = Plans::of(&table, who);
    // Without a closure, no request has a class.
    rows.retain(|row| has_classes || row.class.is_none());
    let plan = rows.first().map(|row| row.told.name.clone().into_owned());
    let group = |row: &&super::plans::Row| {
        (row.class.as_deref().map(str::to_owned), bucket.scoped(row.scope), row.limits.clone())
    };
    Wanted { plan, groups: rows.iter().map(group).collect() }
}

async fn windows(counter: &Counter, bucket: BucketKey, limits: &Limits) -> Result<Vec<WindowStatus>, Rejection> {
    let ruling = match counter.ask(bucket, limits).now() {
        Ok(ruling) => ruling,
        Err(future) => future.await,
    }?;
    // What this process counted alone during an outage is not how the limit stands.
    let decided = ruling.filter(|counted| counted.alone.is_none()).map(|counted| counted.decided);
    let Some(LimitDecision::Admitted(states) | LimitDecision::Refused { levels: states, .. }) = decided else {
        return Err(Rejection::unavailable("the limiter does not say how the limit stands"));
    };
    let present: Vec<_> = if limits.has_calendar() {
        limits.periods(counter.clock().now()).map(|period| period.map(|period| period.number)).collect()
    } else {
        vec![None; limits.len()]
    };
    let windows = limits.windows().zip(states.all()).zip(present);
    Ok(windows.map(|((info, state), present)| WindowStatus::new(&info, state, present)).collect())
}
