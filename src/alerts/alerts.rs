use std::{fmt, sync::Arc, time::SystemTime};

use super::{
    AlertError, AlertFuture, AlertPolicy, AlertRecord, AlertRule, AlertStore, ForgetAlerts, StoredRules,
    alert_store::Sink, known_rules::KnownRules, networks::Networks, stored_rules,
};
use crate::{
    BoxError, Clock, ConfigError, Decision, KeyRegistry, RateLimitLayer, Usage,
    base::time_limit::TimeLimit,
    registry::{Actor, Holder},
};

/// Alerts the owners of keys by their rules. Clones share everything.
///
/// The [module page](crate::alerts) has an example.
#[derive(Clone)]
pub struct Alerts {
    pub(super) keys: KeyRegistry,
    pub(super) usage: Usage,
    pub(super) store: Arc<dyn AlertStore>,
    pub(super) limit: TimeLimit,
    pub(super) policy: AlertPolicy,
    pub(super) limits: Option<RateLimitLayer>,
    pub(super) sink: Option<Sink>,
    pub(super) networks: Arc<Networks>,
    pub(super) known: Arc<KnownRules>,
}

/// How long a call waits for the store.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// The number of rows that are removed at once.
const FORGET: usize = 5_000;

/// How alerts are set up.
impl Alerts {
    /// Creates alerts about these keys and their usage, kept in this store. The clock is that of the usage.
    #[must_use]
    pub fn new(keys: KeyRegistry, usage: Usage, store: impl AlertStore) -> Self {
        let clock = usage.clock().clone();
        // From now on, the usage notes which keys are used.
        drop(usage.take_active());
        Self {
            keys,
            usage,
            store: Arc::new(store),
            limit: TimeLimit::new(clock.clone(), TIMEOUT),
            policy: AlertPolicy::new(),
            limits: None,
            sink: None,
            networks: Arc::new(Networks::new(clock)),
            known: Arc::default(),
        }
    }

    /// Sets how often alerts look, and how long they are kept.
    #[must_use]
    pub fn policy(self, policy: AlertPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Sets the layer whose limits the rules of the kind [`LimitUsed`](AlertRule::LimitUsed) look at: a clone of the layer that is
    /// mounted. Without it, these rules raise nothing.
    ///
    /// # Errors
    /// If the layer does not limit by plan.
    pub fn limits(self, layer: &RateLimitLayer) -> Result<Self, ConfigError> {
        layer.check_has_plans("Alerts::limits")?;
        Ok(Self { limits: Some(layer.clone()), ..self })
    }

    /// Calls this function for each alert that is due, instead of what was set before. It must return quickly. An alert counts as
    /// delivered when it returns.
    #[must_use]
    pub fn on_event(self, told: impl Fn(&super::Alert) + Send + Sync + 'static) -> Self {
        self.deliver_to(move |alert| {
            told(&alert);
            AlertFuture::ready(Ok(()))
        })
    }

    /// Calls this function for each alert that is due, and waits for its future, instead of what was set before. After an error, a
    /// panic or a [timeout](AlertPolicy::delivery_timeout), the alert is delivered again: after ten seconds, a minute, five and
    /// thirty minutes, two and five hours, and then every ten hours, until it is [given up](AlertPolicy::give_up_after). An alert may come twice, with the
    /// same [id](super::Alert::id), if a process ends or the store fails right after its delivery.
    ///
    /// ```
    /// use tower_auth::alerts::{AlertFuture, Alerts};
    ///
    /// fn by_mail(alerts: Alerts) -> Alerts {
    ///     alerts.deliver_to(|alert| AlertFuture::boxed(async move {
    ///         println!("mail: {}", alert.to_json()); // `?` on an error delivers it again later
    ///         Ok(())
    ///     }))
    /// }
    /// ```
    #[must_use]
    pub fn deliver_to(self, deliver: impl Fn(super::Alert) -> AlertFuture<()> + Send + Sync + 'static) -> Self {
        Self { sink: Some(Arc::new(deliver)), ..self }
    }

    /// Returns an observer of a stack that notes the networks of requests, for the rule [`NewNetwork`](AlertRule::NewNetwork):
    /// [`AuthStackBuilder::on_decision`](crate::stack::AuthStackBuilder::on_decision). Without it, that rule raises nothing. The
    /// address is the one that the [`ClientIp`](crate::ClientIp) of the stack finds, or else that of the connection.
    pub fn observer(&self) -> impl Fn(&Decision<'_>) + Send + Sync + 'static {
        let networks = Arc::clone(&self.networks);
        move |decision| networks.note(decision)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock().now()
    }

    pub(super) const fn clock(&self) -> &Clock {
        self.limit.clock()
    }
}

/// What owners of keys ask for. The calls do not authorise anybody.
impl Alerts {
    /// Returns the rules of an account or organisation that this version knows; none by default.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn rules(&self, holder: &Holder) -> Result<Vec<AlertRule>, AlertError> {
        let stored = self.answer(self.store.rules(std::slice::from_ref(holder))).await?;
        Ok(stored.iter().find(|rules| rules.holder == *holder).map(StoredRules::known).unwrap_or_default())
    }

    /// Replaces the rules of an account or organisation. They hold in this process at once, and in others within 30 seconds.
    ///
    /// # Errors
    /// If there are more than 32 rules, if one stands there twice or has a number out of its range, or if the store does not answer.
    pub async fn set_rules(
        &self,
        actor: impl Into<Actor> + Send,
        holder: Holder,
        rules: &[AlertRule],
    ) -> Result<(), AlertError> {
        stored_rules::check(rules)?;
        let stored = StoredRules::new(holder.clone(), rules, self.now(), actor.into().subject());
        self.answer(self.store.set_rules(stored)).await?;
        self.known.forget(&holder);
        Ok(())
    }

    /// Returns the last alerts of an account or organisation, the latest first, at most so many.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list(&self, holder: &Holder, limit: usize) -> Result<Vec<AlertRecord>, AlertError> {
        self.answer(self.store.list(holder, limit)).await
    }

    /// Removes what is older than the [policy](AlertPolicy::keep) says. `start` does this every hour.
    ///
    /// # Errors
    /// If the store does not answer. Something may be left then; call it again.
    pub async fn forget(&self) -> Result<(), AlertError> {
        let before = self.now().checked_sub(self.policy.keep).unwrap_or(SystemTime::UNIX_EPOCH);
        for what in [ForgetAlerts::Raised { before }, ForgetAlerts::Networks { before }] {
            while self.answer(self.store.forget(&what, FORGET)).await? > 0 {}
        }
        Ok(())
    }

    /// Waits for the store, but not for ever.
    pub(super) async fn answer<T>(&self, future: AlertFuture<T>) -> Result<T, AlertError> {
        match self.limit.wait(future).await {
            Ok(answer) => answer.map_err(AlertError::from),
            Err(late) => Err(BoxError::from(format!("the store {late}")).into()),
        }
    }
}

impl fmt::Debug for Alerts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alerts")
            .field("policy", &self.policy)
            .field("limits", &self.limits.is_some())
            .field("sink", &self.sink.is_some())
            .finish_non_exhaustive()
    }
}
