use std::{
    borrow::Cow,
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};
use http::HeaderValue;

use super::headers;
use crate::{
    AuthMethod, ConfigError, Principal, Quota,
    limit::{BucketKey, Limits},
};

/// Selects the requests to which a set of limits applies: by plan name, and optionally by authentication method and
/// route class.
///
/// ```
/// use tower_auth::{AuthMethod, Plans, Quota, rate_limit::Plan};
///
/// let plans = Plans::new()
///     .plan("standard", [Quota::per_minute(100), Quota::per_day(10_000)])
///     .plan(Plan::new("standard").method(AuthMethod::Token), [Quota::per_minute(300)])
///     .plan(Plan::new("standard").class("uploads"), [Quota::per_hour(20)])
///     .fallback("standard")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    name: Cow<'static, str>,
    method: Option<AuthMethod>,
    class: Option<Cow<'static, str>>,
}

impl Plan {
    /// Selects the plan of this name, for all methods and routes.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), method: None, class: None }
    }

    /// Restricts the limits to callers who were authenticated by this method.
    #[must_use]
    pub fn method(self, method: AuthMethod) -> Self {
        Self { method: Some(method), ..self }
    }

    /// Restricts the limits to routes of this class ([`RateLimitLayer::class`](crate::RateLimitLayer::class)). Requests
    /// of each class are counted separately.
    #[must_use]
    pub fn class(self, class: impl Into<Cow<'static, str>>) -> Self {
        Self { class: Some(class.into()), ..self }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for Plan {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// The plans of a service: named sets of limits. Clones share one table.
///
/// ```
/// use tower_auth::{Plans, Quota, RateLimitLayer};
///
/// let plans = Plans::new()
///     .plan("standard", [Quota::per_minute(100).burst(120), Quota::per_day(10_000)])
///     .plan("premium", [Quota::per_minute(1_000), Quota::per_day(100_000)])
///     .fallback("standard") // plan names come from key records, which may name an unknown plan
///     .build()?;
/// let layer = RateLimitLayer::by_plan(&plans);
///
/// // Later, when the configuration is reloaded. Requests that were counted stay counted.
/// plans.replace(Plans::new().plan("standard", [Quota::per_minute(50)]).fallback("standard").build()?);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Plans(Arc<Shared>);

struct Shared {
    table: ArcSwap<Table>,
    /// How many requests named an unknown plan.
    unknown: AtomicU64,
}

pub(super) struct Table {
    /// Sorted by length and name. There are few plans, so a binary search is used instead of a hash.
    plans: Vec<(Cow<'static, str>, Vec<Row>)>,
    fallback: usize,
}

impl Table {
    #[inline]
    fn rows(&self, name: &str) -> Option<&[Row]> {
        let order =
            |(known, _): &(Cow<'static, str>, _)| known.len().cmp(&name.len()).then_with(|| (**known).cmp(name));
        let place = self.plans.binary_search_by(order).ok()?;
        Some(&self.plans[place].1)
    }

    fn fallback(&self) -> Option<&[Row]> {
        Some(self.plans.get(self.fallback)?.1.as_slice())
    }
}

/// One set of limits of a plan, for some methods and route classes.
pub(super) struct Row {
    method: Option<AuthMethod>,
    pub(super) class: Option<Cow<'static, str>>,
    pub(super) limits: Limits,
    /// Separates the buckets of a class from others. The plan's name is not part of it, so that a change of plan
    /// refills nothing.
    pub(super) scope: BucketKey,
    pub(super) told: Arc<Told>,
}

impl Row {
    #[inline]
    fn is_for(&self, who: &Principal) -> bool {
        self.method.as_ref().is_none_or(|method| method == who.method())
    }
}

/// How a plan's limits are shown in headers and in the log.
pub(super) struct Told {
    /// The value of `RateLimit-Policy`.
    pub(super) policy: HeaderValue,
    /// For the log only: the plan, or the plan and the class with a slash in between.
    pub(super) plan: Arc<str>,
    /// The plan without the class.
    pub(super) name: Cow<'static, str>,
}

impl Plans {
    /// Returns a builder of a table of plans.
    #[expect(clippy::new_ret_no_self, reason = "it returns a builder, as everywhere in this crate")]
    pub fn new() -> PlansBuilder {
        PlansBuilder::default()
    }

    /// Replaces the plans in all clones. Requests that were counted stay counted, and no bucket is refilled; the
    /// [module page of limits](crate::limit) explains how counts are carried over.
    #[expect(clippy::needless_pass_by_value, reason = "a caller who kept the value would expect a second table")]
    pub fn replace(&self, new: Self) {
        self.0.table.store(new.0.table.load_full());
    }

    /// Returns how many requests named an unknown plan and were counted by the fallback plan. Correct the records of
    /// these callers, or add the plan.
    #[must_use]
    pub fn unknown_plan_count(&self) -> u64 {
        self.0.unknown.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        self.0.table.load()
    }

    /// Returns the limits for a caller on a route of this class.
    #[inline]
    pub(super) fn find<'a>(&self, table: &'a Table, who: &Principal, class: Option<&str>) -> Option<&'a Row> {
        let rows = who.plan().and_then(|name| {
            let rows = table.rows(name);
            if rows.is_none() {
                self.tell(name);
            }
            rows
        });
        let rows = rows.or_else(|| table.fallback())?;
        // The most specific rows come first.
        rows.iter().find(|row| row.is_for(who) && row.class.as_deref().is_none_or(|wanted| Some(wanted) == class))
    }

    /// Returns the limits for a caller: the general ones first, then those of each class of routes.
    pub(super) fn of<'a>(table: &'a Table, who: &Principal) -> Vec<&'a Row> {
        let rows = who.plan().and_then(|name| table.rows(name)).or_else(|| table.fallback()).unwrap_or_default();
        let mut found: Vec<&Row> = Vec::new();
        for row in rows.iter().filter(|row| row.is_for(who)) {
            if found.iter().all(|known| known.class != row.class) {
                found.push(row);
            }
        }
        found.sort_by(|one, other| one.class.cmp(&other.class));
        found
    }

    /// Logs the first occurrence, and each time the number has doubled.
    #[cold]
    fn tell(&self, name: &str) {
        let before = self.0.unknown.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            let name = name.escape_debug().to_string();
            tracing::warn!(
                target: "tower_auth",
                plan = name,
                requests = before + 1,
                "a caller has an unknown plan, so the fallback plan applies: add the plan, or correct the record"
            );
        }
    }
}

