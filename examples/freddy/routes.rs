//! The routes, each next to what it requires.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, AuthLayer, AuthStack, BearerLayer, BodyLimits, ClientIp, ConfigError, Decision,
    Disclosure, ErrorEnvelopeLayer, KeyRegistry, KeyScheme, Principal, RateLimitLayer, Rejection, RequireLayer,
    StrictBodyLayer, StrictJson,
    endpoints::WellKnown,
    leaks::LeakReports,
    permission::{OrgSource, member_of, role},
    registry::WatchedKeyStore,
    session::{Grant, Sessions, TokenRequest},
};

use crate::{
    common::{demo::ORGANIZATION, models, watch::Watch},
    keys,
    login::Users,
};

/// Counts the requests that the guards admitted and refused since the start.
#[derive(Clone, Default)]
struct Stats(Arc<Counts>);

#[derive(Default)]
struct Counts {
    admitted: AtomicU64,
    refused: AtomicU64,
}

impl Stats {
    fn count(&self, decision: &Decision<'_>) {
        let Counts { admitted, refused } = &*self.0;
        let counter = if decision.is_admitted() { admitted } else { refused };
        counter.fetch_add(1, Ordering::Relaxed);
        // A route's own policy refused a request that the guards in front of all routes admitted.
        if decision.supersedes_admission() {
            admitted.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The parts of the server.
pub(crate) struct Parts {
    pub(crate) scheme: KeyScheme,
    pub(crate) store: WatchedKeyStore,
    pub(crate) registry: KeyRegistry,
    pub(crate) watch: Watch,
    pub(crate) sessions: Sessions,
    /// The address by which clients know the server.
    pub(crate) address: String,
    pub(crate) tokens: BearerLayer,
    pub(crate) users: Users,
    pub(crate) failures: RateLimitLayer,
    pub(crate) client: ClientIp,
    /// The maximum size of a request body, in bytes.
    pub(crate) limit: usize,
    /// Where GitHub reports leaked keys, if it does.
    pub(crate) leaks: Option<LeakReports>,
}

pub(crate) fn app(parts: Parts) -> Result<Router, ConfigError> {
    let Parts { scheme, store, registry, watch, sessions, address, tokens, users, failures, client, limit, leaks } =
        parts;
    let stats = Stats::default();
    let counted = stats.clone();
    let keys = ApiKeyLayer::new(scheme, store).header("x-api-key").disclose(Disclosure::State);
    let stack = watch
        .observe(AuthStack::builder())
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .auth(AuthLayer::first(tokens).then(keys.clone())) // clients may send both: the token decides
        .limit(failures.clone())
        .on_decision(move |decision| counted.count(decision))
        .build()?;
    let members = RequireLayer::new(member_of(OrgSource::axum_param("org_id")));
    let short = BodyLimits::new().max_bytes(limit.min(LONGEST_LOGIN));
    let limits = BodyLimits::new().max_bytes(limit);
    let documented = StrictBodyLayer::<Echo>::new()?.limits(limits.clone());
    let private = Router::new()
        .route("/v1/models", get(models).route_layer(RequireLayer::scope("read")))
        .route("/v1/me", get(me))
        .route("/v1/echo", post(echo).route_layer(documented).route_layer(RequireLayer::scope("write")))
        .route("/v1/admin/stats", get(admin_stats).route_layer(RequireLayer::new(role("admin"))))
        .route("/v1/webhooks", post(webhook).route_layer(RequireLayer::scope("webhook")))
        .route("/v1/organizations/{org_id}", get(organization).route_layer(members.clone()))
        .route(
            "/v1/organizations/{org_id}/files",
            get(files).route_layer(members.clone()).route_layer(RequireLayer::scope("read")),
        )
        .with_state(stats)
        .merge(keys::routes(registry, members.clone()))
        .merge(watch.routes("/v1/organizations/{org_id}").route_layer(members))
        .merge(watch.limits_route())
        .layer((Extension(limits), Extension(client)))
        .layer(stack.guards());
    let endpoints = AuthEndpoints::new(sessions.clone()).keys(keys).introspection(role("admin"));
    let documents = WellKnown::new(&sessions, &format!("{address}/v1/auth"))?.endpoints(&endpoints);
    let open = match leaks {
        Some(leaks) => Router::new().route_service("/secret-scanning/github", leaks), // GitHub's signature authenticates it
        None => Router::new(),
    };
    Ok(open
        .route("/health", get(health))
        .route(
            "/v1/auth/login",
            post(login).layer((failures.clone(), Extension(short))).with_state(Arc::new((users, sessions.clone()))),
        )
        .nest_service("/v1/auth", failures.layer(endpoints))
        .route_service("/.well-known/{*document}", documents)
        .merge(private)
        .layer(DefaultBodyLimit::disable()) // the strict bodies have their own limit
        .fallback(nothing_here) // an unknown path is 404, without authentication
        .layer(stack.envelope()))
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn nothing_here() -> Rejection {
    Rejection::not_found()
}

async fn me(who: Principal) -> Json<Value> {
    Json(json!({
        "subject": who.subject(), "account": who.account(), "organizations": who.organizations(), "scopes": who.scopes(),
        "roles": who.roles(), "plan": who.plan(), "method": who.method().to_string(), "key_id": who.credential_id(),
    }))
}

/// The documented body of the echo.
#[derive(Deserialize)]
#[expect(dead_code, reason = "the answer is the received bytes; the type declares the allowed fields")]
struct Echo {
    name: String,
    count: Option<i64>,
    tags: Option<Vec<String>>,
}

/// Answers with the received JSON, byte for byte.
async fn echo(body: Bytes) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[derive(Deserialize)]
struct Login {
    email: String,
    password: String,
}

/// The maximum size of a login body, in bytes. It is small, because clients without a credential may send one.
const LONGEST_LOGIN: usize = 4 << 10;

/// Checks email and password, begins a session, and answers with its tokens and the user.
async fn login(
    State(state): State<Arc<(Users, Sessions)>>,
    StrictJson(login): StrictJson<Login>,
) -> Result<Response, Rejection> {
    let (users, sessions) = &*state;
    let user = users.verify(login.email, login.password).await?;
    let grant = Grant::of(&user.principal()).client("freddy");
    let mut answer = sessions.begin(grant, &TokenRequest::new()).await?.to_json();
    answer["user"] = json!({ "id": user.id, "email": user.email, "organizations": [ORGANIZATION] });
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(answer)).into_response())
}

async fn admin_stats(State(Stats(counts)): State<Stats>) -> Json<Value> {
    let [admitted, refused] = [&counts.admitted, &counts.refused].map(|count| count.load(Ordering::Relaxed));
    Json(json!({ "admitted": admitted, "refused": refused }))
}

async fn webhook(who: Principal) -> Json<Value> {
    Json(json!({ "success": true, "accepted_from": who.credential_id() }))
}

async fn organization(Path(id): Path<String>) -> Json<Value> {
    Json(json!({ "id": id, "object": "organization", "name": "Demo Organization" }))
}

/// One client calls the page size `limit`, another calls it `pageSize`.
#[derive(Deserialize)]
struct Listing {
    page: Option<usize>,
    limit: Option<usize>,
    #[serde(rename = "pageSize", alias = "page_size")]
    size: Option<usize>,
}

/// One body for both published clients: `aitronos-sdk` reads `files`, `limit` and `has_more`; `aitronos-freddy` reads `data`,
/// `pageSize` and `hasMore`.
async fn files(page: Result<Query<Listing>, QueryRejection>) -> Result<Json<Value>, Rejection> {
    let Query(Listing { page, limit, size }) = page.map_err(|_| keys::no_number("/page"))?;
    let size = limit.or(size).unwrap_or(50).clamp(1, 100);
    Ok(Json(json!({
        "files": [], "data": [], "object": "list", "total": 0, "total_count": 0, "page": page.unwrap_or(1).max(1),
        "limit": size, "page_size": size, "pageSize": size, "has_more": false, "hasMore": false,
    })))
}
