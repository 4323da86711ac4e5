//! `usage`: what a key, an account or an organisation has been doing. Counts of the last seconds are still with the servers.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::{Value, json};
use tower_auth::{
    Usage,
    usage::{KeyUse, Outcome, RefusedRequest, UsageCount, UsageOf, UsageTotals},
};

use crate::{
    failure::Failure,
    open::{self, Keys},
    options::{Common, UsageOptions},
    output::{Output, print_line, shown},
    table::Table,
    values::rfc3339,
};

const HOUR: Duration = Duration::from_secs(3600);

/// Everything that is printed.
struct Report {
    of: UsageOf,
    by_hour: bool,
    counts: Vec<UsageCount>,
    last: Option<KeyUse>,
    refusals: Vec<RefusedRequest>,
}

pub(crate) async fn usage(common: &Common, output: &Output, options: UsageOptions) -> Result<(), Failure> {
    let report = read(&open::usage(common).await?, &options).await?;
    // A key that was removed may have counts. One that nobody knows is a mistake.
    if let (UsageOf::Key(id), true) = (&report.of, report.is_empty()) {
        let keys = Keys::open(common).await?;
        keys.registry.get(&keys.actor, id).await?;
    }
    if output.json { Ok(print_line(&report.to_json().to_string())?) } else { report.print() }
}

async fn read(usage: &Usage, options: &UsageOptions) -> Result<Report, Failure> {
    let of = subject(options)?;
    let now = SystemTime::now();
    let ago = |time| now.checked_sub(time).unwrap_or(SystemTime::UNIX_EPOCH);
    let until = now + HOUR;
    let counts = if options.hours {
        usage.hours(of.clone(), ago(47 * HOUR)..until).await?
    } else {
        usage.days(of.clone(), ago(24 * HOUR * options.days.saturating_sub(1))..until).await?
    };
    let (last, refusals) = match &of {
        UsageOf::Key(id) => (usage.last_uses(std::slice::from_ref(id)).await?.pop(), usage.refusals(id).await?),
        _ => (None, Vec::new()),
    };
    Ok(Report { of, by_hour: options.hours, counts, last, refusals })
}

fn subject(options: &UsageOptions) -> Result<UsageOf, Failure> {
    let key = options.id.clone().map(UsageOf::Key);
    let account = options.account.clone().map(UsageOf::Account);
    let of = key.or(account).or_else(|| options.organization.clone().map(UsageOf::Organization));
    of.ok_or_else(|| Failure::Usage("name a key, an account or an organisation".to_owned()))
}

impl Report {
    fn is_empty(&self) -> bool {
        self.counts.is_empty() && self.last.is_none() && self.refusals.is_empty()
    }

    fn print(&self) -> Result<(), Failure> {
        self.print_counts()?;
        if let UsageOf::Key(_) = self.of {
            print_line(&format!("\nlast use  {}", self.last.as_ref().map_or_else(|| "never".to_owned(), last)))?;
        }
        if self.refusals.is_empty() {
            return Ok(());
        }
        print_line("")?;
        let mut table = Table::new(["refused at", "why", "status", "reason", "request", "request id", "address"]);
        self.refusals.iter().for_each(|refused| table.row(&cells(refused)));
        Ok(table.print()?)
    }

    /// The days, each with its outcomes, and their sum.
    fn print_counts(&self) -> Result<(), Failure> {
        let mut table = Table::new([if self.by_hour { "hour" } else { "day" }, "answered", "refused", "refused why"]);
        for same in self.counts.chunk_by(|one, other| one.start == other.start) {
            table.row(&row(self.period(same.first().map(|count| count.start)), &UsageTotals::of(same)));
        }
        table.row(&row("all".to_owned(), &UsageTotals::of(&self.counts)));
        Ok(table.print()?)
    }

    /// Returns the name of a day, or the start of an hour. Both are in UTC.
    fn period(&self, start: Option<SystemTime>) -> String {
        let text = rfc3339(start);
        let length = if self.by_hour { text.len() } else { "2026-01-31".len() };
        text.chars().take(length).collect()
    }

    fn to_json(&self) -> Value {
        let totals = UsageTotals::of(&self.counts);
        let count = |count: &UsageCount| json!({ "start": rfc3339(Some(count.start)), "outcome": count.outcome.as_str(), "count": count.count });
        let mut value = json!({
            self.of.kind(): self.of.id(),
            "by": if self.by_hour { "hour" } else { "day" },
            "counts": self.counts.iter().map(count).collect::<Vec<_>>(),
            "totals": { "all": totals.all(), "answered": totals.answered(), "refused": totals.refused() },
        });
        if let UsageOf::Key(_) = self.of {
            value["last_use"] = self.last.as_ref().map_or(Value::Null, last_json);
            value["refusals"] = self.refusals.iter().map(refused_json).collect();
        }
        value
    }
}

fn row(period: String, totals: &UsageTotals) -> [String; 4] {
    let refused = totals.by_outcome().filter(|(outcome, _)| *outcome != Outcome::Admitted);
    let why: Vec<String> = refused.map(|(outcome, count)| format!("{outcome} {count}")).collect();
    [period, totals.answered().to_string(), totals.refused().to_string(), why.join(", ")]
}

fn last(last: &KeyUse) -> String {
    let from = last.address.map_or_else(String::new, |address| format!(" from {address}"));
    let with = last.client.as_ref().map_or_else(String::new, |client| format!(" with {}", shown(client)));
    rfc3339(Some(last.at)) + &from + &with
}

fn cells(refused: &RefusedRequest) -> [String; 7] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        rfc3339(Some(refused.at)),
        refused.outcome.to_string(),
        refused.status.to_string(),
        text(&refused.reason),
        format!("{} {}", text(&refused.method), text(&refused.path)).trim().to_owned(),
        text(&refused.request_id),
        refused.address.map(|address| address.to_string()).unwrap_or_default(),
    ]
}

fn last_json(last: &KeyUse) -> Value {
    json!({ "at": rfc3339(Some(last.at)), "address": last.address, "client": last.client })
}

fn refused_json(refused: &RefusedRequest) -> Value {
    json!({
        "at": Timestamp::try_from(refused.at).map(|at| at.to_string()).unwrap_or_default(),
        "outcome": refused.outcome.as_str(),
        "status": refused.status,
        "reason": refused.reason,
        "method": refused.method,
        "path": refused.path,
        "request_id": refused.request_id,
        "address": refused.address,
    })
}
