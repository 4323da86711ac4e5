//! Authentication middleware for tower: API keys, tokens, permissions, rate limits, strict request bodies and one error
//! format, in front of any axum, tonic or hyper service.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_auth::{ApiKeyLayer, AuthStack, ConfigError, Principal, Secret};
//!
//! async fn me(who: Principal) -> String {
//!     format!("hello {}", who.subject())
//! }
//!
//! fn app(key: Secret) -> Result<Router, ConfigError> {
//!     let stack = AuthStack::builder().auth(ApiKeyLayer::static_key("ops", key)?).build()?;
//!     Ok(Router::new().route("/me", get(me)).layer(stack))
//! }
//! ```
//!
//! With the key in `x-api-key`, `GET /me` returns `hello ops`. Without the key, the response is a 401 with a JSON body.
//!
//! # Main types
//!
//! | purpose | types |
//! |---|---|
//! | Everything in one layer | [`AuthStack`] |
//! | Who is calling | [`ApiKeyLayer`], [`BearerLayer`], [`AuthLayer`], [`Authenticator`] |
//! | What the caller may do | [`RequireLayer`], [`Rules`], [`Permission`] |
//! | How much the caller may send | [`RateLimitLayer`], [`Plans`], [`Quota`], [`ClientIp`], [`Limiter`] |
//! | Request bodies | [`StrictBodyLayer`], [`StrictJson`], [`StrictQuery`], [`StrictPath`] |
//! | Error responses | [`ErrorEnvelopeLayer`], [`Rejection`], [`RejectionKind`] |
//! | In a handler | [`Principal`], [`RequestExt`] |
//! | Where keys live | [`KeyScheme`], [`KeyFormat`], [`KeyStore`], [`MemoryKeyStore`], [`KeyRegistry`] |
//!
//! # Request flow
//!
//! A request carries a credential. A guard turns the credential into a principal or a rejection. The envelope turns a
//! rejection into a response.
//!
//! ```text
//! request
//!   │ edge         trace id, envelope                          every response below passes through here: all refusals have one format
//!   │ failures     too many failures from this address? ────▶ 429   charged: nothing
//!   │ identity     who is calling? ─────────────────────────▶ 401   charged: the address for a guess; the credential if it is genuine (expired, paused)
//!   │                                                               (400: a repeated or incomplete credential header)
//!   │                                                               (503: the key store or the issuer does not answer in time)
//!   │ rules        is the caller allowed to do this? ───────▶ 403   charged: the credential   (503: the policy could not decide)
//!   │ plan         is there quota left? ────────────────────▶ 429   charged: nothing
//!   │ body         does it have the documented fields? ─────▶ 422   (400: not JSON; 408, 413, 415)
//!   ▼ your handler, with a Principal
//! ```
//!
//! "Charged" names the budget of failed attempts to which the refusal is charged.
//!
//! A refusal is a value, a [`Rejection`]. Without the envelope it becomes a correct HTTP response with an empty body.
//! With the envelope it becomes JSON, problem details (RFC 9457) or, for a gRPC request, a gRPC status. Access logs and
//! tests read the value with [`Rejection::of`]. Handlers refuse in the same way with [`Rejection::custom`].
//!
//! # Which type do I need?
//!
//! | I have | use |
//! |---|---|
//! | one static key | [`ApiKeyLayer::static_key`]`("ops", Secret::from_env("OPS_KEY")?)?`, alone or in a stack |
//! | keys to create, rotate and revoke | [`KeyRegistry`] and `ApiKeyLayer::new(scheme, store)`, over a [`MemoryKeyStore`] in tests, a `SqliteKeyStore` on one machine (feature `sqlite`), a `PostgresKeyStore` on several (feature `postgres`), or [your own tables](registry::RegistryStore) |
//! | a database that should not be asked for every request, by several processes, without a revoked key that works for minutes | [`CachedKeyStore`](https://docs.rs/tower-auth/latest/tower_auth/cache/)`::leased(store.clone(), store.changes(url)?, 250 ms)` in front of it: a revoked key is refused within milliseconds, and never later than the bound, whatever fails meanwhile; `::ttl(store, 5 s)` for a table that announces nothing |
//! | keys that may be used from some networks, websites or environments only | [`Restrictions`] of the key, [`ApiKeyLayer::environment`]`("live")` |
//! | a few keys and plans that people edit (feature `file`) | [`FileKeyStore`]`::open("keys.toml")?`: a TOML file of digests, read again when it changes |
//! | a table of keys, hashed with SHA-256 | a [`KeyStore`] over that table (ten lines), and [`KeyScheme::sha256`]`(KeyFormat::opaque(20))`; no key is re-issued |
//! | keys sent as `Authorization: Bearer` | `ApiKeyLayer::new(..)`[`.bearer()`](ApiKeyLayer::bearer) |
//! | tokens of an identity provider (features `aws-lc-rs`, `tls-aws-lc`) | a [preset](https://docs.rs/tower-auth/latest/tower_auth/issuers/): [`BearerLayer`]`::new(issuers::auth0("tenant.eu.auth0.com").audience("https://api.example.com").build()?)`; of any other issuer, `TokenVerifier::discover("https://id.example.com/")`; see [what is checked][token] |
//! | opaque tokens | [`TokenVerifier::introspect`](https://docs.rs/tower-auth/latest/tower_auth/token/#introspection): asks the authorization server (RFC 7662), alone or beside signed tokens |
//! | tokens or keys in a header of a proxy, or of a WebSocket in a browser | `.header("Cf-Access-Jwt-Assertion")`, [`.websocket_protocol("bearer.")`](Subprotocol) |
//! | tokens signed with your own key (feature `aws-lc-rs` or `rust-crypto`) | [`TokenVerifier`]`::keys(issuer, [VerifyingKey::from_pem(Algorithm::Es256, pem)?])` |
//! | tokens and keys on the same routes | [`AuthLayer::first`]`(BearerLayer::new(tokens)).then(ApiKeyLayer::new(scheme, store))`: methods are tried in this order, and one challenge names both |
//! | mutual TLS, cookies, any other method | an [`Authenticator`], placed before or after keys with `AuthLayer::first(..).then(..)` |
//! | tokens that a thief cannot use (`DPoP`, RFC 9449; mutual TLS, RFC 8705) | `BearerLayer::new(tokens).dpop(`[`Dpop`](https://docs.rs/tower-auth/latest/tower_auth/dpop/)`::new("https://api.example.com"))`; for certificates, the extension [`ClientCertificate`] |
//! | tokens that must be revoked before they expire | `BearerLayer::new(tokens).revocation(list)` with your own [`TokenRevocation`] |
//! | a resource server that OAuth and MCP clients discover: metadata, and challenges that name scopes (feature `aws-lc-rs` or `rust-crypto`) | [`ProtectedResource`][resource], passed to `BearerLayer::resource_metadata(&resource)`; [`Rules::challenge_scopes`] |
//! | a strong or recent login for some requests | [`acr`](permission::acr)`(["urn:example:mfa"])`, [`logged_in_within(..)`](permission::logged_in_within), or [`Rejection::step_up`] in a handler |
//! | plans, and limits for authenticated callers | [`Plans`], [`RateLimitLayer::by_plan`]`(&plans)`; [`by_bucket(..)`](RateLimitLayer::by_bucket) for buckets that you define |
//! | a budget a month or a day, on the calendar of the customer | [`Quota::per_calendar_month`]`(1_000_000).in_time_zone("Europe/Berlin")` in a plan, next to `per_minute(..)`; other zones than UTC need the feature `time-zones`. Counts are in memory, and a restart resets them, unless the layer has a `BudgetLimiter` (feature `tokio`), which keeps them in a store |
//! | clients that guess credentials or send too many requests | [`RateLimitLayer::failures`]`(Quota::per_minute(30), ClientIp::peer())` in the stack, **and a clone of it on the login route**: in the stack, it refuses only before a key lookup or a signature check, so the budget does not protect a password check in a handler. [`by_address(..)`](RateLimitLayer::by_address) limits all requests |
//! | clients behind a proxy or NAT64, IPv6 customers, health checks that must not count | [`ClientIp`]: `behind(..)`, `header(..)`, `ipv6_prefix(..)`, `exempt(..)` |
//! | a store or a policy that may hang | no setting: after 5 s the response is 503. `AuthStack::builder().decision_timeout(..)` sets another timeout |
//! | scopes, roles, members of an organisation | [`RequireLayer`]`::new(scope("write").and(role("admin")))`, `member_of(OrgSource::axum_param("org"))` |
//! | one table of what every route requires | [`Rules`]: matches whole path segments, denies by default, can be printed; for gRPC methods too |
//! | scopes for each tool of an MCP server (feature `mcp`) | [`McpScopes`](https://docs.rs/tower-auth/latest/tower_auth/mcp/): decided by the body of the request |
//! | a policy service | a [`Permission`]: granted, denied, or undecided (503, never 403) |
//! | bodies that may have documented fields only | [`StrictJson`], [`StrictQuery`] and [`StrictPath`] in an axum handler, [`StrictBodyLayer`] anywhere: a misspelt field is answered 422 with the name that was probably meant |
//! | public and private routes | [`stack.guards()`](AuthStack::guards) on the private routes, [`stack.envelope()`](AuthStack::envelope) around everything |
//! | errors of the framework that need the same format | [`ErrorEnvelopeLayer::adopt_foreign_errors`]; [`adopt_text_errors`](ErrorEnvelopeLayer::adopt_text_errors) for plain-text 4xx too |
//! | clients that read another error format | [`ErrorEnvelopeLayer`]`::compact()`, `openai()`, `problem_json()`, or your own [`ErrorFormat`](envelope::ErrorFormat) |
//! | a guard that must not refuse requests yet | `.report_only()` on it: it decides and logs, and every request passes |
//! | what each key has been doing: requests by day and outcome, last use, last refusals | [`Usage`]: `on_decision(usage.observer())` and `usage.start()`; kept in the store of the keys |
//! | how much is left of a plan, for the caller to see | [`LimitStatus`](rate_limit#how-a-limit-stands): an extractor, a service, or `limits.status(&who)`; it takes nothing |
//! | owners who are told in time: 80 % of a budget, a key that expires, a new network, many refusals | [`Alerts`](https://docs.rs/tower-auth/latest/tower_auth/alerts/): rules by organisation, each alert once, delivered to a function or a webhook until it works |
//! | an access log | [`AuthStack::builder`]`().on_decision(..)`, or the response's extensions: they hold the refusal and, with `expose_principal()`, the principal |
//! | the question "why did this customer get a 401 at 03:12?" | [the log](Decision), searched by the response's `x-request-id` |
//! | request ids that a gateway sets | [`ErrorEnvelopeLayer::keep_request_ids`] |
//! | tests | the [feature `testing`][testing]: `FakeAuth`, `set_principal` for an extractor alone, `FlakyKeyStore`, `ManualClock`, `AssertReady`, and `TestIssuer`, which signs tokens |
//! | keys that were committed to a public repository (feature `strict-body` and a token backend) | [`LeakReports`][leaks]: the endpoint that GitHub's secret scanning calls; it revokes them |
//! | CORS, tracing, a stack that configuration turns on or off | [the stack's page](stack) |
//!
//! Layers have no type parameters, except `StrictBodyLayer<T>`, so a crate that your services share can name, store and
//! return them. The whole stack accepts any response body if its data type is `Bytes`, or can be made from `Bytes`. A
//! single layer needs a response body that implements `Default`.
//!
//! # Cargo features
//!
//! No feature is on by default. Keys, permissions, rules, limits, the envelope and the stack need no feature, and add
//! no runtime, no TLS and no C code.
//!
//! | feature | adds |
//! |---|---|
//! | `axum` | `Principal`, `Option<Principal>`, `StrictJson<T>`, `StrictQuery<T>` and `StrictPath<T>` as extractors, `Rejection: IntoResponse`, `OrgSource::axum_param`; includes `strict-body` |
//! | `tonic` | the principal of a `tonic::Request`, and `Rejection` as a `tonic::Status` |
//! | `strict-body` | `StrictBodyLayer<T>`, `OrgSource::body_field`, and, with a token backend, `leaks`; depends on tokio for its timer |
//! | `mcp` | `McpScopes`: what the tools of an MCP server require, by the body of the request; includes `strict-body` |
//! | `aws-lc-rs` | tokens, with signatures checked by AWS-LC; needs a C compiler |
//! | `rust-crypto` | tokens, with signatures checked by pure Rust crates: several times slower, and not used if `aws-lc-rs` is on |
//! | `jwks-http` | key sets and introspection over HTTPS: `TokenVerifier::jwks`, `discover`, `IntrospectionClient`; needs `aws-lc-rs` or `rust-crypto`, and uses the process's rustls provider for TLS |
//! | `tls-aws-lc`, `tls-ring` | `jwks-http`, with its own TLS provider if the process has not installed one |
//! | `tokio` | background work: `Task`, and the upkeep of keys (`KeyRegistry::start`); included in the features that need it |
//! | `sqlite` | `SqliteKeyStore`: keys in one SQLite file; needs a C compiler. rusqlite 0.41 and later need Rust 1.89; on Rust 1.88, cargo chooses 0.40 |
//! | `postgres` | `PostgresKeyStore`: keys in PostgreSQL, over a deadpool-postgres pool of the caller; `PostgresLimiter`: limits that processes share |
//! | `cache` | `CachedKeyStore`: a cache in front of any store, with a bound on how long a revoked key can be used; included in `sqlite`, `postgres` and `redis` |
//! | `redis` | `RedisLimiter`: limits that several processes share, in Redis or Valkey; `RedisChanges`: caches tell each other what has changed; `rediss://` needs `tls-aws-lc` or `tls-ring` too |
//! | `file` | keys and plans in a TOML file that is followed without a restart: `FileKeyStore`; includes `tokio` |
//! | `time-zones` | calendar quotas in time zones other than UTC (`Quota::in_time_zone`); the data of the system are used if it has any, and otherwise those of the build |
//! | `full` | `axum`, `tonic`, `mcp`, `aws-lc-rs`, `tls-aws-lc`, `sqlite`, `postgres`, `redis`, `file`, `time-zones` and the features that they include |
//! | `testing` | helpers for the tests of your service; not part of `full`, because it does not belong in a production build |
//!
//! # Guarantees
//!
//! - The crate has no `unsafe` code, and no input makes it panic. Building a layer spawns no task and needs no runtime.
//! - A token never chooses how it is verified: every key has one algorithm. `iss`, `aud` and `exp` are required, and by
//!   default `typ`. A token that is bound to a key is refused without a proof of that key.
//! - If one credential is invalid, no other credential of the request is tried. If a store does not answer, the
//!   response is 503, never 401. By default, unknown, malformed and revoked keys get the same response.
//! - No secret appears in `Debug`, errors, logs or responses. One source file hashes and compares keys. A key is shown
//!   once, when it is created.
//! - Only requests with a verified credential are charged to a caller's quota. A request that exceeds one window is
//!   charged to no window. A change of plan refills no bucket, and no bucket with a count is evicted to save memory.
//! - With a cache, no request is admitted from it more than the stated bound after its key was revoked, whatever fails meanwhile.
//!   Over PostgreSQL, it does not matter by which program; over Redis, all programs that revoke must announce it.
//! - A strict body is read once, within limits of size and time, and the handler gets the bytes that were checked.
//! - A guard that decides without waiting allocates nothing in the gate. An accepted key costs at most three
//!   allocations, those of the request's extensions. For keys in their own header, `Vary` and `Cache-Control` cost two
//!   more if the response has no header yet.
//!
// Links to items behind a feature. Without these features, the links lead to the published pages.
#![cfg_attr(
    all(feature = "axum", feature = "file", feature = "testing", any(feature = "aws-lc-rs", feature = "rust-crypto")),
    doc = "
