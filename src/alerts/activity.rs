//! Alerts about keys that were used since the last look.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use super::{Alert, AlertError, AlertRule, Alerts, NetworkUse, alert::About, networks::Seen};
use crate::{
    Principal, RateLimitLayer, Rejection,
    rate_limit::{LimitGroup, LimitStatus, Partition, WindowStatus},
    registry::Holder,
    usage::{ActiveKey, By, UsageOf, UsageTotals},
};

/// The number of keys whose alerts are raised at once.
const AT_ONCE: usize = 500;
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
        let mut active = self.usage.take_active();
        while !active.is_empty() {
            let some = active.split_off(active.len().saturating_sub(AT_ONCE));
            if let Err(error) = self.check_some(&some).await {
                active.extend(some);
                self.usage.put_back_active(active);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn check_some(&self, active: &[ActiveKey]) -> Result<(), AlertError> {
        self.learn_rules(active.iter().map(|key| &key.who)).await?;
        let mut alerts = Vec::new();
        for key in active {
            self.judge(key, &mut alerts).await?;
        }
        self.raise(alerts).await
    }

    async fn judge(&self, active: &ActiveKey, alerts: &mut Vec<Alert>) -> Result<(), AlertError> {
        let ActiveKey { who, is_refused } = active;
        let Some(key) = who.credential_id() else { return Ok(()) };
        let (mut status, mut refused) = (None, None);
        for (holder, rules) in self.rules_about(who) {
            for rule in &*rules {
                match *rule {
                    AlertRule::LimitUsed { percent } => {
                        let Some(layer) = &self.limits else { continue };
                        let status = match &status {
                            Some(status) => status,
                            None => status.insert(standing(layer, who).await?),
                        };
                        self.judge_limits(&holder, percent, who, status, alerts);
                    }
                    AlertRule::Refusals { per_hour } if *is_refused => {
                        let (hour, count) = match refused {
                            Some(refused) => refused,
                            None => *refused.insert(self.refused_this_hour(key).await?),
                        };
                        if count >= u64::from(per_hour) {
                            let period = seconds(hour).to_string();
                            let alert = Alert::of(&holder, *rule, &About::key(key, &period), self.now());
                            alerts.push(hinted(alert, who).with("refused", count).with_time("hour", hour));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Returns the present hour, and how many requests with the key were refused in it, in all processes.
    async fn refused_this_hour(&self, key: &str) -> Result<(SystemTime, u64), AlertError> {
        let now = self.now();
        let counts = self.usage.hours(UsageOf::key(key), now..now + Duration::from_nanos(1)).await?;
        Ok((By::Hour.start_of(now), UsageTotals::of(&counts).refused()))
    }

    fn judge_limits(
        &self,
        holder: &Holder,
        percent: u8,
        who: &Principal,
        status: &LimitStatus,
        alerts: &mut Vec<Alert>,
    ) {
        let now = self.now();
        for group in status.groups() {
            for window in group.windows.iter().filter(|window| is_reached(window, percent)) {
                let Some(period) = period_of(window, now) else { continue };
                let what = format!("{} {}", group.bucket_name(), window.name);
                let is_shared = matches!(status.partition(), Partition::Subject | Partition::Account);
                let key = who.credential_id().filter(|_| !is_shared);
                let about = About { key, what: &what, period: &period };
                let alert = Alert::of(holder, AlertRule::LimitUsed { percent }, &about, now);
                alerts.push(told(alert, who, group, window, now));
            }
        }
    }

    async fn check_networks(&self) -> Result<(), AlertError> {
        let mut seen = self.networks.take();
        while !seen.is_empty() {
            let some = seen.split_off(seen.len().saturating_sub(AT_ONCE));
            if let Err(error) = self.check_some_networks(&some).await {
                seen.extend(some);
                self.networks.put_back(seen);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn check_some_networks(&self, seen: &[Seen]) -> Result<(), AlertError> {
        self.learn_rules(seen.iter().map(|seen| &seen.who)).await?;
        let has_rule =
            |seen: &&Seen| self.rules_about(&seen.who).iter().any(|(_, rules)| rules.contains(&AlertRule::NewNetwork));
        let (wanted, unwanted): (Vec<&Seen>, Vec<&Seen>) = seen.iter().partition(has_rule);
        self.networks.forget(unwanted);
        if wanted.is_empty() {
            return Ok(());
        }
        let lines: BTreeSet<&str> = wanted.iter().filter_map(|seen| line_of(&seen.who)).collect();
        let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
        let known = self.answer(self.store.networks(&lines)).await?;
        let mut alerts = Vec::new();
        for seen in &wanted {
            self.judge_network(seen, &known, &mut alerts);
        }
        // A crash in between raises the same alerts again, which changes nothing.
        self.raise(alerts).await?;
        let noted = |seen: &Seen| Some(NetworkUse::new(line_of(&seen.who)?, seen.network.to_string(), seen.at));
        self.answer(self.store.note_networks(wanted.into_iter().filter_map(noted).collect())).await
    }

    /// The first networks of a key are what later ones are compared with.
    fn judge_network(&self, seen: &Seen, known: &[NetworkUse], alerts: &mut Vec<Alert>) {
        let (Some(key), Some(line)) = (seen.who.credential_id(), line_of(&seen.who)) else { return };
        let network = seen.network.to_string();
        let mut of_line = known.iter().filter(|known| known.key == line).peekable();
        if of_line.peek().is_none() || of_line.any(|known| known.network == network) {
            return;
        }
        for (holder, rules) in self.rules_about(&seen.who) {
            if rules.contains(&AlertRule::NewNetwork) {
                let what = format!("{line} {network}");
                let about = About { key: Some(key), what: &what, period: "" };
                let alert = Alert::of(&holder, AlertRule::NewNetwork, &about, seen.at);
                alerts.push(hinted(alert, &seen.who).with("network", network.as_str()));
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

/// Returns the id of the first key in the line of successors that led to the key of a caller: a new key of the line is used
/// from the networks of the old one.
fn line_of(who: &Principal) -> Option<&str> {
    who.first_id().or_else(|| who.credential_id())
}

async fn standing(layer: &RateLimitLayer, who: &Principal) -> Result<LimitStatus, AlertError> {
    let why = |rejection: Rejection| {
        let cause = rejection.private_cause().map(ToString::to_string);
        AlertError::Store(cause.unwrap_or_else(|| "the limiter does not answer".to_owned()).into())
    };
    layer.status(who).await.map_err(why)
}

fn is_reached(window: &WindowStatus, percent: u8) -> bool {
    let used = u64::from(window.size.saturating_sub(window.remaining));
    window.size > 0 && used * 100 >= u64::from(percent) * u64::from(window.size)
}

/// Returns the period in which an alert about a window is raised once; `None` for a window that is too short.
fn period_of(window: &WindowStatus, now: SystemTime) -> Option<String> {
    match (&window.calendar, window.period) {
        (Some(calendar), _) => Some(calendar.period.to_string()),
        (None, Some(period)) if period >= SHORTEST => Some((seconds(now) / period.as_secs()).to_string()),
        _ => None,
    }
}

fn told(alert: Alert, who: &Principal, group: &LimitGroup, window: &WindowStatus, now: SystemTime) -> Alert {
    let mut alert = match alert.key {
        Some(_) => hinted(alert, who),
        None => match who.account() {
            Some(account) => alert.with("account", account),
            None => alert.with("subject", who.subject()),
        },
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

fn hinted(alert: Alert, who: &Principal) -> Alert {
    match who.credential_hint() {
        Some(hint) => alert.with("hint", hint),
        None => alert,
    }
}

pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}
