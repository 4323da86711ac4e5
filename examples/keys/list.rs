//! `list` and `show`.

use std::time::SystemTime;

use serde_json::Value;
use tower_auth::{
    KeyStatus,
    registry::{KeyFilter, KeyInfo},
};

use crate::{
    failure::Failure,
    open::Keys,
    options::{Common, Wanted},
    output::{Output, print_line, shown},
    table::Table,
    values::rfc3339,
};

pub(crate) async fn list(common: &Common, output: &Output, wanted: Wanted) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    let filter = match (wanted.account, wanted.organization) {
        (Some(account), _) => KeyFilter::account(account),
        (None, Some(organization)) => KeyFilter::organization(organization),
        (None, None) => KeyFilter::all(),
    };
    let mut filter = if wanted.deleted { filter.with_deleted() } else { filter }.limit(1000);
    let mut table = Table::new(["id", "name", "hint", "account", "state", "scopes", "created", "expires", "last use"]);
    loop {
        let page = keys.registry.list(&keys.actor, &filter).await?;
        for key in &page.items {
            if output.json {
                print_line(&key.to_json().to_string())?;
            } else {
                table.row(&row(key));
            }
        }
        match page.next {
            Some(next) => filter = filter.after(next),
            None if output.json => return Ok(()),
            None => return Ok(table.print()?),
        }
    }
}

fn row(key: &KeyInfo) -> [String; 9] {
    [
        key.id().to_owned(),
        key.name().to_owned(),
        key.hint().to_owned(),
        key.principal().account().unwrap_or_default().to_owned(),
        state(key).to_owned(),
        key.principal().scopes().join(" "),
        rfc3339(Some(key.created_at())),
        rfc3339(key.expires_at()),
        rfc3339(key.last_used_at()),
    ]
}

/// Returns the state in a word. Suspensions are of the holder, not of the key.
pub(crate) fn state(key: &KeyInfo) -> &'static str {
    match key.record().status(SystemTime::now()) {
        _ if key.is_deleted() => "deleted",
        // Every use is refused by this version.
        KeyStatus::Active if key.record().unread_limits().is_some() => "active, limits unreadable",
        KeyStatus::Active => "active",
        KeyStatus::Revoked => "revoked",
        KeyStatus::Deactivated => "deactivated",
        KeyStatus::Paused => "paused",
        KeyStatus::Expired(_) => "expired",
        KeyStatus::NotYetValid(_) => "not yet valid",
        _ => "unknown",
    }
}

pub(crate) async fn show(common: &Common, output: &Output, id: &str) -> Result<(), Failure> {
    let keys = Keys::open(common).await?;
    print(output, &keys.registry.get(&keys.actor, id).await?)
}

fn print(output: &Output, key: &KeyInfo) -> Result<(), Failure> {
    let json = key.to_json();
    if output.json {
        return Ok(print_line(&json.to_string())?);
    }
    print_line(&format!("{:14}{}", "state", state(key)))?;
    for (name, value) in json.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        print_line(&format!("{name:14}{}", shown(&text)))?;
    }
    Ok(())
}

/// Prints what has become of a key.
pub(crate) fn print_changed(output: &Output, key: &KeyInfo) -> Result<(), Failure> {
    let json: Value = key.to_json();
    Ok(output.either(&format!("{} is {}", shown(key.id()), state(key)), &json)?)
}
