//! Alerts for the owners of keys: a limit is nearly used up, a key expires, an old key is still used, a key is used from a new
//! network, many of its requests are refused, or nobody uses it.
//!
//! ```
//! use tower_auth::{
//!     ApiKeyLayer, AuthStack, KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, Plans, Quota, RateLimitLayer, Usage,
//!     alerts::{AlertRule, Alerts}, registry::{Actor, Holder},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?), MemoryKeyStore::new());
//! let keys = KeyRegistry::new(scheme.clone(), store.clone());
//! let usage = Usage::new(store.clone());
//! let plans = Plans::new().plan("standard", [Quota::per_calendar_month(1_000_000)]).fallback("standard").build()?;
//! let limits = RateLimitLayer::by_plan(&plans);
//! let alerts = Alerts::new(keys, usage.clone(), store.clone())
//!     .limits(&limits)?
//!     .on_event(|alert| println!("{}", alert.to_json()));
//! let stack = AuthStack::builder()
//!     .auth(ApiKeyLayer::new(scheme, store))
//!     .limit(limits)
//!     .on_decision(usage.observer())
//!     .on_decision(alerts.observer()) // for new networks
//!     .build()?;
//! alerts.set_rules(Actor::named("ops"), Holder::organization("org_1"), &AlertRule::recommended()).await?;
//! let tasks = (usage.start(), alerts.start()); // while the service runs
//! # drop(tasks);
//! # Ok::<_, tower_auth::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # How an alert comes
//!
//! Each account and organisation has rules ([`AlertRule`]). A task looks every ten seconds at the keys whose usage this process
//! has written meanwhile, and every hour at all keys of owners with rules. What a rule finds is written to the store as a row
//! with an id that is made of the rule, of what it is about, and of the period: so each alert is raised once, whichever process finds it, and
//! again in the next period. Then it is delivered: to a function ([`Alerts::on_event`]), or to one that may fail
//! ([`Alerts::deliver_to`]), such as a webhook. A delivery that failed is tried again for three days. An alert may be delivered twice, with the same id.
//!
//! | rule | looked at | once in |
//! |---|---|---|
//! | [`LimitUsed`](AlertRule::LimitUsed) | when the key is used | each day or month of a calendar window, or each length of another window |
//! | [`Refusals`](AlertRule::Refusals) | when a request is refused | each hour of UTC |
//! | [`NewNetwork`](AlertRule::NewNetwork) | when the key is used | each network, until it was not used for 90 days |
//! | [`Expiring`](AlertRule::Expiring) | every hour | each time of expiry |
//! | [`OldKeyUsed`](AlertRule::OldKeyUsed) | every hour | each rotation |
//! | [`Idle`](AlertRule::Idle) | every hour | each last use |
//!
//! # What it costs
//!
//! A request costs what the observers cost: the usage is counted anyway, and a network is looked up in a table in memory. A key that is used costs one look at its limits
//! every ten seconds; the hourly look reads all keys of owners who want to know of idle or rotated keys, in pages of 1,000.
//!
//! # Where it is kept
//!
//! An [`AlertStore`] keeps rules, alerts and networks: the stores of keys do, `MemoryKeyStore` too. Networks are personal data: they are
//! removed 90 days after their last use, and with the account
//! ([`erase_account`](crate::KeyRegistry::erase_account), in the stores of this crate).
//!
//! # When not to use it
//!
//! For alerts to the operators of a service: they are about the service and not about one key. Count decisions
//! ([`on_decision`](crate::stack::AuthStackBuilder::on_decision)) in the metrics of your choice.

mod activity;
mod alert;
mod alert_store;
#[expect(clippy::module_inception, reason = "it holds the type of this name")]
mod alerts;
mod delivery;
mod error;
mod known_rules;
mod learning;
mod networks;
mod new_networks;
mod policy;
mod rule;
mod scan;
mod stored_rules;
mod upkeep;

pub(crate) use self::alert_store::unsupported;
pub use self::{
    alert::Alert,
    alert_store::{AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled},
    alerts::Alerts,
    error::AlertError,
    policy::AlertPolicy,
    rule::AlertRule,
    stored_rules::StoredRules,
};