[`BearerLayer`]: BearerLayer
[`FileKeyStore`]: FileKeyStore
[`TokenVerifier`]: TokenVerifier
[`TokenRevocation`]: token::TokenRevocation
[token]: mod@token
[leaks]: mod@leaks
[resource]: mod@resource
[`StrictBodyLayer`]: StrictBodyLayer
[`StrictJson`]: StrictJson
[`StrictQuery`]: StrictQuery
[`StrictPath`]: StrictPath
[testing]: mod@testing"
)]
#![cfg_attr(
    not(all(
        feature = "axum",
        feature = "file",
        feature = "testing",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )),
    doc = "
[`BearerLayer`]: https://docs.rs/tower-auth/latest/tower_auth/struct.BearerLayer.html
[`FileKeyStore`]: https://docs.rs/tower-auth/latest/tower_auth/struct.FileKeyStore.html
[`TokenVerifier`]: https://docs.rs/tower-auth/latest/tower_auth/struct.TokenVerifier.html
[`TokenRevocation`]: https://docs.rs/tower-auth/latest/tower_auth/token/trait.TokenRevocation.html
[token]: https://docs.rs/tower-auth/latest/tower_auth/token/
[leaks]: https://docs.rs/tower-auth/latest/tower_auth/leaks/
[resource]: https://docs.rs/tower-auth/latest/tower_auth/resource/
[`StrictBodyLayer`]: https://docs.rs/tower-auth/latest/tower_auth/struct.StrictBodyLayer.html
[`StrictJson`]: https://docs.rs/tower-auth/latest/tower_auth/struct.StrictJson.html
[`StrictQuery`]: https://docs.rs/tower-auth/latest/tower_auth/struct.StrictQuery.html
[`StrictPath`]: https://docs.rs/tower-auth/latest/tower_auth/struct.StrictPath.html
[testing]: https://docs.rs/tower-auth/latest/tower_auth/testing/"
)]
// The programs of the README are doc tests.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Not public: `use tower_auth::*` would hide the crate of the same name.
#[cfg(feature = "axum")]
mod axum;
mod base;
mod context;
#[cfg(feature = "file")]
mod file;
mod memory;
mod principal;

