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

/// Which limits stand for a plan: by its name, and where they differ, by how the caller was authenticated and by the class
/// of the route.
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
    /// The plan of this name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), method: None, class: None }
    }

    /// For callers of this method alone.
    #[must_use]
    pub fn method(self, method: AuthMethod) -> Self {
        Self { method: Some(method), ..self }
    }

    /// For routes of this class alone ([`RateLimitLayer::class`](crate::RateLimitLayer::class)), which are counted apart.
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

/// The plans of a service, by their names: named sets of limits. A clone shares them.
///
/// ```
/// use tower_auth::{Plans, Quota, RateLimitLayer};
///
/// let plans = Plans::new()
///     .plan("standard", [Quota::per_minute(100).burst(120), Quota::per_day(10_000)])
///     .plan("premium", [Quota::per_minute(1_000), Quota::per_day(100_000)])
///     .fallback("standard") // plan names come from records: what stands there may be anything
///     .build()?;
/// let layer = RateLimitLayer::by_plan(&plans);
///
/// // Later, from a configuration that was read again: what was used stays used.
/// plans.replace(Plans::new().plan("standard", [Quota::per_minute(50)]).fallback("standard").build()?);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Plans(Arc<Shared>);

struct Shared {
    table: ArcSwap<Table>,
    /// How often a plan was named that there is not.
    unknown: AtomicU64,
}

pub(super) struct Table {
    /// By length and name: they are few, and found without a hash.
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
}

/// The limits of a plan, for some.
pub(super) struct Row {
    method: Option<AuthMethod>,
    class: Option<Cow<'static, str>>,
    pub(super) limits: Limits,
    /// What tells the buckets of a class from others: the plan's name does not, so that another plan refills nothing.
    pub(super) scope: BucketKey,
    pub(super) told: Arc<Told>,
}

/// What is told of a plan's limits.
pub(super) struct Told {
    /// What `RateLimit-Policy` says.
    pub(super) policy: HeaderValue,
    /// The plan, and the class behind a slash: for the log alone.
    pub(super) plan: Arc<str>,
}

impl Plans {
    /// Starts a table of plans.
    #[expect(clippy::new_ret_no_self, reason = "it starts a builder, as everywhere here")]
    pub fn new() -> PlansBuilder {
        PlansBuilder::default()
    }

    /// Takes other plans from now on. What was used stays used, and nobody's bucket is refilled; the
    /// [module page of limits](crate::limit) says how it is carried over.
    #[expect(clippy::needless_pass_by_value, reason = "whoever keeps them would think that they are others")]
    pub fn replace(&self, new: Self) {
        self.0.table.store(new.0.table.load_full());
    }

    /// How often the fallback stood in for a plan that a record names and that there is not: each is a record to mend.
    #[must_use]
    pub fn unknown_plan_count(&self) -> u64 {
        self.0.unknown.load(Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn table(&self) -> Guard<Arc<Table>> {
        self.0.table.load()
    }

    /// The limits for a caller on a route of this class.
    #[inline]
    pub(super) fn find<'a>(&self, table: &'a Table, who: &Principal, class: Option<&str>) -> Option<&'a Row> {
        let rows = who.plan().and_then(|name| {
            let rows = table.rows(name);
            if rows.is_none() {
                self.tell(name);
            }
            rows
        });
        let rows = rows.or_else(|| Some(table.plans.get(table.fallback)?.1.as_slice()))?;
        // The most particular stand first.
        rows.iter().find(|row| {
            row.method.as_ref().is_none_or(|method| method == who.method())
                && row.class.as_deref().is_none_or(|wanted| Some(wanted) == class)
        })
    }

    /// The log is told of the first, and of every doubling.
    #[cold]
    fn tell(&self, name: &str) {
        let before = self.0.unknown.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_power_of_two() {
            let name = name.escape_debug().to_string();
            tracing::warn!(
                target: "tower_auth",
                plan = name,
                requests = before + 1,
                "a caller has a plan that there is not, and the fallback stands in for it: add the plan, or mend the record"
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
/// assert!(Plans::new().plan("standard", [Quota::per_minute(100)]).build().is_err(), "which plan stands for unknown ones?");
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct PlansBuilder {
    plans: Vec<(Plan, Vec<Quota>)>,
    fallback: Option<Cow<'static, str>>,
}

impl PlansBuilder {
    /// The limits of a plan: its name, or a [`Plan`] where they are not for all methods or routes.
    pub fn plan(mut self, plan: impl Into<Plan>, quotas: impl IntoIterator<Item = Quota>) -> Self {
        self.plans.push((plan.into(), quotas.into_iter().collect()));
        self
    }

    /// The plan of those who have none, or one that is not known. It is required: names come from a table, and a spelling
    /// mistake there must neither lock a customer out nor let one in without limits.
    pub fn fallback(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { fallback: Some(name.into()), ..self }
    }

    /// The finished plans.
    ///
    /// # Errors
    /// Without a fallback, or with one that is no plan; when a plan is given twice, has no limits for most routes, or has a
    /// quota that cannot be kept.
    pub fn build(self) -> Result<Plans, ConfigError> {
        let fallback = self.fallback.ok_or_else(|| {
            ConfigError::new(
                "the plans have no fallback",
                "call .fallback(..) with the plan of those whose plan is not known",
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
            let told = Arc::new(Told { policy: headers::policy(&limits), plan: plan.into() });
            rows.push(Row { method, class, limits, scope, told });
        }
        for (name, rows) in &mut plans {
            rows.sort_by_key(|row| (row.class.is_none(), row.method.is_none()));
            if rows.last().is_none_or(|row| row.class.is_some() || row.method.is_some()) {
                return Err(ConfigError::new(
                    format!(
                        "the plan {name:?} has limits for some methods or classes of routes, and none for the others"
                    ),
                    format!("add .plan({name:?}, [..])"),
                ));
            }
        }
        let mut plans: Vec<_> = plans.into_iter().collect();
        plans.sort_by(|(one, _), (other, _)| one.len().cmp(&other.len()).then_with(|| one.cmp(other)));
        let Some(fallback) = plans.iter().position(|(name, _)| *name == fallback) else {
            return Err(ConfigError::new(
                format!("the fallback {fallback:?} is none of the plans"),
                format!("add .plan({fallback:?}, [..]), or name another fallback"),
            ));
        };
        let table = ArcSwap::from_pointee(Table { plans, fallback });
        Ok(Plans(Arc::new(Shared { table, unknown: AtomicU64::new(0) })))
    }
}

fn scope(class: Option<&str>) -> BucketKey {
    BucketKey::new(["plan"].into_iter().chain(class))
}

/// The scope of those who have limits of their own.
pub(super) fn own_scope() -> BucketKey {
    scope(None)
}
