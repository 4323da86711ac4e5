//! The routes with which an organisation's admins manage its keys.
#![expect(clippy::option_option, reason = "in a change, an absent field is not null")]

use std::time::{Duration, SystemTime};

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, patch, post},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};
use tower_auth::{
    KeyRegistry, NewKey, Principal, RegistryError, Rejection, RequireLayer, StrictJson,
    json::FieldViolation,
    permission::role,
    registry::{IssuedKey, KeyInfo, KeyUpdate},
};

use crate::{
    common::{
        caller::{Caller, key_of},
        time::rfc3339,
    },
    list::list,
};

const LONGEST_OVERLAP: u64 = 7 * 24 * 3600;
const SCOPES: [&str; 3] = ["read", "write", "webhook"];

/// Returns the routes, for admins who are members of the organisation in the path. A change also needs a scope: a token that was
/// exchanged for fewer scopes keeps the roles of its key, and must not get the secret of another key by a rotation.
pub(crate) fn routes(registry: KeyRegistry, members: RequireLayer) -> Router {
    let writes = |change: MethodRouter<KeyRegistry>| change.route_layer(RequireLayer::scope("write"));
    let keys = Router::new()
        .route("/", get(list).merge(writes(post(create))))
        .route("/{key_id}", get(one).merge(writes(patch(change).delete(delete))))
        .route("/{key_id}/{action}", writes(post(act)))
        .route_layer(RequireLayer::new(role("admin")))
        .route_layer(members)
        .with_state(registry);
    Router::new().nest("/v1/organizations/{org_id}/api-keys", keys)
}

/// The fields of a new or changed key. Spending limits are accepted and not used. Where `null` is a value, an absent field is
/// `None`, and `null` is `Some(None)`.
#[derive(Deserialize)]
struct Fields {
    key_name: Option<String>,
    scopes: Option<Vec<String>>,
    /// `null` is never.
    #[serde(default, deserialize_with = "or_null")]
    expires_at: Option<Option<String>>,
    #[expect(dead_code, reason = "documented; this demo charges no money")]
    usage_limit_chf: Option<f64>,
    /// `null` is `{}`.
    #[serde(default, deserialize_with = "or_null")]
    metadata: Option<Option<Map<String, Value>>>,
}

fn or_null<'de, T: Deserialize<'de>, D: Deserializer<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl Fields {
    /// Returns the scopes. A caller cannot grant a scope that it does not have.
    fn scopes(&self, who: &Principal) -> Result<Option<&[String]>, Rejection> {
        let unknown = |scope: &&String| !SCOPES.contains(&scope.as_str()) || !who.has_scope(scope);
        match self.scopes.iter().flatten().position(|scope| unknown(&scope)) {
            Some(place) => {
                let reason = format!("must be one of {}, and one of yours", SCOPES.join(", "));
                Err(Rejection::invalid_fields([FieldViolation::new(format!("/scopes/{place}"), reason)]))
            }
            None => Ok(self.scopes.as_deref()),
        }
    }

    /// Returns the new expiry. `Some(None)` is never.
    fn end(&self) -> Result<Option<Option<SystemTime>>, Rejection> {
        let wrong =
            || Rejection::invalid_fields([FieldViolation::new("/expires_at", "must be a time as RFC 3339 has it")]);
        let Some(Some(text)) = &self.expires_at else { return Ok(self.expires_at.as_ref().map(|_| None)) };
        // A time without an offset is in UTC.
        let utc = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let time = text.parse().ok().or_else(|| utc().map(|time| time.timestamp()));
        Ok(Some(Some(SystemTime::from(time.ok_or_else(wrong)?))))
    }
}

async fn create(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path(org): Path<String>,
    StrictJson(fields): StrictJson<Fields>,
) -> Result<Response, Rejection> {
    let mut new = NewKey::named(fields.key_name.clone().unwrap_or_default())
        .account(caller.who.account().unwrap_or_default())
        .organizations([&org])
        .scopes(fields.scopes(&caller.who)?.map_or_else(|| vec!["read".to_owned()], <[String]>::to_vec))
        .plan(caller.who.plan().unwrap_or("standard"));
    if let Some(Some(end)) = fields.end()? {
        new = new.expires_at(end);
    }
    if let Some(Some(metadata)) = fields.metadata {
        new = new.metadata(metadata);
    }
    let issued = keys.create(&caller, new).await.map_err(named_as_documented)?;
    Ok((StatusCode::CREATED, no_store(with_secret(&issued, &org))).into_response())
}

