//! Alerts about keys that nobody has to use: those that expire, are idle, or were rotated.

use std::{
    collections::HashMap,
    time::{Duration, SystemTime},
};

use super::{Alert, AlertError, AlertRule, Alerts, StoredRules, activity::seconds, alert::About};
use crate::{
    RegistryError,
    registry::{Actor, Holder, KeyFilter, KeyInfo},
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// The number of keys that are looked at together.
const PAGE: usize = 1_000;
const ACTOR: &str = "tower-auth";

impl Alerts {
    /// Looks at all keys of the holders that have rules: keys that expire soon, are idle, or were rotated and are still used. `start`
    /// does this [every hour](super::AlertPolicy::scan_every).
    ///
    /// # Errors
    /// If a store does not answer, for one of the holders: the others are looked at. Call it again.
    pub async fn scan(&self) -> Result<(), AlertError> {
        let (mut last, mut outcome): (Option<Holder>, _) = (None, Ok(()));
        loop {
            let page = self.answer(self.store.all_rules(last.as_ref())).await?;
            for stored in &page {
                outcome = outcome.and(self.scan_holder(stored).await);
            }
            match page.into_iter().next_back() {
                Some(stored) => last = Some(stored.holder),
                None => return outcome,
            }
        }
    }

    async fn scan_holder(&self, stored: &StoredRules) -> Result<(), AlertError> {
        let (holder, now, rules) = (&stored.holder, self.now(), stored.known());
        let (mut ends_within, mut wants_all) = (None, false);
        for rule in &rules {
            match rule {
                AlertRule::Expiring { days } => ends_within = ends_within.max(Some(*days)),
                AlertRule::Idle { .. } | AlertRule::OldKeyUsed { .. } => wants_all = true,
                _ => {}
            }
        }
        // Most holders want to know what expires, and few keys do: a query of its own finds them.
        let filter = match ends_within {
            _ if wants_all => of(holder),
            Some(days) => of(holder).expires_between(now, now + DAY * u32::from(days)),
            None => return Ok(()),
        };
        let mut filter = filter.limit(PAGE);
        loop {
            let page = self.keys.list(Actor::named(ACTOR), &filter).await?;
            self.scan_keys(holder, &rules, &page.items, now).await?;
            match page.next {
                Some(next) => filter = filter.after(next),
                None => return Ok(()),
            }
        }
    }

    async fn scan_keys(
        &self,
        holder: &Holder,
        rules: &[AlertRule],
        keys: &[KeyInfo],
        now: SystemTime,
    ) -> Result<(), AlertError> {
        let usable = |key: &&KeyInfo| {
            is_owned(key, holder)
                && key.revoked_at().is_none()
                && key.is_active()
                && key.expires_at().is_none_or(|end| end > now)
        };
        let keys: Vec<&KeyInfo> = keys.iter().filter(usable).collect();
        let ids: Vec<String> = keys.iter().map(|key| key.id().to_owned()).collect();
        let needs_uses = rules.iter().any(|rule| matches!(rule, AlertRule::Idle { .. } | AlertRule::OldKeyUsed { .. }));
        let uses = if needs_uses { self.usage.last_uses(&ids).await? } else { Vec::new() };
        let mut last: HashMap<&str, SystemTime> = uses.iter().map(|last| (&*last.key, last.at)).collect();
        for key in &keys {
            if let Some(at) = key.last_used_at() {
                let known = last.entry(key.id()).or_insert(at);
                *known = at.max(*known);
            }
        }
        let mut alerts = Vec::new();
        for key in keys {
            let looked = Looked { key, last_used: last.get(key.id()).copied(), now };
            for rule in rules {
                match *rule {
                    AlertRule::Expiring { days } => alerts.extend(looked.expiring(holder, days)),
                    AlertRule::Idle { days } => alerts.extend(looked.idle(holder, days)),
                    AlertRule::OldKeyUsed { hours } => alerts.extend(self.old_key_used(holder, hours, &looked).await?),
                    _ => {}
                }
            }
        }
        self.raise(alerts).await
    }

    async fn old_key_used(
        &self,
        holder: &Holder,
        hours: u16,
        looked: &Looked<'_>,
    ) -> Result<Option<Alert>, AlertError> {
        let (Some(successor), Some(last_used)) = (looked.key.successor(), looked.last_used) else { return Ok(None) };
        let rotated = match self.keys.get(Actor::named(ACTOR), successor).await {
            Ok(successor) => successor.created_at(),
            Err(RegistryError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if last_used < rotated + HOUR * u32::from(hours) {
            return Ok(None);
        }
        let alert = looked.alert(holder, AlertRule::OldKeyUsed { hours }, successor);
        let alert = alert.with("successor", successor).with_time("rotated_at", rotated);
        Ok(Some(alert.with_time("last_used_at", last_used)))
    }
}

/// A key at the time of a scan.
struct Looked<'a> {
    key: &'a KeyInfo,
    last_used: Option<SystemTime>,
    now: SystemTime,
}

impl Looked<'_> {
    /// A key that was rotated ends on purpose.
    fn expiring(&self, holder: &Holder, days: u16) -> Option<Alert> {
        let end = self.key.expires_at().filter(|_| self.key.successor().is_none())?;
        let is_soon = end <= self.now + DAY * u32::from(days);
        let period = seconds(end).to_string();
        is_soon.then(|| self.alert(holder, AlertRule::Expiring { days }, &period).with_time("expires_at", end))
    }

    fn idle(&self, holder: &Holder, days: u16) -> Option<Alert> {
        let since = self.last_used.unwrap_or(self.key.created_at()).max(self.key.created_at());
        let is_idle = self.now.duration_since(since).is_ok_and(|idle| idle >= DAY * u32::from(days));
        let period = seconds(since).to_string();
        is_idle.then(|| self.alert(holder, AlertRule::Idle { days }, &period).with_time("idle_since", since))
    }

    fn alert(&self, holder: &Holder, rule: AlertRule, period: &str) -> Alert {
        let alert = Alert::of(holder, rule, &About::key(self.key.id(), period), self.now);
        let alert = if self.key.name().is_empty() { alert } else { alert.with("name", self.key.name()) };
        alert.with("hint", self.key.hint())
    }
}

fn of(holder: &Holder) -> KeyFilter {
    match holder {
        Holder::Account(id) => KeyFilter::account(id),
        Holder::Organization(id) => KeyFilter::organization(id),
    }
}

/// The filter selects also keys of members of an organisation.
fn is_owned(key: &KeyInfo, holder: &Holder) -> bool {
    match holder {
        Holder::Account(_) => true,
        Holder::Organization(id) => key.organization() == Some(id),
    }
}
