//! Queries of lists, which grow with the conditions of their filter.

use std::time::SystemTime;

use rusqlite::{ToSql, types::Value};

use super::sql::{audit_columns, columns};
use crate::registry::{AuditFilter, Cursor, KeyFilter, micros, time};

/// A query with its arguments.
pub(super) struct Query {
    text: String,
    arguments: Vec<Value>,
}

impl Query {
    fn new(text: &str) -> Self {
        Self { text: text.to_owned(), arguments: Vec::new() }
    }

    /// Selects keys. The first column is their number.
    pub(super) fn keys() -> Self {
        Self::new(concat!("SELECT keys.seq, ", columns!(), " FROM keys WHERE TRUE"))
    }

    /// Selects keys by an index of those that were deleted, in their order.
    pub(super) fn deleted_keys() -> Self {
        Self::new(concat!("SELECT keys.seq, ", columns!(), " FROM keys INDEXED BY keys_by_deletion WHERE TRUE"))
    }

    /// Selects the keys of an organisation, in the order of the index of memberships: `CROSS JOIN` keeps the order.
    pub(super) fn keys_of_organization(name: &str) -> Self {
        let text = concat!(
            "SELECT keys.seq, ",
            columns!(),
            " FROM key_organizations AS members CROSS JOIN keys ON keys.seq = members.seq WHERE TRUE"
        );
        Self::new(text).and(" AND members.organization = ?", name.to_owned())
    }

    /// Selects rows of the audit log. The first column is their number.
    pub(super) fn audit() -> Self {
        Self::new(concat!("SELECT seq, ", audit_columns!(), " FROM audit WHERE TRUE"))
    }

    /// Adds a condition on one argument.
    pub(super) fn and(mut self, condition: &'static str, argument: impl Into<Value>) -> Self {
        self.text.push_str(condition);
        self.arguments.push(argument.into());
        self
    }

    /// Adds a condition, if there is an argument.
    pub(super) fn and_if(self, condition: &'static str, argument: Option<impl Into<Value>>) -> Self {
        match argument {
            Some(argument) => self.and(condition, argument),
            None => self,
        }
    }

    /// Adds a text, such as an order.
    pub(super) fn with(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn arguments(&self) -> impl Iterator<Item = &dyn ToSql> {
        self.arguments.iter().map(|argument| argument as &dyn ToSql)
    }
}

pub(super) fn keys(filter: &KeyFilter) -> Query {
    let after = filter.place().map_or(0, Cursor::row);
    // A plus keeps SQLite from reading all keys in their order: few expire soon.
    let is_rare = filter.of_account().is_none() && filter.expiry_between().is_some();
    let is_deleted = filter.of_account().is_none() && filter.deletion_before().is_some();
    let (query, order) = match filter.of_organization() {
        Some(name) => (Query::keys_of_organization(name).and(" AND members.seq > ?", after), " ORDER BY members.seq"),
        None if is_deleted => (Query::deleted_keys().and(" AND keys.seq > ?", after), " ORDER BY keys.seq"),
        None if is_rare => (Query::keys().and(" AND +keys.seq > ?", after), " ORDER BY +keys.seq"),
        None => (Query::keys().and(" AND keys.seq > ?", after), " ORDER BY keys.seq"),
    };
    query
        .and_if(" AND account = ?", filter.of_account().map(str::to_owned))
        .with(if filter.includes_deleted() { "" } else { " AND deleted_at IS NULL" })
        .and_if(" AND deleted_at < ?", filter.deletion_before().map(next_micros))
        .and_if(" AND expires_at > ?", filter.expiry_between().map(|(after, _)| micros(after)))
        .and_if(" AND expires_at <= ?", filter.expiry_between().map(|(_, until)| micros(until)))
        .and_if(" AND pepper IS NOT ?", filter.other_pepper().map(|version| version.map(i64::from)))
        .with(order)
        .and(" LIMIT ?", one_more(filter.size()))
}

pub(super) fn audit(filter: &AuditFilter) -> Query {
    let [key, account, organization, actor] = filter.names().map(|name| name.map(str::to_owned));
    let (since, until) = filter.times();
    // Rows are read in their order, which is nearly that of time: to sort all rows of a long time costs more. A plus keeps
    // SQLite from the index of what follows it.
    let (after, order) = if filter.is_newest_first() {
        (" AND seq < ?", " ORDER BY seq DESC")
    } else {
        (" AND seq > ?", " ORDER BY seq")
    };
    Query::audit()
        .and_if(" AND key = ?", key)
        .and_if(" AND account = ?", account)
        .and_if(" AND organization = ?", organization)
        .and_if(" AND actor = ?", actor)
        .and_if(" AND +at >= ?", since.map(next_micros))
        .and_if(" AND +at < ?", until.map(next_micros))
        .and_if(after, filter.place().map(Cursor::row))
        .with(order)
        .and(" LIMIT ?", one_more(filter.size()))
}

/// One row more than the page says whether there is another page.
fn one_more(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1)
}

