//! Rate limits by plan, by address or by a bucket of your own, and budgets of failed attempts.
//!
//! ```
//! use tower_auth::*;
//!
//! let plans = Plans::new()
//!     .plan("standard", [Quota::per_minute(100), Quota::per_day(10_000)])
//!     .plan("premium", [Quota::per_minute(1_000), Quota::per_day(100_000)])
//!     .fallback("standard")
//!     .build()?;
//! let stack = AuthStack::builder() // the order of calls is free
//!     .limit(RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer()))
//!     .auth(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?)
//!     .limit(RateLimitLayer::by_plan(&plans).unix_reset())
//!     .build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! | what happens | response | charged |
//! |---|---|---|
//! | the request is within the limit | the service's response, with `X-RateLimit-Limit`, `-Remaining`, `-Reset` | its cost, in every window |
//! | the request exceeds the limit | 429 `RATE_LIMIT_EXCEEDED` with `Retry-After`, and the same headers | nothing |
//! | the request costs more than the burst | 400 `REQUEST_TOO_COSTLY` | nothing |
//! | an inner layer or handler answers 401 or 403 with a [`RejectionKind`](crate::RejectionKind) other than `Custom`, or another limit answers 429 | that response | nothing: the charge is refunded, except a charge to an address, and except for a wrong password |
//! | the client disconnects | | its cost: the request may have been processed |
//! | a preflight that the authentication passes without reading a credential ([`allow_preflight`](crate::AuthLayer::allow_preflight)) | the CORS layer's response | nothing |
//! | any other OPTIONS | as for every request | as for every request |
//! | the limiter fails, or does not answer in [time](RateLimitLayer::decision_timeout) | as [`OutagePolicy`] says: 503 by default | unknown |
//! | in such an outage, this process counts alone | the service's response without rate limit headers, or 429 with `Retry-After` only | its cost, in this process |
//! | in such an outage, the request costs more than the [share](OutagePolicy::LocalShare) of this process, and no more than the burst | 503 | nothing |
//! | a WebSocket, a stream, a gRPC call | | its cost, once, at its start |
//!
//! `Limit` is the burst: how many requests a full bucket admits at once. `Remaining` never exceeds `Limit`. `Reset` is
//! when the bucket is full again: in seconds from now, or with [`unix_reset`](RateLimitLayer::unix_reset) as a Unix
//! time. In a [calendar window](crate::Quota#calendar-quotas), it is the end of the day or month, and `RateLimit-Policy`
//! has no `w`. If the limit has several windows, these headers describe the tightest window, which would refuse first;
//! [`ietf_headers`](RateLimitLayer::ietf_headers) describe all windows. If several layers limit a request, the
//! innermost layer whose limiter has answered sets the headers. Over gRPC the headers are initial metadata, and a refusal is `RESOURCE_EXHAUSTED`
//! with `RetryInfo`.
//!
//! # Failed attempts
//!
//! [`RateLimitLayer::failures`](crate::RateLimitLayer::failures) keeps a budget for each address and one for each
//! credential. Only failures are charged. Successful requests cost nothing, even if many are in progress. A *proved
//! holder* is a caller who presented the right secret or a token with a valid signature.
//!
//! | what happens | response | charged |
//! |---|---|---|
//! | a guess: an unknown or malformed key, a bad signature, a wrong password, another 401 of a handler | 401 | the address |
//! | a proved holder's credential is expired, revoked, paused, suspended, not yet valid, or for another audience | 401 | that credential |
//! | a rule, a permission or the handler denies a proved holder's request | 403 | that credential |
//! | the native gRPC status `UNAUTHENTICATED` or `PERMISSION_DENIED` | that status | as 401 and 403 |
//! | no credential, a store that does not answer, a client that disconnects while a valid key is looked up | 401, 503 | nothing |
//! | the address's budget is spent | 429 with `Retry-After`, before a store lookup or a signature check; keys and tokens found in memory are admitted | nothing |
//! | the credential's budget is spent | 429 instead of the next 401 or 403; successful requests with the credential are admitted | nothing |
//! | more than [256](crate::RateLimitLayer::max_in_flight) lookups from one address are in progress | 429 with `Retry-After: 1` | nothing |
//!
//! **In a stack, the budget charges a handler's 401, but does not stop the next attempt**, because a stack checks the
//! budget only before it looks up a credential. For wrong one-time codes and passwords, put a clone of the layer on
//! their route:
//!
//! ```
//! use axum::{Router, routing::{get, post}};
//! use tower_auth::*;
//!
//! # fn app() -> Result<(), ConfigError> {
//! let failures = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer());
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(keys).limit(failures.clone()).build()?;
//! let private = Router::new().route("/me", get(|who: Principal| async move { who.subject().to_owned() })).layer(stack.guards());
//! let app: Router = Router::new()
//!     .route("/login", post(|| async { Rejection::invalid_credentials() }).layer(failures)) // checked before the password is read
//!     .merge(private)
//!     .layer(stack.envelope());
//! # Ok(())
//! # }
//! ```
//!
//! # Who is counted
//!
//! Limits of callers count only verified credentials: an attacker who knows a key's id cannot spend its limit, and
//! random keys create no buckets. Before authentication, requests are counted by address. [`ClientIp`](crate::ClientIp)
//! configures which proxies are in front of the service, and which networks ([`exempt`](crate::ClientIp::exempt)) are
//! not counted, such as health checks or an office.
//!
//! # How a limit stands
//!
//! [`RateLimitLayer::status`] returns how the limits of a caller stand, and takes nothing. [`LimitStatus`] is also an extractor
//! of axum, and [`LimitStatusService`] answers with it as JSON on any host. In a stack, a request to such a route costs one
//! like any other, and is refused when the limit is spent. A cost of zero changes both:
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_auth::*;
//! use tower_auth::rate_limit::LimitStatus;
//!
//! # fn app() -> Result<(), ConfigError> {
//! let plans = Plans::new().plan("standard", [Quota::per_minute(100)]).fallback("standard").build()?;
//! let limits = RateLimitLayer::by_plan(&plans).cost(|request| u32::from(request.uri().path() != "/v1/limits"));
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(keys).limit(limits.clone()).build()?;
//! let app: Router = Router::new()
//!     .route("/v1/limits", get(async |status: LimitStatus| status))
//!     .with_state(limits) // the extractor takes the layer from the state of the router
//!     .layer(stack);
//! # Ok(())
//! # }
//! ```
//!
//! # When the limiter does not answer
//!
//! A [`Limiter`](crate::Limiter) that several processes share can be down. Use [`OutagePolicy::LocalShare`] for general limits: each process counts
//! its part of the limit. Use [`OutagePolicy::FailClosed`], the default, for logins, for the refresh of tokens, for budgets of
//! failed attempts and for paid budgets. [`OutagePolicy`] says why, and how much more than the limit is admitted.
//!
//! # When not to use it
//!
//! Against floods: a request must be read before it can be refused. Also, each process counts separately: three
//! processes admit three times the limit, unless they share a [`Limiter`](crate::Limiter). `RedisLimiter` (feature `redis`) and `PostgresLimiter` (feature
//! `postgres`) are such limiters.

mod carried;
mod counter;
mod failures;
mod guard;
mod headers;
mod in_stack;
mod layer;
mod outage;
mod plans;
mod status;
mod status_service;

pub use self::{
    guard::Partition,
    layer::RateLimitLayer,
    outage::OutagePolicy,
    plans::{Plan, Plans, PlansBuilder},
    status::{LimitGroup, LimitStatus, WindowCalendar, WindowStatus},
    status_service::LimitStatusService,
};
