//! The alert rules of an organisation, and the alerts that they have raised.

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    Rejection, StrictJson,
    alerts::{AlertError, AlertRecord, AlertRule},
    json::FieldViolation,
};

use super::{Watch, place::Place};
use crate::common::time::rfc3339;

/// How many alerts the history shows.
const HISTORY: usize = 100;

#[derive(Deserialize)]
pub(super) struct Wanted {
    rules: Vec<Value>,
}

pub(super) async fn rules(State(watch): State<Watch>, place: Place) -> Result<Json<Value>, Rejection> {
    Ok(Json(shown(&watch.alerts.rules(&place.holder()).await?)))
}

/// Replaces the rules.
pub(super) async fn set(
    State(watch): State<Watch>,
    place: Place,
    StrictJson(wanted): StrictJson<Wanted>,
) -> Result<Json<Value>, Rejection> {
    let rules = wanted.rules.iter().enumerate().map(|(at, rule)| read(at, rule)).collect::<Result<Vec<_>, _>>()?;
    match watch.alerts.set_rules(&place.caller, place.holder(), &rules).await {
        Ok(()) => Ok(Json(shown(&rules))),
        Err(AlertError::Rules(why)) => Err(wrong("/rules".to_owned(), why.to_string())),
        Err(error) => Err(error.into()),
    }
}

fn read(at: usize, rule: &Value) -> Result<AlertRule, Rejection> {
    AlertRule::from_json(rule).map_err(|why| wrong(format!("/rules/{at}"), why.to_string()))
}

fn wrong(pointer: String, reason: String) -> Rejection {
    Rejection::invalid_fields([FieldViolation::new(pointer, reason)])
}

fn shown(rules: &[AlertRule]) -> Value {
    json!({ "rules": rules.iter().map(AlertRule::to_json).collect::<Value>() })
}

/// Answers with the last alerts, the latest first, and how far their delivery is.
pub(super) async fn history(State(watch): State<Watch>, place: Place) -> Result<Json<Value>, Rejection> {
    let all = watch.alerts.list(&place.holder(), HISTORY).await?;
    Ok(Json(json!({ "alerts": all.iter().map(record).collect::<Value>() })))
}

fn record(record: &AlertRecord) -> Value {
    let state = match (record.delivered_at, record.due_at) {
        (Some(_), _) => "delivered",
        (None, Some(_)) => "waiting",
        (None, None) => "given_up",
    };
    let mut shown = record.alert.to_json();
    shown["delivery"] = json!({
        "state": state, "attempts": record.attempts, "next_at": record.due_at.and_then(rfc3339),
        "delivered_at": record.delivered_at.and_then(rfc3339),
    });
    shown
}
