//! The routes with which an organisation's admins manage its keys.

use std::time::{Duration, SystemTime};

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_auth::{
    KeyRegistry, NewKey, Principal, RegistryError, Rejection, RequireLayer, StrictJson,
    json::FieldViolation,
    permission::role,
    registry::{IssuedKey, KeyFilter, KeyInfo, KeyUpdate},
};

const LONGEST_OVERLAP: u64 = 7 * 24 * 3600;
const LARGEST_PAGE: usize = 100;
const SCOPES: [&str; 3] = ["read", "write", "webhook"];

/// Returns the routes, for admins who are members of the organisation in the path.
pub(crate) fn routes(registry: KeyRegistry, members: RequireLayer) -> Router {
    let keys = Router::new()
        .route("/", get(list).post(create))
        .route("/{key_id}", get(one).patch(change).delete(delete))
        .route("/{key_id}/{action}", post(act))
        .route_layer(RequireLayer::new(role("admin")))
        .route_layer(members)
        .with_state(registry);
    Router::new().nest("/v1/organizations/{org_id}/api-keys", keys)
}

/// The fields of a new or changed key. Spending limits and metadata are accepted and not used.
#[derive(Deserialize)]
struct Fields {
    key_name: Option<String>,
    scopes: Option<Vec<String>>,
    expires_at: Option<String>,
    #[expect(dead_code, reason = "documented; this demo charges no money")]
    usage_limit_chf: Option<f64>,
    #[expect(dead_code, reason = "documented; for the client's own use")]
    metadata: Option<Value>,
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

    fn end(&self) -> Result<Option<SystemTime>, Rejection> {
        let wrong =
            || Rejection::invalid_fields([FieldViolation::new("/expires_at", "must be a time as RFC 3339 has it")]);
        let Some(text) = &self.expires_at else { return Ok(None) };
        // A time without an offset is in UTC.
        let utc = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let time = text.parse().ok().or_else(|| utc().map(|time| time.timestamp()));
        Ok(Some(SystemTime::from(time.ok_or_else(wrong)?)))
    }
}

/// Clients use `page` and `page_size`, or `skip` and `take`.
#[derive(Deserialize)]
struct Part {
    page: Option<usize>,
    page_size: Option<usize>,
    skip: Option<usize>,
    take: Option<usize>,
}

