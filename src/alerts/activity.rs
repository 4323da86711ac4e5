//! Alerts about keys that were used since the last look.

use std::time::{Duration, SystemTime};

use super::{Alert, AlertError, AlertRule, Alerts, alert::About, learning::Rules};
use crate::{
    Principal, RateLimitLayer, Rejection,
    rate_limit::{LimitGroup, LimitStatus, Partition, WindowStatus},
    registry::Holder,
    usage::{ActiveKey, UsageOf, UsageTotals},
};

/// The number of keys whose alerts are raised at once.
pub(super) const AT_ONCE: usize = 500;
/// Windows that are full again sooner are left out: they are there to be reached.
const SHORTEST: Duration = Duration::from_secs(3600);

impl Alerts {
    /// Looks at the keys that were used since the last call, as this process has written and seen it: limits, refused requests
    /// and networks. `start` does this every [ten seconds](super::AlertPolicy::check_every), after the usage is written.
    ///
    /// # Errors
    /// If a store or the limiter does not answer. Nothing is lost; call it again.
    pub async fn check(&self) -> Result<(), AlertError> {
        let used = self.check_used().await;
        used.and(self.check_networks().await)
    }

    async fn check_used(&self) -> Result<(), AlertError> {
        let (mut active, mut outcome) = (self.usage.take_active(), Ok(()));
        while !active.is_empty() {
            let some = active.split_off(active.len().saturating_sub(AT_ONCE));
            let (failed, part) = self.check_some(some).await;
            self.usage.put_back_active(failed);
            outcome = outcome.and(part);
        }
        outcome
    }

    /// Returns the keys that could not be looked at. One of them does not hold up the others.
    async fn check_some(&self, active: Vec<ActiveKey>) -> (Vec<ActiveKey>, Result<(), AlertError>) {
        let rules = match self.rules_of(active.iter().map(|key| &key.who)).await {
            Ok(rules) => rules,
            Err(error) => return (active, Err(error)),
        };
        let (mut done, mut failed, mut alerts, mut outcome) = (Vec::new(), Vec::new(), Vec::new(), Ok(()));
        for key in active {
            match self.judge(&key, &rules, &mut alerts).await {
                Ok(()) => done.push(key),
                Err(error) => {
                    outcome = Err(error);
                    failed.push(key);
                }
            }
        }
        if let Err(error) = self.raise(alerts).await {
            failed.append(&mut done);
            outcome = Err(error);
        }
        (failed, outcome)
    }

    async fn judge(&self, active: &ActiveKey, rules: &Rules, alerts: &mut Vec<Alert>) -> Result<(), AlertError> {
        let who = &active.who;
        let (mut status, mut refused) = (None, None);
        for (holder, rules) in rules.about(who) {
            for rule in rules {
                match *rule {
                    AlertRule::LimitUsed { percent } => {
                        let Some(layer) = &self.limits else { continue };
                        let status = match &status {
                            Some(status) => status,
                            None => status.insert(standing(layer, who).await?),
                        };
                        self.judge_limits(holder, percent, active, status, alerts);
                    }
                    AlertRule::Refusals { per_hour } => {
                        let refused = match &refused {
                            Some(refused) => refused,
                            None => refused.insert(self.refused(active).await?),
                        };
                        for (hour, count) in refused.iter().filter(|(_, count)| *count >= u64::from(per_hour)) {
                            alerts.extend(self.many_refusals(holder, *rule, who, (*hour, *count)));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns how many requests with the key were refused in each of the hours, in all processes.
    async fn refused(&self, active: &ActiveKey) -> Result<Vec<(SystemTime, u64)>, AlertError> {
        let Some(key) = active.who.credential_id() else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for hour in active.refused_hours() {
            // Databases keep microseconds.
            let counts = self.usage.hours(UsageOf::key(key), hour..hour + Duration::from_secs(1)).await?;
            all.push((hour, UsageTotals::of(&counts).refused()));
        }
        Ok(all)
    }

    fn many_refusals(
        &self,
        holder: &Holder,
        rule: AlertRule,
        who: &Principal,
        (hour, count): (SystemTime, u64),
    ) -> Option<Alert> {
        let period = seconds(hour).to_string();
        let alert = Alert::of(holder, rule, &About::key(who.credential_id()?, &period), self.now());
        Some(hinted(alert, who).with("refused", count).with_time("hour", hour))
    }

    fn judge_limits(
        &self,
        holder: &Holder,
        percent: u8,
        active: &ActiveKey,
        status: &LimitStatus,
        alerts: &mut Vec<Alert>,
    ) {
        let (now, who) = (self.now(), &active.who);
        for group in status.groups() {
            for window in group.windows.iter().filter(|window| is_reached(window, percent, &active.limited_by)) {
                let Some(period) = period_of(window, now) else { continue };
                // Keys that share a limit share its alerts.
                let what = format!("{} {}", group.bucket_name(), window.name);
                let about = About { key: who.credential_id(), what: &what, period: &period };
                let alert = Alert::of(holder, AlertRule::LimitUsed { percent }, &about, now);
                alerts.push(told(hinted(alert, who), status, group, window, now));
            }
        }
    }

    pub(super) async fn raise(&self, alerts: Vec<Alert>) -> Result<(), AlertError> {
        if alerts.is_empty() {
            return Ok(());
        }
        self.answer(self.store.raise(alerts)).await.map(drop)
    }
}

async fn standing(layer: &RateLimitLayer, who: &Principal) -> Result<LimitStatus, AlertError> {
    let why = |rejection: Rejection| {
        let cause = rejection.private_cause().map(ToString::to_string);
        AlertError::Store(cause.unwrap_or_else(|| "the limiter does not answer".to_owned()).into())
    };
    layer.status(who).await.map_err(why)
}

/// A window that has refused requests is used up, even if it is refilled a little until somebody looks, or has room for a cheaper
/// request. If it is half empty, it was refilled since, or is of the next period.
fn is_reached(window: &WindowStatus, percent: u8, limited_by: &[String]) -> bool {
    let (used, size) = (u64::from(window.size.saturating_sub(window.remaining)), u64::from(window.size));
    let has_refused = limited_by.contains(&window.name) && used * 2 >= size;
    size > 0 && (used * 100 >= u64::from(percent) * size || has_refused)
}

/// Returns the period in which an alert about a window is raised once; `None` for a window that is too short.
fn period_of(window: &WindowStatus, now: SystemTime) -> Option<String> {
    match (&window.calendar, window.period) {
        (Some(calendar), _) => Some(calendar.period.to_string()),
        (None, Some(period)) if period >= SHORTEST => Some((seconds(now) / period.as_secs()).to_string()),
        _ => None,
    }
}

fn told(alert: Alert, status: &LimitStatus, group: &LimitGroup, window: &WindowStatus, now: SystemTime) -> Alert {
    let mut alert = match status.partition() {
        Partition::Account => alert.with("shared_by", "account"),
        Partition::Subject => alert.with("shared_by", "subject"),
        _ => alert,
    };
    if let Some(class) = &group.class {
        alert = alert.with("class", class.as_str());
    }
    let used = window.size.saturating_sub(window.remaining);
    alert = alert.with("window", window.name.as_str()).with("limit", window.size).with("used", used);
    match now.checked_add(window.reset) {
        Some(reset) => alert.with_time("resets_at", reset),
        None => alert,
    }
}

pub(super) fn hinted(alert: Alert, who: &Principal) -> Alert {
    match who.credential_hint() {
        Some(hint) => alert.with("hint", hint),
        None => alert,
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
