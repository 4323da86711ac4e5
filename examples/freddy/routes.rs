//! The routes, each next to what it requires.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Extension, Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query, State, rejection::QueryRejection},
    http::{header, request::Parts as Head},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, AuthLayer, AuthStack, BearerLayer, BodyLimits, ClientIp, ConfigError, Decision,
    Disclosure, ErrorEnvelopeLayer, KeyRegistry, KeyScheme, Principal, RateLimitLayer, Rejection, RequestHead,
    RequireLayer, StrictBodyLayer, StrictJson, TokenVerifier,
    endpoints::{SessionCookies, WellKnown},
    leaks::LeakReports,
    permission::{OrgSource, member_of, role},
    registry::WatchedKeyStore,
    session::{Grant, Sessions, TokenRequest},
};

use crate::{
    common::{
        cache::Front,
        demo::ORGANIZATION,
        models,
        sessions::cookies,
        sharing::{Sharing, of_keys},
        watch::Watch,
    },
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
    /// For the health of the cache.
    pub(crate) front: Front,
    /// For the health of the limits.
    pub(crate) sharing: Sharing,
    pub(crate) watch: Watch,
    pub(crate) sessions: Sessions,
    /// The address by which clients know the server.
    pub(crate) address: String,
    /// Other tokens than the server's own.
    pub(crate) others: Option<TokenVerifier>,
    pub(crate) users: Users,
    pub(crate) failures: RateLimitLayer,
    pub(crate) client: ClientIp,
    /// The maximum size of a request body, in bytes.
    pub(crate) limit: usize,
    /// Where GitHub reports leaked keys, if it does.
    pub(crate) leaks: Option<LeakReports>,
}

pub(crate) fn app(parts: Parts) -> Result<Router, ConfigError> {
    let Parts {
        scheme,
        store,
        registry,
        front,
        sharing,
        watch,
        sessions,
        address,
        others,
        users,
        failures,
        client,
        limit,
        leaks,
    } = parts;
    let stats = Stats::default();
    let (counted, exchanged) = (stats.clone(), stats.clone());
    let keys = ApiKeyLayer::new(scheme, store).header("x-api-key").disclose(Disclosure::State);
    let cookies = cookies(&address);
    let endpoints = AuthEndpoints::new(sessions.clone()).keys(keys.clone()).introspection(role("admin"));
    let endpoints = endpoints.cookies(cookies.clone()).client_ip(client.clone());
    let endpoints = watch.observe_endpoints(endpoints).on_decision(move |decision| exchanged.count(decision));
    let documents = WellKnown::new(&sessions, &format!("{address}/v1/auth"))?.endpoints(&endpoints);
    let tokens = others.into_iter().fold(endpoints.bearer()?, BearerLayer::or);
    let stack = watch
        .observe(AuthStack::builder())
        .envelope(ErrorEnvelopeLayer::detailed().adopt_foreign_errors())
        .auth(AuthLayer::first(tokens).then(keys)) // clients may send both: the token decides
        .limit(of_keys(&failures))
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
    let open = match leaks {
        Some(leaks) => Router::new().route_service("/secret-scanning/github", leaks), // GitHub's signature authenticates it
        None => Router::new(),
    };
    Ok(open
        .route("/health", get(async move || Json(sharing.add_to(front.health()))))
        .route(
            "/v1/auth/login",
            post(login).layer((failures.clone(), Extension(short))).with_state(Arc::new((users, sessions, cookies))),
        )
        .nest_service("/v1/auth", failures.layer(endpoints))
        .route_service("/.well-known/{*document}", documents)
        .merge(private)
        .layer(DefaultBodyLimit::disable()) // the strict bodies have their own limit
        .fallback(nothing_here) // an unknown path is 404, without authentication
        .layer(stack.envelope()))
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
    /// Whether the tokens are set as cookies, and not in the answer: for a page of the same origin.
    #[serde(default)]
    cookie: bool,
}

/// The maximum size of a login body, in bytes. It is small, because clients without a credential may send one.
const LONGEST_LOGIN: usize = 4 << 10;

/// Checks email and password, begins a session, and answers with its tokens and the user. The session is for no client, because
/// the request names none.
async fn login(
    State(state): State<Arc<(Users, Sessions, SessionCookies)>>,
    head: Head,
    StrictJson(login): StrictJson<Login>,
) -> Result<Response, Rejection> {
    let (users, sessions, cookies) = &*state;
    if login.cookie {
        cookies.check_same_site(&RequestHead::from(&head))?;
    }
    let user = users.verify(login.email, login.password).await?;
    let tokens = sessions.begin(Grant::of(&user.principal()), &TokenRequest::new()).await?;
    let mut answer = if login.cookie { json!({ "expires_in": tokens.expires_in.as_secs() }) } else { tokens.to_json() };
    answer["user"] = json!({ "id": user.id, "email": user.email, "organizations": [ORGANIZATION] });
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    let mut response = (no_store, Json(answer)).into_response();
    for cookie in cookies.set(&tokens).filter(|_| login.cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    Ok(response)
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