async fn one(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    at: Path<(String, String)>,
) -> Result<Json<Value>, Rejection> {
    let Path((org, id)) = at;
    Ok(Json(shown(&key_of(&keys, &caller, &org, &id).await?, &org)))
}

async fn change(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path((org, id)): Path<(String, String)>,
    StrictJson(fields): StrictJson<Fields>,
) -> Result<Json<Value>, Rejection> {
    key_of(&keys, &caller, &org, &id).await?;
    let mut change = KeyUpdate::new();
    if let Some(scopes) = fields.scopes(&caller.who)? {
        change = change.scopes(scopes);
    }
    if let Some(end) = fields.end()? {
        change = change.expires_at(end);
    }
    if let Some(metadata) = fields.metadata {
        change = change.metadata(metadata.unwrap_or_default());
    }
    if let Some(name) = fields.key_name {
        change = change.name(name);
    }
    Ok(Json(shown(&keys.update(&caller, &id, change).await.map_err(named_as_documented)?, &org)))
}

async fn delete(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    at: Path<(String, String)>,
) -> Result<Json<Value>, Rejection> {
    let Path((org, id)) = at;
    // Idempotent: `get` finds a deleted key too, so a second call succeeds.
    if !keys.get(&caller, &id).await?.principal().is_member_of(&org) {
        return Err(RegistryError::NotFound.into());
    }
    keys.delete(&caller, &id).await?;
    Ok(Json(json!({ "success": true, "message": "The API key was deleted.", "id": id })))
}

#[derive(Deserialize)]
struct Rotation {
    /// How many seconds the old key stays valid. Without it, the old key is deleted at once.
    overlap: Option<u64>,
}

async fn act(
    State(keys): State<KeyRegistry>,
    caller: Caller,
    Path((org, id, action)): Path<(String, String, String)>,
    rotation: Result<Query<Rotation>, QueryRejection>,
) -> Result<Response, Rejection> {
    let Query(rotation) = rotation.map_err(|_| no_number("/overlap"))?;
    key_of(&keys, &caller, &org, &id).await?;
    let key = match &*action {
        "activate" => keys.activate(&caller, &id).await?,
        "deactivate" => keys.deactivate(&caller, &id).await?,
        "pause" => keys.pause(&caller, &id).await?,
        "unpause" => keys.resume(&caller, &id).await?,
        "rotate" => {
            let overlap = Duration::from_secs(rotation.overlap.unwrap_or(0).min(LONGEST_OVERLAP));
            let issued = keys.rotate(&caller, &id, overlap).await?;
            if overlap.is_zero() {
                // The old key is revoked already. Whatever happens now, the caller must get the new one.
                if let Err(error) = keys.delete(&caller, &id).await {
                    tracing::warn!(%error, id, "a key that was replaced stays in the list");
                }
            }
            return Ok(no_store(json!({
                "success": true, "message": "The API key was rotated.", "old_key_id": id, "new_key": with_secret(&issued, &org),
            }))
            .into_response());
        }
        _ => return Err(Rejection::not_found()),
    };
    // Some clients read the key at the top level, others under `key`.
    let mut answer = shown(&key, &org);
    answer["success"] = true.into();
    answer["message"] = format!("The API key was changed: {action}.").into();
    answer["key"] = shown(&key, &org);
    Ok(Json(answer).into_response())
}

pub(crate) fn no_number(field: &'static str) -> Rejection {
    Rejection::invalid_fields([FieldViolation::new(field, "must be a whole number")])
}

/// Renames the field in an error: this API calls a key's name `key_name`.
fn named_as_documented(error: RegistryError) -> Rejection {
    match error {
        RegistryError::Invalid { field: "/name", reason } => {
            RegistryError::Invalid { field: "/key_name", reason }.into()
        }
        error => error.into(),
    }
}

pub(crate) fn shown(key: &KeyInfo, org: &str) -> Value {
    let prefix = key.hint().trim_end_matches('…');
    json!({
        "id": key.id(), "organization_id": org, "key_name": key.name(), "key_prefix": prefix,
        "is_active": key.is_active(), "is_paused": key.is_paused(), "scopes": key.principal().scopes(),
        "metadata": key.metadata(), "created_by": key.created_by(), "created_at": rfc3339(key.created_at()),
        "last_used_at": key.last_used_at().and_then(rfc3339),
        "expires_at": key.expires_at().and_then(rfc3339),
    })
}

/// Adds the secret. Only the response that issues a key shows it.
fn with_secret(issued: &IssuedKey, org: &str) -> Value {
    let mut key = shown(&issued.key, org);
    key["key"] = issued.secret.expose().into();
    key
}

fn no_store(body: Value) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(body))
}
