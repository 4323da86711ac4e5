//! `limits`: the plan of a key, and the windows of limits of its own. Plans are settings of the servers, and what remains is
//! counted by them.

use jiff::SignedDuration;
use serde_json::{Value, json};
use tower_auth::{
    limit::{Limits, Refill, WindowInfo},
    registry::KeyInfo,
};

use crate::{
    failure::Failure,
    open::Keys,
    options::Common,
    output::{Output, print_line, shown},
    table::Table,
};

pub(crate) async fn limits(common: &Common, output: &Output, id: &str) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let key = keys.registry.get(&keys.actor, id).await?;
    if output.json { Ok(print_line(&to_json(&key).to_string())?) } else { print(&key) }
}

fn print(key: &KeyInfo) -> Result<(), Failure> {
    print_line(&format!(
        "plan    {}",
        key.principal().plan().map_or_else(|| "none: the fallback of the servers".to_owned(), shown)
    ))?;
    print_line(&format!("limits  {}", kind(key)))?;
    let Some(limits) = key.principal().limits() else { return Ok(()) };
    print_line("")?;
    let mut table = Table::new(["window", "requests", "refill"]);
    limits.windows().for_each(|window| table.row(&[window.name.to_owned(), window.size.to_string(), refill(&window)]));
    Ok(table.print()?)
}

fn kind(key: &KeyInfo) -> &'static str {
    match (key.principal().limits(), key.record().unread_limits()) {
        (_, Some(_)) => "of its own, which this version cannot read: the key is refused",
        (Some(_), None) => "of its own, instead of those of the plan",
        (None, None) => "those of the plan, which the servers know",
    }
}

fn refill(window: &WindowInfo<'_>) -> String {
    match window.refill {
        Refill::Even(period) => {
            let period =
                SignedDuration::try_from(period).map_or_else(|_| format!("{period:?}"), |span| format!("{span:#}"));
            format!("evenly, full after {period}")
        }
        Refill::Calendar { unit, time_zone } => format!("at the start of the {}, {time_zone}", unit.as_str()),
        _ => "in a way that this version does not know".to_owned(),
    }
}

fn to_json(key: &KeyInfo) -> Value {
    let windows = |limits: &Limits| limits.windows().map(|window| window_json(&window)).collect::<Value>();
    json!({
        "id": key.id(),
        "plan": key.principal().plan(),
        "windows": key.principal().limits().map(windows),
        "unread": key.record().unread_limits().is_some(),
    })
}

fn window_json(window: &WindowInfo<'_>) -> Value {
    match window.refill {
        Refill::Even(period) => {
            json!({ "name": window.name, "size": window.size, "full_after_seconds": period.as_secs_f64() })
        }
        Refill::Calendar { unit, time_zone } => {
            json!({ "name": window.name, "size": window.size, "calendar": unit.as_str(), "time_zone": time_zone })
        }
        _ => json!({ "name": window.name, "size": window.size }),
    }
}
