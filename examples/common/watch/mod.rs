//! What the owners of keys can watch: the usage of a key, the limits of the caller, and alerts.
//!
//! One [`Watch`] counts for a server, whatever holds its keys, and answers the routes. The servers differ in their paths only.

mod alerts;
mod place;
mod usage;

use axum::{Router, extract::FromRef, routing::get};
use tower_auth::{
    AuthEndpoints, BudgetLimiter, ConfigError, KeyRegistry, RateLimitLayer, RequireLayer, Task, Usage,
    alerts::{AlertFuture, AlertStore, Alerts},
    limit::budget::BudgetStore,
    permission::role,
    rate_limit::LimitStatus,
    stack::AuthStackBuilder,
    usage::UsageStore,
};

use super::{database::Database, keys::Keys, webhook::Webhook};

/// The path at which callers read how their limits stand.
const LIMITS: &str = "/v1/limits";

/// Counts what keys do, and alerts their owners. Clones share everything.
#[derive(Clone)]
pub(crate) struct Watch {
    keys: KeyRegistry,
    usage: Usage,
    alerts: Alerts,
    /// The limits that are mounted, from the outside in.
    limits: Vec<RateLimitLayer>,
    /// How they stand.
    standing: RateLimitLayer,
    budgets: Option<BudgetLimiter>,
}

impl Watch {
    /// Counts in the store of the keys. The limits are by plan: their calendar budgets are counted in the database, if there is
    /// one, and all windows in Redis, if there is one. Reading the limits costs nothing.
    pub(crate) fn new(keys: &Keys, limits: RateLimitLayer, webhook: Option<Webhook>) -> Result<Self, ConfigError> {
        match &keys.database {
            Database::Memory(store) => Self::of(keys, store, limits, webhook),
            Database::Sqlite(store) => Self::of(keys, store, limits, webhook),
            Database::Postgres(store) => Self::of(keys, store, limits, webhook),
        }
    }

    fn of<S>(keys: &Keys, store: &S, limits: RateLimitLayer, webhook: Option<Webhook>) -> Result<Self, ConfigError>
    where
        S: UsageStore + AlertStore + BudgetStore + Clone,
    {
        let budgets = keys.lasting.then(|| BudgetLimiter::new(store.clone()));
        let limits = limits.cost(|request| u32::from(request.uri().path() != LIMITS));
        let (limits, standing) = match &budgets {
            Some(budgets) => {
                let durable = limits.clone().limiter(budgets.clone());
                match keys.sharing.view(&limits, budgets) {
                    // The headers are those of the inner layer.
                    Some(standing) => (vec![durable, keys.sharing.plans(limits)], standing),
                    None => (vec![durable.clone()], durable),
                }
            }
            None => (vec![limits.clone()], limits),
        };
        let usage = Usage::new(store.clone());
        let alerts = Alerts::new(keys.registry.clone(), usage.clone(), store.clone()).limits(&standing)?;
        Ok(Self { keys: keys.registry.clone(), usage, alerts: delivered(alerts, webhook), limits, standing, budgets })
    }

    /// Adds the limits to a stack, and what counts its decisions.
    pub(crate) fn observe(&self, stack: AuthStackBuilder) -> AuthStackBuilder {
        let stack = self.limits.iter().cloned().fold(stack, AuthStackBuilder::limit);
        stack.on_decision(self.usage.observer()).on_decision(self.alerts.observer())
    }

    /// The same for the endpoints at which keys are exchanged: an exchange is a use of the key.
    pub(crate) fn observe_endpoints(&self, endpoints: AuthEndpoints) -> AuthEndpoints {
        let endpoints = self.limits.iter().cloned().fold(endpoints, AuthEndpoints::limit);
        endpoints.on_decision(self.usage.observer()).on_decision(self.alerts.observer())
    }

    /// Starts to write and to deliver. The tasks are in the order in which they are stopped: alerts come last, because they look
    /// at the usage that was written, and because a receiver may be slow.
    pub(crate) fn start(&self, keys: Vec<Task>) -> Vec<Task> {
        let budgets = self.budgets.as_ref().map(BudgetLimiter::start);
        keys.into_iter().chain([self.usage.start()]).chain(budgets).chain([self.alerts.start()]).collect()
    }

    /// Returns the routes. Usage and alerts are for admins; `base` is the path in front of both. If it has the parameter
    /// `{org_id}`, the caller needs a policy for it: see [`Place`](place::Place).
    pub(crate) fn routes(&self, base: &str) -> Router {
        let admins = Router::new()
            .route(&format!("{base}/api-keys/{{key_id}}/usage"), get(usage::usage))
            .route(&format!("{base}/alerts"), get(alerts::rules).put(alerts::set))
            .route(&format!("{base}/alerts/history"), get(alerts::history))
            .route_layer(RequireLayer::new(role("admin")));
        admins.with_state(self.clone())
    }

    /// Returns the route of the limits, for every caller.
    pub(crate) fn limits_route(&self) -> Router {
        Router::new().route(LIMITS, get(async |status: LimitStatus| status)).with_state(self.clone())
    }
}

/// Delivers alerts to the webhook, or else to the log.
fn delivered(alerts: Alerts, webhook: Option<Webhook>) -> Alerts {
    let Some(webhook) = webhook else {
        return alerts.on_event(|alert| tracing::info!(alert = %alert.to_json(), "a key needs attention"));
    };
    alerts.deliver_to(move |alert| {
        let webhook = webhook.clone();
        AlertFuture::boxed(async move { webhook.post(&alert).await })
    })
}

impl FromRef<Watch> for RateLimitLayer {
    fn from_ref(watch: &Watch) -> Self {
        watch.standing.clone()
    }
}
