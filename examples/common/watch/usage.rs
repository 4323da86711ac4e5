//! The usage of a key.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use axum::{Json, extract::State};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_auth::{
    Rejection, StrictQuery,
    json::FieldViolation,
    usage::{By, KeyUse, Outcome, RefusedRequest, UsageCount, UsageOf, UsageTotals},
};

use super::{Watch, place::Place};
use crate::common::time::{date, rfc3339};

const MOST_DAYS: u32 = 366;
/// For how many days hours are kept.
const MOST_DAYS_OF_HOURS: u32 = 2;

#[derive(Deserialize)]
pub(super) struct Asked {
    /// How many days, today included. 30 by default, and two by the hour.
    days: Option<u32>,
    by: Option<Unit>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Day,
    Hour,
}

impl Asked {
    fn has_hours(&self) -> bool {
        self.by == Some(Unit::Hour)
    }

    fn days(&self) -> Result<u32, Rejection> {
        let (usual, most) = if self.has_hours() { (2, MOST_DAYS_OF_HOURS) } else { (30, MOST_DAYS) };
        let days = self.days.unwrap_or(usual);
        if (1..=most).contains(&days) {
            return Ok(days);
        }
        let reason = format!("must be a number from 1 to {most}");
        Err(Rejection::invalid_fields([FieldViolation::new("/days", reason)]))
    }
}

/// Answers with the days, the hours if they are asked for, the sums, the last use, and the last refused requests. What was
/// counted in the last seconds may be missing.
pub(super) async fn usage(
    State(watch): State<Watch>,
    place: Place,
    StrictQuery(asked): StrictQuery<Asked>,
) -> Result<Json<Value>, Rejection> {
    let key = place.key(&watch).await?;
    let (now, length) = (SystemTime::now(), Duration::from_secs(By::Day.seconds()));
    let from = By::Day.start_of(now) - length * (asked.days()? - 1);
    let times = from..now + Duration::from_nanos(1);
    let counts = watch.usage.days(UsageOf::key(&*key), times.clone()).await?;
    let mut shown = json!({
        "key_id": key, "from": date(from), "to": date(now), "days": periods(By::Day, from, now, &counts),
    });
    if asked.has_hours() {
        let counts = watch.usage.hours(UsageOf::key(&*key), times).await?;
        shown["hours"] = periods(By::Hour, from, now, &counts);
    }
    let totals = UsageTotals::of(&counts);
    shown["totals"] = json!({ "admitted": totals.answered(), "refused": totals.refused(), "all": totals.all() });
    shown["last_refusals"] = watch.usage.refusals(&key).await?.iter().map(refusal).collect();
    shown["last_used"] = watch.usage.last_uses(&[key]).await?.first().map_or(Value::Null, last_use);
    Ok(Json(shown))
}

/// Shows every period, also those without requests.
fn periods(by: By, from: SystemTime, until: SystemTime, counts: &[UsageCount]) -> Value {
    let parts = counts.chunk_by(|one, next| one.start == next.start);
    let parts: BTreeMap<SystemTime, &[UsageCount]> = parts.map(|part| (part[0].start, part)).collect();
    let length = Duration::from_secs(by.seconds());
    let starts = std::iter::successors(Some(from), |start| Some(*start + length)).take_while(|start| *start <= until);
    let period = |start| {
        let (name, shown) = if by == By::Hour { ("hour", rfc3339(start)) } else { ("date", date(start)) };
        let totals = UsageTotals::of(parts.get(&start).copied().unwrap_or_default());
        json!({ name: shown, "admitted": totals.answered(), "refused": refused(&totals) })
    };
    starts.map(period).collect()
}

/// Shows how many requests were refused, by the reason.
fn refused(totals: &UsageTotals) -> Value {
    let mut shown = Map::new();
    for (outcome, count) in totals.by_outcome().filter(|(outcome, _)| *outcome != Outcome::Admitted) {
        let sum = shown.entry(reason(outcome)).or_insert(0.into());
        *sum = (sum.as_u64().unwrap_or_default() + count).into();
    }
    shown.into()
}

/// Returns the name of a refusal. The owner of a key need not know whether a guard or a handler has refused the request.
fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::RefusedLater(kind) => Outcome::Refused(kind).to_string(),
        outcome => outcome.to_string(),
    }
}

fn last_use(last: &KeyUse) -> Value {
    json!({ "at": rfc3339(last.at), "address": last.address, "client": last.client })
}

fn refusal(refused: &RefusedRequest) -> Value {
    json!({
        "at": rfc3339(refused.at), "status": refused.status, "reason": refused.reason, "method": refused.method,
        "path": refused.path, "request_id": refused.request_id, "outcome": reason(refused.outcome),
    })
}
