use std::{collections::BTreeMap, time::SystemTime};

use serde_json::{Map, Value};
use tokio_postgres::Row;

use super::{
    PostgresKeyStore,
    failure::Failure,
    query::Statement,
    usage::{each, list},
    values::{self, At, Param, is_impossible},
};
use crate::{
    BoxError,
    alerts::{
        Alert, AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled, StoredRules, unsupported,
    },
    registry::Holder,
};

/// Each call is one statement, except that [`forget`](AlertStore::forget) takes one for each table.
impl AlertStore for PostgresKeyStore {
    fn set_rules(&self, rules: StoredRules) -> AlertFuture<()> {
        let StoredRules { holder, rules, changed_at, changed_by } = rules;
        if is_impossible(holder.id()) || is_impossible(&changed_by) {
            return AlertFuture::ready(Err(IMPOSSIBLE.into()));
        }
        let [kind, id] = of_holder(&holder);
        let values: Vec<Param> = vec![kind, id, Box::new(rules), Box::new(At::of(changed_at)), Box::new(changed_by)];
        self.ask("setting alert rules", |store| (&store.sql.alerts.set_rules, values), |_| Ok(()))
    }

    fn rules(&self, holders: &[Holder]) -> AlertFuture<Vec<StoredRules>> {
        let holders: Vec<&Holder> = holders.iter().filter(|holder| !is_impossible(holder.id())).collect();
        let values = vec![list(&holders, |holder| holder.kind()), list(&holders, |holder| holder.id().to_owned())];
        self.ask("reading alert rules", |store| (&store.sql.alerts.rules, values), |rows| every(rows, rules))
    }

    fn all_rules(&self, after: Option<&Holder>) -> AlertFuture<Vec<StoredRules>> {
        let (kind, id) = after.map_or(("", ""), |holder| (holder.kind(), holder.id()));
        // No text has this character: what comes after the text comes after its part before the character.
        let id = id.split('\0').next().unwrap_or_default();
        let values: Vec<Param> = vec![Box::new(kind), Box::new(id.to_owned())];
        self.ask("listing alert rules", |store| (&store.sql.alerts.all_rules, values), |rows| every(rows, rules))
    }

    fn raise(&self, alerts: Vec<Alert>) -> AlertFuture<usize> {
        // One that cannot be kept must not stop the others.
        let alerts: Vec<Alert> = alerts.into_iter().filter(is_possible).collect();
        let values = of_alerts(&alerts);
        self.ask("raising alerts", |store| (&store.sql.alerts.raise, values), |rows| Ok(rows.len()))
    }

    fn claim(&self, now: SystemTime, until: SystemTime, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        let values: Vec<Param> = vec![Box::new(At::of(now)), Box::new(At::of(until)), at_most(limit)];
        self.ask("claiming alerts", |store| (&store.sql.alerts.claim, values), |rows| every(rows, record))
    }

    fn settle(&self, settled: Vec<(String, Settled)>) -> AlertFuture<()> {
        let values = of_settled(&last_words(settled));
        self.ask("noting what became of alerts", |store| (&store.sql.alerts.settle, values), |_| Ok(()))
    }

    fn list(&self, holder: &Holder, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        if is_impossible(holder.id()) {
            return AlertFuture::ready(Ok(Vec::new()));
        }
        let [kind, id] = of_holder(holder);
        let values = vec![kind, id, at_most(limit)];
        self.ask("listing alerts", |store| (&store.sql.alerts.list, values), |rows| every(rows, record))
    }

    fn networks(&self, keys: &[String]) -> AlertFuture<Vec<NetworkUse>> {
        let keys: Vec<String> = keys.iter().filter(|key| !is_impossible(key)).cloned().collect();
        let values: Vec<Param> = vec![Box::new(keys)];
        self.ask("reading networks of keys", |store| (&store.sql.alerts.networks, values), |rows| every(rows, network))
    }

    fn note_networks(&self, uses: Vec<NetworkUse>) -> AlertFuture<()> {
        let is_possible = |seen: &NetworkUse| !is_impossible(&seen.key) && !is_impossible(&seen.network);
        let uses: Vec<NetworkUse> = uses.into_iter().filter(is_possible).collect();
        let values = vec![
            list(&uses, |seen| seen.key.clone()),
            list(&uses, |seen| seen.network.clone()),
            list(&uses, |seen| At::of(seen.at)),
        ];
        self.ask("noting networks of keys", |store| (&store.sql.alerts.note_networks, values), |_| Ok(()))
    }

    fn forget(&self, what: &ForgetAlerts, limit: usize) -> AlertFuture<usize> {
        let (store, what) = (self.clone(), what.clone());
        AlertFuture::boxed(async move {
            let Some(statements) = store.forgetting_alerts(&what) else { return Err(unsupported(&what)) };
            let mut removed = 0;
            for (statement, mut values) in statements {
                values.push(at_most(limit));
                let rows = store.read(statement, &values).await;
                removed += rows.map_err(|failure| failure.boxed("removing alerts"))?.len();
            }
            Ok(removed)
        })
    }
}