async fn list(
    State(keys): State<KeyRegistry>,
    who: Principal,
    Path(org): Path<String>,
    page: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, Rejection> {
    let Query(page) = page.map_err(|_| no_number("/page"))?;
    let all = keys.list_all(&who, &KeyFilter::organization(&*org)).await?;
    let size = page.take.or(page.page_size).unwrap_or(LARGEST_PAGE).clamp(1, LARGEST_PAGE);
    let number = page.page.unwrap_or(1).max(1);
    let skip = page.skip.unwrap_or((number - 1).saturating_mul(size));
    let shown: Vec<Value> = all.iter().skip(skip).take(size).map(|key| shown(key, &org)).collect();
    let total = all.len();
    let pagination = json!({
        "page": number, "page_size": size, "total_count": total, "total_pages": total.div_ceil(size),
    });
    Ok(Json(json!({
        "keys": shown, "total": total, "page": number, "page_size": size, "api_keys": shown, "data": shown, "total_count": total, "pagination": pagination,
    })))
}

async fn create(
    State(keys): State<KeyRegistry>,
    who: Principal,
    Path(org): Path<String>,
    StrictJson(fields): StrictJson<Fields>,
) -> Result<Response, Rejection> {
    let mut new = NewKey::named(fields.key_name.clone().unwrap_or_default())
        .account(who.account().unwrap_or_default())
        .organizations([&org])
        .scopes(fields.scopes(&who)?.map_or_else(|| vec!["read".to_owned()], <[String]>::to_vec))
        .plan(who.plan().unwrap_or("standard"));
    if let Some(end) = fields.end()? {
        new = new.expires_at(end);
    }
    let issued = keys.create(&who, new).await.map_err(named_as_documented)?;
    Ok((StatusCode::CREATED, no_store(with_secret(&issued, &org))).into_response())
}

async fn one(
    State(keys): State<KeyRegistry>,
    who: Principal,
    at: Path<(String, String)>,
) -> Result<Json<Value>, Rejection> {
    let Path((org, id)) = at;
    Ok(Json(shown(&of(&keys, &who, &org, &id).await?, &org)))
}

async fn change(
    State(keys): State<KeyRegistry>,
    who: Principal,
    Path((org, id)): Path<(String, String)>,
    StrictJson(fields): StrictJson<Fields>,
) -> Result<Json<Value>, Rejection> {
    of(&keys, &who, &org, &id).await?;
    let mut change = KeyUpdate::new();
    if let Some(scopes) = fields.scopes(&who)? {
        change = change.scopes(scopes);
    }
    if let Some(end) = fields.end()? {
        change = change.expires_at(Some(end));
    }
    if let Some(name) = fields.key_name {
        change = change.name(name);
    }
    Ok(Json(shown(&keys.update(&who, &id, change).await.map_err(named_as_documented)?, &org)))
}

async fn delete(
    State(keys): State<KeyRegistry>,
    who: Principal,
    at: Path<(String, String)>,
) -> Result<Json<Value>, Rejection> {
    let Path((org, id)) = at;
    // Idempotent: `get` finds a deleted key too, so a second call succeeds.
    if !keys.get(&who, &id).await?.principal().is_member_of(&org) {
        return Err(RegistryError::NotFound.into());
    }
    keys.delete(&who, &id).await?;
    Ok(Json(json!({ "success": true, "message": "The API key was deleted.", "id": id })))
}

#[derive(Deserialize)]
struct Rotation {
    /// How many seconds the old key stays valid. Without it, the old key is deleted at once.
    overlap: Option<u64>,
}

async fn act(
    State(keys): State<KeyRegistry>,
    who: Principal,
    Path((org, id, action)): Path<(String, String, String)>,
    rotation: Result<Query<Rotation>, QueryRejection>,
) -> Result<Response, Rejection> {
    let Query(rotation) = rotation.map_err(|_| no_number("/overlap"))?;
    of(&keys, &who, &org, &id).await?;
    let key = match &*action {
        "activate" => keys.activate(&who, &id).await?,
        "deactivate" => keys.deactivate(&who, &id).await?,
        "pause" => keys.pause(&who, &id).await?,
        "unpause" => keys.resume(&who, &id).await?,
        "rotate" => {
            let overlap = Duration::from_secs(rotation.overlap.unwrap_or(0).min(LONGEST_OVERLAP));
            let issued = keys.rotate(&who, &id, overlap).await?;
            if overlap.is_zero() {
                keys.delete(&who, &id).await?;
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

/// Finds a key of this organisation.
async fn of(keys: &KeyRegistry, who: &Principal, org: &str, id: &str) -> Result<KeyInfo, RegistryError> {
    let key = keys.get(who, id).await?;
    if key.principal().is_member_of(org) && !key.is_deleted() { Ok(key) } else { Err(RegistryError::NotFound) }
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

fn shown(key: &KeyInfo, org: &str) -> Value {
    let time = |time: SystemTime| jiff::Timestamp::try_from(time).ok().map(|time| time.strftime("%FT%TZ").to_string());
    let prefix = key.hint().trim_end_matches('…');
    json!({
        "id": key.id(), "organization_id": org, "key_name": key.name(), "key_prefix": prefix,
        "is_active": key.is_active(), "is_paused": key.is_paused(), "scopes": key.principal().scopes(),
        "created_by": key.created_by(), "created_at": time(key.created_at()), "last_used_at": null,
        "expires_at": key.expires_at().and_then(time),
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
