//! What types promise without saying so: threads, clones, names, and the bodies that they work over.

use std::{
    cell::Cell,
    convert::Infallible,
    error::Error,
    fmt::Debug,
    future::{Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use tower::{Layer, Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_auth::{
    Alphabet, Anonymous, ApiKeyLayer, AuthFuture, AuthLayer, AuthMethod, AuthOutcome, AuthStack, Authenticator,
    BearerLayer, BodyLimits, BoxError, BudgetLimiter, Challenge, ClientCertificate, ClientIp, Clock, ConfigError,
    Decision, Detail, Disclosure, Dpop, ErrorEnvelopeLayer, FileKeyStore, FullBody, Health, KeyDigest, KeyDigests,
    KeyFormat, KeyRecord, KeyRegistry, KeyScheme, KeyState, KeyStatus, KeyStore, LateRefusal, Limiter, MaybeReady,
    MemoryKeyStore, NewKey, PeerAddr, Peppers, Permission, Plans, PostgresChanges, PostgresKeyStore, PostgresLimiter,
    Principal, PrincipalBuilder, Quota, RateLimitLayer, RegistryError, Rejection, RejectionKind, RequestHead,
    RequestId, RequireLayer, Restrictions, Rules, Secret, SqliteKeyStore, StoreFuture, StrictBodyLayer, StrictJson,
    StrictPath, StrictQuery, Subprotocol, Task, TokenVerifier, TraceId, Usage, alerts,
    cache::{Announcement, CacheHealth, CachedKeyStore, ChangeSink, Changed, Heard},
    dpop, endpoints,
    envelope::{self, Catalogue, CatalogueEntry, EnvelopeBody, ErrorEnvelope, ErrorView},
    gate::{self, Gate},
    json::{FieldViolation, JsonError, JsonLimits, SyntaxError},
    jwks::{Https, IntrospectionClient, JwksClient, KeyPerId},
    leaks::{GitHubKeys, LeakOutcome, LeakPolicy, LeakReports, LeakedKey, ReportKeys},
    limit::{
        BucketKey, CalendarPeriod, CalendarUnit, LimitDecision, LimitTime, Limits, MemoryLimiter, Refill, Reservation,
        WindowInfo, WindowState, WindowStates, budget,
        shared::{NamedLimiter, SharedHealth, SharedPolicy},
    },
    mcp::{self, McpScopes, McpScopesLayer, McpScopesService},
    permission::{
        self, And, AnyScope, Denial, FromFn, HasRole, MemberOf, Or, OrgSource, PermissionFuture, ScopeHierarchy,
        Verdict, scope,
    },
    rate_limit::{
        LimitGroup, LimitStatus, LimitStatusService, OutagePolicy, Partition, Plan, PlansBuilder, WindowCalendar,
        WindowStatus,
    },
    redis::{RedisChanges, RedisConfig, RedisLimiter},
    registry::{
        Actor, AuditFilter, AuditRow, Change, Cursor, Entry, Forget, Holder, IssuedKey, KeyAction, KeyEvent, KeyFilter,
        KeyInfo, KeyPolicy, KeyRow, KeyUpdate, Page, PepperCount, PepperUse, Tombstone, WatchedKeyStore,
    },
    rejection::{Restriction, StepUp},
    resource,
    session::{
        self,
        signing::{SigningKeyStore, SigningKeys, SigningPolicy, StoredSigningKey},
    },
    sqlite::SqliteOptions,
    stack::{self, AuthGuards, AuthStackBuilder, AuthStackService},
    strict_body::{self, ReplayBody, StrictBody, ValidBody},
    testing::{
        AssertReady, FakeAuth, FlakyKeyStore, ManualClock, TestIssuer, TestIssuerServer, TestToken,
        conformance::Secrets,
    },
    token::{
        self, ClaimSource, ClaimValue, Claims, Confirmation, KeyLookup, KeySet, KeySource, SigningKey, Tenants,
        TokenError, TokenRevocation, TokenStatus, TokenVerifierBuilder, VerifyFuture, VerifyingKey,
    },
    usage,
};
use tower_http::trace::TraceLayer;

use crate::support::{Body, KEY, Strict, get, ok, store, text};

/// A service with a future that is not boxed, over any response body.
#[derive(Debug)]
struct Answers<B>(fn() -> B);

impl<B> Clone for Answers<B> {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

impl<B, Q> Service<Request<Q>> for Answers<B> {
    type Response = Response<B>;
    type Error = Infallible;
    type Future = Ready<Result<Response<B>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Q>) -> Self::Future {
        ready(Ok(Response::new((self.0)())))
    }
}

type Inner = Answers<Body>;

fn shared<T: Send + Sync + Clone + Debug + 'static>() {}
fn everywhere<T: Send + Sync + Debug + 'static>() {}
fn sent<T: Send + Debug + 'static>() {}

/// For a type with a lifetime, where `'static` says nothing.
fn borrowed<T: Send + Sync + Debug>() {}

#[test]
fn layers_and_services_are_send_sync_clone_and_static() {
    shared::<ApiKeyLayer>();
    shared::<AuthLayer>();
    shared::<RequireLayer>();
    shared::<RateLimitLayer>();
    shared::<Reservation>();
    shared::<ErrorEnvelopeLayer>();
    shared::<AuthStack>();
    shared::<AuthGuards>();
    shared::<StrictBodyLayer<Cell<u8>>>();
    shared::<StrictBody<Inner, Cell<u8>>>();
    shared::<Gate<Inner>>();
    shared::<ErrorEnvelope<Inner>>();
    shared::<AuthStackService<Inner>>();
    everywhere::<AuthStackBuilder>();
    shared::<McpScopes>();
    shared::<McpScopesLayer>();
    shared::<McpScopesService<Inner>>();
    shared::<LeakReports>();
}

#[test]
fn futures_are_send() {
    sent::<gate::ResponseFuture<Inner, Body>>();
    sent::<gate::ResponseFuture<Strict<fn(Request<Body>) -> Response<Body>>, Body>>();
    sent::<stack::ResponseFuture<Inner, Body>>();
    sent::<stack::ResponseFuture<Strict<fn(Request<Body>) -> Response<Body>>, Body>>();
    sent::<envelope::ResponseFuture<<Inner as Service<Request<Body>>>::Future>>();
    sent::<MaybeReady<u8>>();
    sent::<AuthFuture>();
    sent::<StoreFuture<Option<KeyRecord>>>();
    sent::<PermissionFuture>();
    sent::<VerifyFuture>();
    sent::<strict_body::ResponseFuture<Answers<Body>, Body, Cell<u8>>>();
    sent::<mcp::ResponseFuture<Answers<Body>, Body>>();
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of types")]
fn values_are_send_and_sync_and_can_be_printed() {
    shared::<KeyFormat>();
    shared::<Alphabet>();
    shared::<KeyScheme>();
    shared::<Peppers>();
    shared::<KeyDigest>();
    shared::<KeyDigests>();
    shared::<KeyRecord>();
    shared::<Restrictions>();
    shared::<KeyState>();
    shared::<KeyStatus>();
    shared::<MemoryKeyStore>();
    shared::<Usage>();
    shared::<usage::UsagePolicy>();
    shared::<usage::UsageOf>();
    shared::<usage::Outcome>();
    shared::<usage::UsageCount>();
    shared::<usage::UsageTotals>();
    shared::<usage::KeyUse>();
    shared::<usage::RefusedRequest>();
    shared::<usage::UsageBatch>();
    shared::<usage::UsageQuery>();
    shared::<usage::By>();
    shared::<usage::Forget>();
    shared::<usage::UsageError>();
    shared::<alerts::Alerts>();
    shared::<alerts::AlertPolicy>();
    shared::<alerts::AlertRule>();
    shared::<alerts::StoredRules>();
    shared::<alerts::Alert>();
    shared::<alerts::AlertRecord>();
    shared::<alerts::Settled>();
    shared::<alerts::NetworkUse>();
    shared::<alerts::ForgetAlerts>();
    shared::<alerts::AlertError>();
    everywhere::<Secret>();
    shared::<Disclosure>();
    shared::<Principal>();
    shared::<PrincipalBuilder>();
    shared::<AuthMethod>();
    shared::<Anonymous>();
    shared::<AuthOutcome>();
    borrowed::<RequestHead<'_>>();
    borrowed::<Decision<'_>>();
    shared::<Rejection>();
    shared::<RejectionKind>();
    shared::<Restriction>();
    shared::<Detail>();
    shared::<Challenge>();
    shared::<ConfigError>();
    shared::<Clock>();
    shared::<ManualClock>();
    shared::<FakeAuth>();
    shared::<FlakyKeyStore>();
    shared::<TestIssuer>();
    everywhere::<TestIssuerServer>();
    shared::<TestToken>();
    shared::<AssertReady<()>>();
    shared::<PeerAddr>();
    shared::<ClientCertificate>();
    shared::<Dpop>();
    shared::<dpop::Nonces>();
    shared::<dpop::MemoryReplayStore>();
    shared::<dpop::Replay>();
    shared::<dpop::UsedProof>();
    shared::<BearerLayer>();
    shared::<IntrospectionClient>();
    shared::<Subprotocol>();
    everywhere::<IssuedKey>();
    shared::<Actor>();
    shared::<AuditFilter>();
    shared::<AuditRow>();
    shared::<Change>();
    shared::<Cursor>();
    shared::<Entry>();
    shared::<Holder>();
    shared::<KeyAction>();
    borrowed::<KeyEvent<'_>>();
    shared::<KeyPolicy>();
    shared::<KeyRow>();
    shared::<Page<Entry>>();
    shared::<PepperUse>();
    shared::<PepperCount>();
    shared::<Tombstone>();
    shared::<Forget>();
    shared::<Secrets>();
    shared::<WatchedKeyStore>();
    shared::<KeyUpdate>();
    shared::<RegistryError>();
    shared::<KeyFilter>();
    shared::<KeyInfo>();
    shared::<KeyRegistry>();
    shared::<NewKey>();
    shared::<BucketKey>();
    shared::<ClientIp>();
    shared::<LimitDecision>();
    shared::<WindowState>();
    shared::<WindowStates>();
    shared::<Limits>();
    everywhere::<MemoryLimiter>();
    shared::<BudgetLimiter>();
    shared::<budget::BudgetPolicy>();
    shared::<budget::BudgetPeriod>();
    shared::<budget::BudgetTake>();
    shared::<budget::BudgetTaken>();
    shared::<budget::BudgetReturn>();
    shared::<OutagePolicy>();
    shared::<Partition>();
    shared::<Plan>();
    shared::<Plans>();
    shared::<LimitStatus>();
    shared::<LimitStatusService>();
    shared::<LimitGroup>();
    shared::<WindowStatus>();
    shared::<WindowCalendar>();
    shared::<FullBody>();
    shared::<PlansBuilder>();
    shared::<Quota>();
    borrowed::<WindowInfo<'_>>();
    borrowed::<Refill<'_>>();
    shared::<CalendarPeriod>();
    shared::<CalendarUnit>();
    shared::<LimitTime>();
    shared::<TokenVerifier>();
    everywhere::<TokenVerifierBuilder>();
    shared::<Tenants>();
    shared::<ClaimSource>();
    shared::<ClaimValue>();
    everywhere::<KeyPerId>();
    shared::<VerifyingKey>();
    shared::<KeySet>();
    shared::<token::Algorithm>();
    shared::<TokenError>();
    shared::<Claims>();
    shared::<Confirmation>();
    shared::<TokenStatus>();
    shared::<SigningKey>();
    shared::<SigningKeys>();
    shared::<SigningPolicy>();
    shared::<StoredSigningKey>();
    shared::<session::Grant>();
    shared::<session::Session>();
    shared::<session::SessionEnd>();
    shared::<session::SessionRow>();
    shared::<session::CutOff>();
    borrowed::<session::TokenFacts<'_>>();
    shared::<session::Findings>();
    shared::<session::SessionMark>();
    shared::<session::SessionFilter>();
    shared::<session::Outdated>();
    shared::<session::SessionError>();
    shared::<session::SessionPolicy>();
    shared::<session::ExchangeRule>();
    everywhere::<session::IssuedTokens>();
    shared::<session::TokenRequest>();
    shared::<session::TokenIssuer>();
    shared::<session::Introspection>();
    shared::<session::Sessions>();
    everywhere::<session::SessionsBuilder>();
    shared::<endpoints::AuthEndpoints>();
    shared::<endpoints::SessionCookies>();
    shared::<endpoints::WellKnown>();
    shared::<resource::ProtectedResource>();
    shared::<resource::ProtectedResourceBuilder>();
    shared::<JwksClient>();
    shared::<Https>();
    shared::<GitHubKeys>();
    shared::<LeakPolicy>();
    shared::<LeakOutcome>();
    shared::<LeakedKey>();
    everywhere::<Task>();
    shared::<Health>();
    shared::<BodyLimits>();
    shared::<JsonLimits>();
    shared::<JsonError>();
    shared::<SyntaxError>();
    shared::<FieldViolation>();
    shared::<StrictJson<String>>();
    shared::<StrictPath<String>>();
    shared::<StrictQuery<String>>();
    shared::<ValidBody<Cell<u8>>>();
    everywhere::<ReplayBody<Body>>();
    shared::<Rules>();
    borrowed::<ErrorView<'_>>();
    shared::<TraceId>();
    shared::<RequestId>();
    shared::<LateRefusal>();
    shared::<Catalogue>();
    shared::<CatalogueEntry>();
    everywhere::<EnvelopeBody<Body>>();
    everywhere::<Verdict>();
    shared::<Denial>();
    shared::<AnyScope>();
    shared::<HasRole>();
    shared::<permission::HasAcr>();
    shared::<permission::LoggedInWithin>();
    shared::<permission::Requirement>();
    shared::<StepUp>();
    shared::<permission::IsAuthenticated>();
    shared::<MemberOf>();
    shared::<OrgSource>();
    shared::<ScopeHierarchy>();
    shared::<And<AnyScope, HasRole>>();
    shared::<Or<AnyScope, HasRole>>();
    shared::<FromFn<fn() -> bool>>();
}

#[test]
fn stores_that_outlive_a_process_can_be_shared_and_printed() {
    shared::<CachedKeyStore<PostgresKeyStore>>();
    shared::<CacheHealth>();
    shared::<Announcement>();
    shared::<Changed<'static>>();
    shared::<ChangeSink>();
    everywhere::<Heard>();
    shared::<PostgresChanges>();
    shared::<RedisChanges>();
    shared::<RedisLimiter>();
    shared::<NamedLimiter>();
    shared::<SharedHealth>();
    shared::<SharedPolicy>();
    shared::<RedisConfig>();
    shared::<PostgresKeyStore>();
    shared::<PostgresLimiter>();
    shared::<SqliteKeyStore>();
    shared::<SqliteOptions>();
    shared::<FileKeyStore>();
}

/// A type that is added to the crate has to be added above.
#[test]
fn every_public_type_is_listed_here() {
    let listed = include_str!("auto_traits.rs");
    let mut seen = 0;
    for (path, text) in crate::architecture::sources() {
        for line in text.lines() {
            let Some(rest) = ["pub struct ", "pub enum "].iter().find_map(|start| line.trim().strip_prefix(start))
            else {
                continue;
            };
            let name = rest.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            let asserted = [
                "::<",
                "::<alerts::",
                "::<budget::",
                "::<dpop::",
                "::<permission::",
                "::<resource::",
                "::<endpoints::",
                "::<gate::",
                "::<session::",
                "::<strict_body::",
                "::<token::",
                "::<usage::",
            ]
            .iter()
            .any(|start| [">", "<"].iter().any(|end| listed.contains(&format!("{start}{name}{end}"))));
            assert!(asserted, "{path} has the public type {name}: assert above what it promises");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} types found");
}

#[test]
fn errors_are_errors() {
    fn error<E: Error + Send + Sync + 'static>() {}
    error::<ConfigError>();
    error::<Rejection>();
    error::<JsonError>();
    error::<SyntaxError>();
    error::<TokenError>();
    error::<RegistryError>();
    error::<usage::UsageError>();
    error::<alerts::AlertError>();
}

#[tokio::test]
async fn traits_can_be_made_into_objects() {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme").scopes(["read"]));
    let store: Arc<dyn KeyStore> = Arc::new(store);
    let method: Arc<dyn Authenticator> = Arc::new(ApiKeyLayer::new(scheme, store));
    let _keys: Option<Arc<dyn KeySource>> = None;
    let _lookup: Option<Arc<dyn KeyLookup>> = None;
    let _reports: Option<Arc<dyn ReportKeys>> = None;
    let _limiter: Option<Arc<dyn Limiter>> = None;
    let _budgets: Option<Arc<dyn budget::BudgetStore>> = None;
    let _usage: Option<Arc<dyn usage::UsageStore>> = None;
    let _alerts: Option<Arc<dyn alerts::AlertStore>> = None;
    let _signing: Option<Arc<dyn SigningKeyStore>> = None;
    let _revoked: Option<Arc<dyn TokenRevocation>> = None;
    let policy: Arc<dyn Permission> = Arc::new(scope("read"));
    let stack = AuthStack::builder().auth(method).require(policy).build().unwrap();
    assert_eq!(status(stack.layer(ok()), KEY).await, StatusCode::OK);
}

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme").scopes(["read"]));
    ApiKeyLayer::new(scheme, store)
}

/// What a company's own crate hands to its services.
struct Company {
    keys: ApiKeyLayer,
    readers: Vec<RequireLayer>,
    envelope: ErrorEnvelopeLayer,
    stack: AuthStack,
}

fn company() -> Result<Company, ConfigError> {
    Ok(Company {
        keys: keys(),
        readers: vec![RequireLayer::scope("read"), RequireLayer::new(permission::authenticated())],
        envelope: ErrorEnvelopeLayer::detailed(),
        stack: AuthStack::builder().auth(keys()).require(scope("read")).build()?,
    })
}

fn mounted(company: &Company) -> ErrorEnvelope<Gate<Gate<Gate<Inner>>>> {
    let inner = Answers(Body::default);
    let readers = company.readers[0].layer(company.readers[1].layer(inner));
    company.envelope.layer(company.keys.layer(readers))
}

async fn status<S, B>(service: S, key: &str) -> StatusCode
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(get("/", &[("x-api-key", key)])).await.unwrap().status()
}

const WRONG: &str = "ak_0000000000000000000000000000000000000000";

#[tokio::test]
async fn layers_can_be_named_stored_and_returned() {
    let company = company().unwrap();
    assert_eq!(status(mounted(&company), KEY).await, StatusCode::OK);
    assert_eq!(status(mounted(&company), WRONG).await, StatusCode::UNAUTHORIZED);
    let stacked: AuthStackService<_> = company.stack.layer(ok());
    let both: Vec<AuthStackService<_>> = vec![stacked.clone(), stacked];
    for service in both {
        assert_eq!(status(service, KEY).await, StatusCode::OK);
    }
    let guards: AuthGuards = company.stack.guards();
    let builder = ServiceBuilder::new().layer(company.stack.envelope()).layer(guards);
    assert_eq!(status(builder.service(ok()), WRONG).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn layers_cross_threads() {
    let service = company().unwrap().stack.layer(ok());
    let elsewhere = tokio::spawn(async move { status(service, KEY).await });
    assert_eq!(elsewhere.await.unwrap(), StatusCode::OK);
}

/// A body that nobody can make one of: neither `Default` nor `From<String>`, as a tracing layer's is.
#[derive(Debug)]
struct Opaque(Option<Bytes>);

impl http_body::Body for Opaque {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn p02_the_stack_works_over_a_body_that_nobody_can_make() {
    let inner = Answers(|| Opaque(Some(Bytes::from_static(b"as it was"))));
    let service = company().unwrap().stack.layer(inner);
    let request = |key| get("/", &[("x-api-key", key)]);
    let admitted = service.clone().oneshot(request(KEY)).await.unwrap();
    assert_eq!(text(admitted).await, "as it was");
    let refused = service.oneshot(request(WRONG)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(text(refused).await.starts_with(r#"{"success":false,"error":{"code":"INVALID_API_KEY""#));
}

/// No body at all as `http_body` has it, and not `From<String>`: only `Default`.
#[derive(Debug, Default, PartialEq)]
struct OnlyDefault(u8);

#[tokio::test]
async fn p03_single_layers_work_over_a_body_that_is_only_default() {
    async fn check<L>(layer: L, what: &str)
    where
        L: Layer<Answers<OnlyDefault>>,
        L::Service: Service<Request<Body>, Response = Response<OnlyDefault>, Error = Infallible> + Clone,
    {
        let service = layer.layer(Answers(|| OnlyDefault(7)));
        for (key, status, body) in [(KEY, StatusCode::OK, 7), (WRONG, StatusCode::UNAUTHORIZED, 0)] {
            let response = service.clone().oneshot(get("/", &[("x-api-key", key)])).await.unwrap();
            assert_eq!((response.status(), response.body()), (status, &OnlyDefault(body)), "{what}");
        }
    }
    check(keys(), "ApiKeyLayer").await;
    check(AuthLayer::first(keys()).then(keys()), "AuthLayer").await;
    check(keys().optional(), "AuthLayer, optional").await;
    check(tower::layer::layer_fn(|inner| keys().layer(RequireLayer::scope("read").layer(inner))), "RequireLayer").await;
    check(company().unwrap().stack.guards(), "AuthStack::guards").await;
}

/// `TraceLayer` makes a body that has no `Default`.
#[tokio::test]
async fn the_stack_stands_around_a_trace_layer() {
    let inner = TraceLayer::new_for_http().layer(ok());
    let service = company().unwrap().stack.layer(inner);
    assert_eq!(status(service.clone(), KEY).await, StatusCode::OK);
    let refused = service.oneshot(get("/", &[("x-api-key", WRONG)])).await.unwrap();
    assert!(text(refused).await.contains("INVALID_API_KEY"));
}

#[tokio::test]
async fn an_envelope_stands_around_a_trace_layer_around_a_guard() {
    let inner = TraceLayer::new_for_http().layer(keys().layer(ok()));
    let refused = ErrorEnvelopeLayer::detailed().layer(inner).oneshot(get("/", &[("x-api-key", WRONG)])).await.unwrap();
    assert!(text(refused).await.contains("INVALID_API_KEY"));
}

#[tokio::test]
async fn a_guard_stands_outside_an_envelope() {
    let service = keys().layer(ErrorEnvelopeLayer::detailed().layer(Answers(Body::default)));
    assert_eq!(status(service.clone(), KEY).await, StatusCode::OK);
    let refused = service.oneshot(get("/", &[("x-api-key", WRONG)])).await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(text(refused).await, "", "no envelope stands outside of this guard");

    // The same over a body that has no `Default` of its own.
    let odd = keys().layer(ErrorEnvelopeLayer::detailed().layer(Answers(|| Opaque(None))));
    assert_eq!(status(odd, WRONG).await, StatusCode::UNAUTHORIZED);
}

/// The inner service's own error passes, whatever it is.
#[tokio::test]
async fn an_error_of_the_inner_service_passes() {
    #[derive(Clone, Debug, PartialEq)]
    struct Broken;

    let inner = service_fn(|_: Request<Body>| async { Err::<Response<Body>, _>(Broken) });
    let company = company().unwrap();
    let request = || get("/", &[("x-api-key", KEY)]);
    assert_eq!(company.keys.layer(inner).oneshot(request()).await.unwrap_err(), Broken);
    assert_eq!(company.envelope.layer(inner).oneshot(request()).await.unwrap_err(), Broken);
    assert_eq!(company.stack.layer(inner).oneshot(request()).await.unwrap_err(), Broken);
}
