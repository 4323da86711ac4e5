//! What the checks have in common.

use std::time::{Duration, SystemTime};

use serde_json::{Map, json};

pub(super) use super::super::trial::all;
use crate::{
    alerts::{Alert, AlertRecord, AlertStore},
    registry::Holder,
};

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Noon of 2 June 2026, UTC.
pub(super) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_780_401_600)
}

/// So many seconds after noon, and a part of them that every store keeps.
pub(super) fn at(seconds: u64) -> SystemTime {
    noon() + Duration::from_secs(seconds) + Duration::from_micros(7)
}

pub(super) fn acme() -> Holder {
    Holder::account("acme")
}

/// An alert that is raised, and due, so many seconds after noon.
pub(super) fn alert(seconds: u64) -> Alert {
    alert_of(&acme(), "key_1", seconds)
}

pub(super) fn alert_of(holder: &Holder, key: &str, seconds: u64) -> Alert {
    let details = Map::from_iter([("days".to_owned(), json!(90))]);
    let id = format!("alert_{}_{}_{key}_{seconds:04}", holder.kind(), holder.id());
    Alert::new(id, holder.clone(), "idle", Some(key.to_owned()), at(seconds), details)
}

/// The records of alerts that were raised and never claimed.
pub(super) fn fresh_records(alerts: impl IntoIterator<Item = Alert>) -> Vec<AlertRecord> {
    let record = |alert: Alert| AlertRecord { due_at: Some(alert.at), ..AlertRecord::new(alert, noon()) };
    alerts.into_iter().map(record).collect()
}

pub(super) async fn raise(store: &impl AlertStore, alerts: impl IntoIterator<Item = Alert>) -> usize {
    store.raise(alerts.into_iter().collect()).await.expect("alerts are raised")
}

pub(super) async fn claim(
    store: &impl AlertStore,
    now: SystemTime,
    until: SystemTime,
    limit: usize,
) -> Vec<AlertRecord> {
    store.claim(now, until, limit).await.expect("alerts are claimed")
}

pub(super) async fn list(store: &impl AlertStore, holder: &Holder) -> Vec<AlertRecord> {
    store.list(holder, 1_000).await.expect("alerts are listed")
}

pub(super) fn ids(records: &[AlertRecord]) -> Vec<&str> {
    records.iter().map(|record| &*record.alert.id).collect()
}
