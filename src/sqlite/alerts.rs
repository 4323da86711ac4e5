use std::time::SystemTime;

use rusqlite::{Row, ToSql, params};
use serde_json::{Map, Value};

use super::{SqliteKeyStore, alert_sql as sql, failure::Failure, rows, session::Session, usage::lists, write::begin};
use crate::{
    BoxError,
    alerts::{
        Alert, AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled, StoredRules, unsupported,
    },
    registry::{Holder, micros, time},
};

/// Each change is one transaction, and on disk when it is answered.
impl AlertStore for SqliteKeyStore {
    fn set_rules(&self, rules: StoredRules) -> AlertFuture<()> {
        self.change(move |session| set_rules(session, &rules))
    }

    fn rules(&self, holders: &[Holder]) -> AlertFuture<Vec<StoredRules>> {
        let holders = holders.to_vec();
        self.work(lists, move |session| {
            let found = holders.iter().map(|holder| rules(session, sql::RULES, holder.kind(), holder.id()));
            Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
        })
    }

    fn all_rules(&self, after: Option<&Holder>) -> AlertFuture<Vec<StoredRules>> {
        let after = after.cloned();
        self.work(lists, move |session| {
            let (kind, id) = after.as_ref().map_or(("", ""), |holder| (holder.kind(), holder.id()));
            rules(session, sql::ALL_RULES, kind, id)
        })
    }

    fn raise(&self, alerts: Vec<Alert>) -> AlertFuture<usize> {
        self.change(move |session| alerts.into_iter().try_fold(0, |added, alert| Ok(added + raise(session, alert)?)))
    }

    fn claim(&self, now: SystemTime, until: SystemTime, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        self.change(move |session| claim(session, now, until, limit))
    }

    fn settle(&self, settled: Vec<(String, Settled)>) -> AlertFuture<()> {
        self.change(move |session| settled.iter().try_for_each(|(id, settled)| settle(session, id, *settled)))
    }

    fn list(&self, holder: &Holder, limit: usize) -> AlertFuture<Vec<AlertRecord>> {
        let holder = holder.clone();
        self.work(lists, move |session| {
            records(session, sql::LIST, params![holder.kind(), holder.id(), at_most(limit)])
        })
    }

    fn networks(&self, keys: &[String]) -> AlertFuture<Vec<NetworkUse>> {
        let keys = keys.to_vec();
        self.work(lists, move |session| {
            let found = keys.iter().map(|key| networks(session, key));
            Ok(found.collect::<Result<Vec<_>, _>>()?.concat())
        })
    }

    fn note_networks(&self, uses: Vec<NetworkUse>) -> AlertFuture<()> {
        self.change(move |session| uses.iter().try_for_each(|seen| note_network(session, seen)))
    }

    fn forget(&self, what: &ForgetAlerts, limit: usize) -> AlertFuture<usize> {
        let what = what.clone();
        self.change(move |session| forget(session, &what, limit))
    }
}

impl SqliteKeyStore {
    /// Runs this in a transaction of the thread for changes.
    fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Session<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> AlertFuture<T> {
        let all = move |session: &mut Session<'_>| {
            let transaction = begin(session)?;
            let changed = change(session)?;
            transaction.commit().map_err(Failure::to("commit changes of alerts"))?;
            Ok(changed)
        };
        self.work(|store| &store.0.writer, all)
    }
}

fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn execute(session: &mut Session<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<usize, Failure> {
    let to = || Failure::to("change alerts");
    session.prepared(text).map_err(to())?.execute(arguments).map_err(to())
}

fn all<T>(
    session: &mut Session<'_>,
    text: &str,
    arguments: &[&dyn ToSql],
    row: impl Fn(&Row<'_>) -> rusqlite::Result<Result<T, BoxError>>,
) -> Result<Vec<T>, Failure> {
    let to = || Failure::to("read alerts");
    let statement = session.prepared(text).map_err(to())?;
    let rows = statement.query_map(arguments, row).map_err(to())?;
    rows.map(|row| Ok(row.map_err(to())??)).collect()
}

fn set_rules(session: &mut Session<'_>, stored: &StoredRules) -> Result<(), Failure> {
    let StoredRules { holder, rules, changed_at, changed_by, .. } = stored;
    let arguments = params![holder.kind(), holder.id(), rules, micros(*changed_at), changed_by];
    execute(session, sql::SET_RULES, arguments).map(drop)
}

fn rules(session: &mut Session<'_>, text: &str, kind: &str, id: &str) -> Result<Vec<StoredRules>, Failure> {
    all(session, text, params![kind, id], |row| {
        let (kind, id, rules): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let (at, by): (i64, String) = (row.get(3)?, row.get(4)?);
        Ok(time(at).map(|at| StoredRules::of_text(rows::holder(&kind, id), rules, at, by)))
    })
}

/// Returns 1, or zero if the alert is known.
fn raise(session: &mut Session<'_>, alert: Alert) -> Result<usize, Failure> {
    let Alert { id, holder, kind, key, at, details } = alert;
    let details = Value::Object(details).to_string();
    execute(session, sql::RAISE, params![id, holder.kind(), holder.id(), kind, key, micros(at), details])
}

/// Claims in two steps, because an update returns its rows in no order.
fn claim(
    session: &mut Session<'_>,
    now: SystemTime,
    until: SystemTime,
    limit: usize,
) -> Result<Vec<AlertRecord>, Failure> {
    let mut due = records(session, sql::DUE, params![micros(now), at_most(limit)])?;
    for record in &mut due {
        execute(session, sql::CLAIM, params![record.alert.id, micros(until)])?;
        (record.due_at, record.attempts) = (Some(until), record.attempts.saturating_add(1));
    }
    Ok(due)
}

fn settle(session: &mut Session<'_>, id: &str, settled: Settled) -> Result<(), Failure> {
    let (due_at, delivered_at) = match settled {
        Settled::Delivered { at } => (None, Some(micros(at))),
        Settled::Again { at } => (Some(micros(at)), None),
        Settled::GivenUp => (None, None),
    };
    execute(session, sql::SETTLE, params![id, due_at, delivered_at]).map(drop)
}

fn records(session: &mut Session<'_>, text: &str, arguments: &[&dyn ToSql]) -> Result<Vec<AlertRecord>, Failure> {
    all(session, text, arguments, |row| {
        let holder = rows::holder(&row.get::<_, String>(1)?, row.get(2)?);
        let (at, details): (i64, String) = (row.get(5)?, row.get(6)?);
        let (attempts, due_at, delivered_at): (i64, Option<i64>, Option<i64>) = (row.get(7)?, row.get(8)?, row.get(9)?);
        let (id, kind): (String, String) = (row.get(0)?, row.get(3)?);
        let key = row.get(4)?;
        let read = || {
            Ok(AlertRecord {
                alert: Alert::new(id, holder, kind, key, time(at)?, object(&details)?),
                attempts: u32::try_from(attempts)?,
                due_at: due_at.map(time).transpose()?,
                delivered_at: delivered_at.map(time).transpose()?,
            })
        };
        Ok(read())
    })
}

fn object(text: &str) -> Result<Map<String, Value>, BoxError> {
    serde_json::from_str(text).map_err(|_| "the details of an alert are not a JSON object".into())
}

fn networks(session: &mut Session<'_>, key: &str) -> Result<Vec<NetworkUse>, Failure> {
    all(session, sql::NETWORKS, params![key], |row| {
        let (key, network, at): (String, String, i64) = row.try_into()?;
        Ok(time(at).map(|at| NetworkUse::new(key, network, at)))
    })
}

fn note_network(session: &mut Session<'_>, seen: &NetworkUse) -> Result<(), Failure> {
    execute(session, sql::NOTE_NETWORK, params![seen.key, seen.network, micros(seen.at)]).map(drop)
}

fn forget(session: &mut Session<'_>, what: &ForgetAlerts, limit: usize) -> Result<usize, Failure> {
    let limit = at_most(limit);
    let mut each = |texts: &[&str], arguments: &[&dyn ToSql]| {
        texts.iter().try_fold(0, |sum, text| Ok::<_, Failure>(sum + execute(session, text, arguments)?))
    };
    match what {
        ForgetAlerts::Raised { before } => each(&sql::FORGET_RAISED, params![micros(*before), limit]),
        ForgetAlerts::Networks { before } => each(&sql::FORGET_NETWORKS, params![micros(*before), limit]),
        ForgetAlerts::Of(holder) => each(&sql::FORGET_HOLDER, params![holder.kind(), holder.id(), limit]),
        ForgetAlerts::Key(key) => each(&sql::FORGET_KEY, params![key, limit]),
        #[allow(unreachable_patterns, reason = "as a store of another crate, this one answers for later kinds")]
        _ => Err(unsupported(what).into()),
    }
}