#[cfg(feature = "tokio")]
pub mod alerts;
pub mod api_key;
pub mod authenticate;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod bearer;
#[cfg(feature = "cache")]
pub mod cache;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod dpop;
#[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod endpoints;
pub mod envelope;
pub mod gate;
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod issuers;
pub mod json;
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod jwks;
pub mod key;
#[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod leaks;
pub mod limit;
#[cfg(feature = "mcp")]
pub mod mcp;
pub mod permission;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod rate_limit;
#[cfg(feature = "redis")]
pub mod redis;
pub mod registry;
pub mod rejection;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod resource;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod session;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod stack;
pub mod store;
#[cfg(feature = "strict-body")]
pub mod strict_body;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod token;
pub mod usage;

#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tonic")]
mod tonic;

#[cfg(feature = "axum")]
#[doc(inline)]
pub use self::axum::{StrictJson, StrictPath, StrictQuery};
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use self::base::task::{Health, Task};
#[cfg(feature = "cache")]
#[doc(inline)]
pub use self::cache::{CachedKeyStore, Changes};
#[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
#[doc(inline)]
pub use self::endpoints::AuthEndpoints;
#[cfg(feature = "file")]
#[doc(inline)]
pub use self::file::FileKeyStore;
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use self::limit::budget::BudgetLimiter;
#[cfg(feature = "postgres")]
#[doc(inline)]
pub use self::postgres::{PostgresChanges, PostgresKeyStore, PostgresLimiter};
#[cfg(feature = "redis")]
#[doc(inline)]
pub use self::redis::{RedisChanges, RedisConfig, RedisLimiter};
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use self::sqlite::SqliteKeyStore;
#[cfg(feature = "strict-body")]
#[doc(inline)]
pub use self::strict_body::{BodyLimits, StrictBodyLayer};
#[doc(inline)]
pub use self::{
    api_key::{ApiKeyLayer, Disclosure},
    authenticate::{AuthFuture, AuthLayer, AuthOutcome, Authenticator},
    base::{
        challenge::Challenge,
        clock::Clock,
        error::{BoxError, ConfigError},
        full_body::FullBody,
        maybe_ready::MaybeReady,
        secret::Secret,
        subprotocol::Subprotocol,
    },
    context::{
        client_certificate::ClientCertificate, client_ip::ClientIp, decision::Decision, head::RequestHead,
        identity::Anonymous, late_refusal::LateRefusal, peer::PeerAddr, request_ext::RequestExt, request_id::RequestId,
        trace_id::TraceId,
    },
    envelope::ErrorEnvelopeLayer,
    key::{Alphabet, KeyDigest, KeyDigests, KeyFormat, KeyScheme, Peppers},
    limit::{LimitFuture, Limiter, Quota},
    memory::MemoryKeyStore,
    permission::{Denial, Permission, PermissionFuture, RequireLayer, Rules, Verdict},
    principal::{AuthMethod, Principal, PrincipalBuilder},
    rate_limit::{Plans, RateLimitLayer},
    registry::{KeyRegistry, NewKey, RegistryError},
    rejection::{Detail, Rejection, RejectionKind},
    stack::AuthStack,
    store::{KeyRecord, KeyState, KeyStatus, KeyStore, Restrictions, StoreFuture},
    usage::Usage,
};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[doc(inline)]
pub use self::{bearer::BearerLayer, dpop::Dpop, token::TokenVerifier};