const IMPOSSIBLE: &str =
    "PostgreSQL: setting alert rules: a name has the character U+0000, which PostgreSQL cannot store";

impl PostgresKeyStore {
    /// Runs one statement, and reads its rows.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        doing: &'static str,
        statement: impl FnOnce(&Self) -> (&Statement, Vec<Param>) + Send + 'static,
        read: impl FnOnce(&[Row]) -> Result<T, Failure> + Send + 'static,
    ) -> AlertFuture<T> {
        let store = self.clone();
        AlertFuture::boxed(async move {
            let asked = async {
                let (statement, values) = statement(&store);
                read(&store.read(statement, &values).await?)
            };
            asked.await.map_err(|failure| failure.boxed(doing))
        })
    }

    /// Returns the statements that remove this, with their values.
    fn forgetting_alerts(&self, what: &ForgetAlerts) -> Option<Vec<(&Statement, Vec<Param>)>> {
        let sql = &self.sql.alerts;
        let at = |time: &SystemTime| -> Vec<Param> { vec![Box::new(At::of(*time))] };
        Some(match what {
            ForgetAlerts::Raised { before } => each(&sql.forget_raised, || at(before)),
            ForgetAlerts::Networks { before } => each(&sql.forget_networks, || at(before)),
            ForgetAlerts::Of(holder) if is_impossible(holder.id()) => Vec::new(),
            ForgetAlerts::Of(holder) => each(&sql.forget_holder, || of_holder(holder).into()),
            ForgetAlerts::Key(key) if is_impossible(key) => Vec::new(),
            ForgetAlerts::Key(key) => each(&sql.forget_key, || vec![Box::new(key.clone())]),
            #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
            _ => return None,
        })
    }
}

fn at_most(limit: usize) -> Param {
    Box::new(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn of_holder(holder: &Holder) -> [Param; 2] {
    [Box::new(holder.kind()), Box::new(holder.id().to_owned())]
}

fn is_possible(alert: &Alert) -> bool {
    let texts = [&*alert.id, alert.holder.id(), &*alert.kind, alert.key.as_deref().unwrap_or_default()];
    !texts.into_iter().any(is_impossible)
}

fn of_alerts(alerts: &[Alert]) -> Vec<Param> {
    vec![
        list(alerts, |alert| alert.id.clone()),
        list(alerts, |alert| alert.holder.kind()),
        list(alerts, |alert| alert.holder.id().to_owned()),
        list(alerts, |alert| alert.kind.clone()),
        list(alerts, |alert| alert.key.clone()),
        list(alerts, |alert| At::of(alert.at)),
        list(alerts, |alert| Value::from(alert.details.clone()).to_string()),
    ]
}

/// Keeps one of several results of the same alert, because a statement changes a row once: the first delivery, or else the
/// last result.
fn last_words(settled: Vec<(String, Settled)>) -> Vec<(String, Settled)> {
    let mut last = BTreeMap::new();
    for (id, settled) in settled.into_iter().filter(|(id, _)| !is_impossible(id)) {
        let known = last.entry(id).or_insert(settled);
        if !matches!(known, Settled::Delivered { .. }) {
            *known = settled;
        }
    }
    last.into_iter().collect()
}

fn of_settled(settled: &[(String, Settled)]) -> Vec<Param> {
    let due_at = |settled: &Settled| match settled {
        Settled::Again { at } => Some(At::of(*at)),
        _ => None,
    };
    let delivered_at = |settled: &Settled| match settled {
        Settled::Delivered { at } => Some(At::of(*at)),
        _ => None,
    };
    vec![
        list(settled, |(id, _)| id.clone()),
        list(settled, |(_, settled)| due_at(settled)),
        list(settled, |(_, settled)| delivered_at(settled)),
    ]
}

fn every<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, Failure>) -> Result<Vec<T>, Failure> {
    rows.iter().map(read).collect()
}

fn rules(row: &Row) -> Result<StoredRules, Failure> {
    let (rules, by): (String, String) = (row.try_get(2)?, row.try_get(4)?);
    Ok(StoredRules::of_text(values::holder(row, 0)?, rules, values::time_of(row, 3)?, by))
}

fn record(row: &Row) -> Result<AlertRecord, Failure> {
    let (id, kind): (String, String) = (row.try_get(0)?, row.try_get(3)?);
    let (at, details) = (values::time_of(row, 5)?, object(row.try_get(6)?)?);
    let attempts: i32 = row.try_get(7)?;
    Ok(AlertRecord {
        alert: Alert::new(id, values::holder(row, 1)?, kind, row.try_get(4)?, at, details),
        attempts: u32::try_from(attempts).map_err(BoxError::from)?,
        due_at: values::maybe_time_of(row, 8)?,
        delivered_at: values::maybe_time_of(row, 9)?,
    })
}

fn object(text: &str) -> Result<Map<String, Value>, BoxError> {
    serde_json::from_str(text).map_err(|_| "the details of an alert are not a JSON object".into())
}

fn network(row: &Row) -> Result<NetworkUse, Failure> {
    let (key, network): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(NetworkUse::new(key, network, values::time_of(row, 2)?))
}