impl fmt::Debug for Plans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let limits = |rows: &Vec<Row>| rows.iter().map(|row| row.limits.to_string()).collect::<Vec<_>>();
        f.debug_map().entries(table.plans.iter().map(|(name, rows)| (name, limits(rows)))).finish()
    }
}

/// Builds [`Plans`].
///
/// ```
/// use tower_auth::{Plans, Quota};
///
/// assert!(Plans::new().plan("standard", [Quota::per_minute(100)]).build().is_err(), "no fallback");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PlansBuilder {
    plans: Vec<(Plan, Vec<Quota>)>,
    fallback: Option<Cow<'static, str>>,
}

impl PlansBuilder {
    /// Adds limits to a plan: by the plan's name for all methods and routes, or by a [`Plan`] for some of them.
    pub fn plan(mut self, plan: impl Into<Plan>, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.plans.push((plan.into(), quotas.into_iter().collect()));
        self
    }

    /// Sets the plan for callers without a plan, or with an unknown plan. A fallback is required, because a misspelt
    /// plan name in a key record must neither lock a customer out nor remove the customer's limits.
    pub fn fallback(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { fallback: Some(name.into()), ..self }
    }

    /// Builds the plans.
    ///
    /// # Errors
    /// If the fallback is missing or not defined; if a plan is given twice, has no general limits (for all methods and
    /// routes), or has an invalid quota.
    pub fn build(self) -> Result<Plans, ConfigError> {
        let fallback = self.fallback.ok_or_else(|| {
            ConfigError::new(
                "the plans have no fallback",
                "call .fallback(..) with the plan for callers without a known plan",
            )
        })?;
        let mut plans: HashMap<Cow<'static, str>, Vec<Row>> = HashMap::new();
        for (Plan { name, method, class }, quotas) in self.plans {
            let limits = Limits::new(quotas).map_err(|error| error.within(format!("the plan {name:?}")))?;
            let rows = plans.entry(name.clone()).or_default();
            if rows.iter().any(|row| row.method == method && row.class == class) {
                return Err(ConfigError::new(
                    format!("the plan {name:?} is given twice"),
                    "write all its quotas in one list",
                ));
            }
            let scope = scope(class.as_deref());
            let plan = class.as_ref().map_or_else(|| name.to_string(), |class| format!("{name}/{class}"));
            let told = Arc::new(Told { policy: headers::policy(&limits), plan: plan.into(), name: name.clone() });
            rows.push(Row { method, class, limits, scope, told });
        }
        for (name, rows) in &mut plans {
            rows.sort_by_key(|row| (row.class.is_none(), row.method.is_none()));
            if rows.last().is_none_or(|row| row.class.is_some() || row.method.is_some()) {
                return Err(ConfigError::new(
                    format!("the plan {name:?} has limits for some methods or route classes only"),
                    format!("add general limits: .plan({name:?}, [..])"),
                ));
            }
        }
        let mut plans: Vec<_> = plans.into_iter().collect();
        plans.sort_by(|(one, _), (other, _)| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
        let Some(fallback) = plans.iter().position(|(name, _)| *name == fallback) else {
            return Err(ConfigError::new(
                format!("the fallback {fallback:?} is not defined as a plan"),
                format!("add .plan({fallback:?}, [..]), or use another fallback"),
            ));
        };
        let table = ArcSwap::from_pointee(Table { plans, fallback });
        Ok(Plans(Arc::new(Shared { table, unknown: AtomicU64::new(0) })))
    }
}

fn scope(class: Option<&str>) -> BucketKey {
    BucketKey::new(["plan"].into_iter().chain(class))
}

/// The scope of callers who have limits of their own.
pub(super) fn own_scope() -> BucketKey {
    scope(None)
}