/// Returns the first whole microsecond that is not before this time: stored times are whole microseconds.
pub(super) fn next_micros(at: SystemTime) -> i64 {
    let whole = micros(at);
    if time(whole).is_ok_and(|earlier| earlier < at) { whole.saturating_add(1) } else { whole }
}

#[cfg(test)]
mod tests {
    use super::{
        super::sql::tests::{migrated, plan, whole},
        *,
    };

    /// A filter that selects by nothing but the state or the pepper reads keys in their order, from the place of the page on,
    /// and ends when the page is full.
    #[test]
    fn lists_of_keys_follow_indexes() {
        let connection = migrated();
        let at = SystemTime::UNIX_EPOCH;
        let mut all = vec![KeyFilter::all(), KeyFilter::account("acme"), KeyFilter::organization("org")];
        let with = |all: &mut Vec<KeyFilter>, with: &dyn Fn(KeyFilter) -> KeyFilter| {
            all.extend(all.clone().into_iter().map(with));
        };
        with(&mut all, &KeyFilter::with_deleted);
        with(&mut all, &|filter| filter.deleted_before(at));
        with(&mut all, &|filter| filter.expires_between(at, at));
        with(&mut all, &|filter| filter.not_under(Some(1)));
        with(&mut all, &|filter| filter.after(Cursor::after(7)));
        for filter in all {
            let plan = plan(&connection, keys(&filter).text());
            let index = match &filter {
                filter if filter.of_organization().is_some() => "keys_of_organization (organization=? AND seq>?)",
                filter if filter.of_account().is_some() => "keys_of_account (account=? AND seq>?)",
                filter if filter.deletion_before().is_some() => "keys_by_deletion",
                filter if filter.expiry_between().is_some() => "keys_by_expiry (expires_at>? AND expires_at<?)",
                _ => "PRIMARY KEY (rowid>?)",
            };
            assert!(plan.contains(index), "{filter:?}: {plan}");
            let by_order = index.starts_with("PRIMARY");
            assert_eq!(whole(&plan).is_empty(), !by_order, "{filter:?}: {plan}");
            assert_eq!(plan.contains("TEMP B-TREE"), index.starts_with("keys_by_expiry"), "{filter:?}: {plan}");
        }
    }

    /// Without a name, rows are read in their order, from the place of the page on.
    #[test]
    fn lists_of_the_audit_log_follow_indexes() {
        let connection = migrated();
        let at = SystemTime::UNIX_EPOCH;
        let all =
            [AuditFilter::all(), AuditFilter::key("k"), AuditFilter::account("a"), AuditFilter::organization("o")];
        let mut all = all.to_vec();
        let with = |all: &mut Vec<AuditFilter>, with: &dyn Fn(AuditFilter) -> AuditFilter| {
            all.extend(all.clone().into_iter().map(with));
        };
        with(&mut all, &|filter| filter.by("alice"));
        with(&mut all, &|filter| filter.since(at));
        with(&mut all, &|filter| filter.until(at));
        with(&mut all, &AuditFilter::newest_first);
        with(&mut all, &|filter| filter.after(Cursor::after(7)));
        for filter in all {
            let plan = plan(&connection, audit(&filter).text());
            let named = filter.names().iter().any(Option::is_some);
            assert_eq!(plan.contains("audit_of_"), named, "{filter:?}: {plan}");
            assert_eq!(whole(&plan).is_empty(), named, "{filter:?}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{filter:?}: {plan}");
        }
    }
}
