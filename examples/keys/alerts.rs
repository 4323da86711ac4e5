//! `alerts`: the rules of an account or organisation, and the alerts that they have raised. The servers raise and deliver them.

use std::{io::Read as _, path::Path};

use serde_json::{Value, json};
use tower_auth::{
    alerts::{AlertRecord, AlertRule},
    json::{self, JsonLimits},
    registry::Holder,
};

use crate::{
    failure::Failure,
    holders::holder_of,
    import::reader,
    open,
    options::{AlertCommand, AlertListOptions, AlertSetOptions, Common, HolderOption},
    output::{Output, print_line, shown},
    table::Table,
    values::rfc3339,
};

/// Bytes of the longest file of rules.
const LONGEST: u64 = 64 * 1024;

pub(crate) async fn alerts(common: &Common, output: &Output, command: AlertCommand) -> Result<(), Failure> {
    match command {
        AlertCommand::List(wanted) => list(common, output, wanted).await,
        AlertCommand::Rules(holder) => rules(common, output, holder).await,
        AlertCommand::Set(new) => set(common, output, new).await,
    }
}

async fn list(common: &Common, output: &Output, wanted: AlertListOptions) -> Result<(), Failure> {
    let (holder, limit) = (holder_of(wanted.holder)?, usize::try_from(wanted.limit).unwrap_or(usize::MAX));
    let (alerts, _) = open::alerts(common).await?;
    let records = alerts.list(&holder, limit).await?;
    if output.json {
        return Ok(records.iter().try_for_each(|record| print_line(&to_json(record).to_string()))?);
    }
    let mut table = Table::new(["at", "alert", "key", "delivery", "attempts", "details"]);
    for record in &records {
        table.row(&cells(record));
    }
    Ok(table.print()?)
}

async fn rules(common: &Common, output: &Output, holder: HolderOption) -> Result<(), Failure> {
    let holder = holder_of(holder)?;
    let (alerts, _) = open::alerts(common).await?;
    let rules = alerts.rules(&holder).await?;
    if output.json {
        return Ok(print_line(&rules_json(&holder, &rules).to_string())?);
    }
    let mut table = Table::new(["rule", "when"]);
    for rule in rules {
        table.row(&[rule.kind().to_owned(), when(rule)]);
    }
    Ok(table.print()?)
}

/// Reads all rules before the database is opened: a wrong one changes nothing.
async fn set(common: &Common, output: &Output, new: AlertSetOptions) -> Result<(), Failure> {
    let (holder, rules) = (holder_of(new.holder)?, read(&new.file)?);
    let (alerts, actor) = open::alerts(common).await?;
    alerts.set_rules(&actor, holder.clone(), &rules).await?;
    let count = match rules.len() {
        0 => "no alert rules".to_owned(),
        1 => "1 alert rule".to_owned(),
        count => format!("{count} alert rules"),
    };
    let text = format!("{} has {count}", shown(&holder.to_string()));
    Ok(output.either(&text, &rules_json(&holder, &rules))?)
}

fn read(path: &Path) -> Result<Vec<AlertRule>, Failure> {
    let mut text = Vec::new();
    let unreadable = |error| Failure::Refused(format!("{} cannot be read: {error}", path.display()));
    reader(path)?.take(LONGEST + 1).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() as u64 > LONGEST {
        return Err(Failure::Refused("the rules are longer than 64 KiB".to_owned()));
    }
    let wrong = |why| Failure::Refused(format!("the rules are no JSON array: {why}"));
    let rules: Vec<Value> = json::from_slice(&text, &JsonLimits::new()).map_err(wrong)?;
    rules.iter().enumerate().map(|(at, rule)| one(at + 1, rule)).collect()
}

fn one(number: usize, rule: &Value) -> Result<AlertRule, Failure> {
    AlertRule::from_json(rule).map_err(|why| Failure::Refused(format!("rule {number}: {why}")))
}

fn when(rule: AlertRule) -> String {
    match rule {
        AlertRule::LimitUsed { percent } => format!("{percent} percent of a limit are used"),
        AlertRule::Expiring { days } => format!("a key expires within {days} days"),
        AlertRule::OldKeyUsed { hours } => format!("a key is used {hours} hours after its rotation"),
        AlertRule::NewNetwork => "a key is used from a new network".to_owned(),
        AlertRule::Refusals { per_hour } => format!("{per_hour} requests of a key are refused in an hour"),
        AlertRule::Idle { days } => format!("a key is not used for {days} days"),
        other => other.to_json().to_string(),
    }
}

fn rules_json(holder: &Holder, rules: &[AlertRule]) -> Value {
    json!({ holder.kind(): holder.id(), "rules": rules.iter().map(AlertRule::to_json).collect::<Value>() })
}

fn cells(record: &AlertRecord) -> [String; 6] {
    let alert = &record.alert;
    [
        rfc3339(Some(alert.at)),
        alert.kind.clone(),
        alert.key.clone().unwrap_or_default(),
        delivery(record),
        record.attempts.to_string(),
        details(record),
    ]
}

fn delivery(record: &AlertRecord) -> String {
    match (record.delivered_at, record.due_at) {
        (Some(at), _) => format!("delivered {}", rfc3339(Some(at))),
        (None, Some(at)) => format!("waiting until {}", rfc3339(Some(at))),
        (None, None) => "given up".to_owned(),
    }
}

fn details(record: &AlertRecord) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let details: Vec<String> =
        record.alert.details.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
    details.join(", ")
}

/// Returns an alert as the servers show it.
fn to_json(record: &AlertRecord) -> Value {
    let state = match (record.delivered_at, record.due_at) {
        (Some(_), _) => "delivered",
        (None, Some(_)) => "waiting",
        (None, None) => "given_up",
    };
    let time = |time: Option<_>| time.map(|time| rfc3339(Some(time)));
    let mut value = record.alert.to_json();
    value["delivery"] = json!({
        "state": state,
        "attempts": record.attempts,
        "next_at": time(record.due_at),
        "delivered_at": time(record.delivered_at),
    });
    value
}
