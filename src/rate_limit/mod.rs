//! How many requests somebody may send: by plan, by address, and a budget of failed attempts.
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
//! | what happens | answer | charged |
//! |---|---|---|
//! | the request fits | that of the service, with `X-RateLimit-Limit`, `-Remaining`, `-Reset` | its cost, in every window |
//! | it does not fit | 429 `RATE_LIMIT_EXCEEDED` with `Retry-After`, and the same headers | nothing, in no window |
//! | it costs more than ever fits | 400 `REQUEST_TOO_COSTLY` | nothing |
//! | it is refused further in, 401 or 403 by a kind of this crate, or 429 by another limit | that | nothing: it is given back, but to an address, and not for a wrong password |
//! | the client goes away | | its cost: it may have been done |
//! | a preflight that the authentication passes without reading a credential ([`allow_preflight`](crate::AuthLayer::allow_preflight)) | that of the CORS layer | nothing |
//! | any other OPTIONS | as any request | as any request |
//! | the limiter gives an error, or no answer in [time](RateLimitLayer::decision_timeout) | what [`OutagePolicy`] says: 503 by default | unknown |
//! | a WebSocket, a stream, a gRPC call | | once, when it begins |
//!
//! `Limit` is how many fit at once, `Remaining` never exceeds it, and `Reset` is when the bucket is full again, in seconds
//! that are left or, by [`unix_reset`](RateLimitLayer::unix_reset), as a time of day. Of several windows the one that would
//! refuse first speaks; [`ietf_headers`](RateLimitLayer::ietf_headers) tell of all. Of several layers the one furthest in
//! speaks. Over gRPC all of it is initial metadata, and a refusal is `RESOURCE_EXHAUSTED` with `RetryInfo`.
//!
//! # Failed attempts
//!
//! [`RateLimitLayer::failures`](crate::RateLimitLayer::failures) keeps two kinds of budgets. Failures are charged, and nothing else is: good requests
//! take nothing, however many are under way and however they end.
//!
//! | what happens | answer | charged |
//! |---|---|---|
//! | a guess: an unknown or malformed key, a bad signature, a wrong password, another 401 of a handler | 401 | the address |
//! | a proved holder's credential is expired, revoked, paused, suspended, not yet valid, or for another audience | 401 | that credential |
//! | a proved holder is forbidden something, by a rule, a permission or the handler | 403 | that credential |
//! | the native gRPC status `UNAUTHENTICATED` or `PERMISSION_DENIED` | that | as 401 and 403 |
//! | no credential, a store that does not answer, a client that goes away during a look-up of a good key | 401, 503 | nothing |
//! | the address has spent its budget | 429 with `Retry-After`, before a store is asked or a signature checked; a key in memory and a remembered token pass | nothing |
//! | the credential has spent its budget | 429 instead of its next 401 or 403; its good requests pass | nothing |
//! | more than [256](crate::RateLimitLayer::max_in_flight) look-ups from one address are under way | 429 with `Retry-After: 1` | nothing |
//!
//! **In a stack the budget charges a handler's 401 and never refuses the handler's route**, because it is asked only where a
//! credential is looked up. Wrong one-time codes and passwords need a clone of the layer on their route:
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
//!     .route("/login", post(|| async { Rejection::invalid_credentials() }).layer(failures)) // asked before the password is looked at
//!     .merge(private)
//!     .layer(stack.envelope());
//! # Ok(())
//! # }
//! ```
//!
//! # Who counts
//!
//! Nobody is counted by a credential that was not proved: a stranger who knows a key's id cannot spend its limit, and random
//! keys make no buckets. Before it is known who is calling, there is the address alone; [`ClientIp`](crate::ClientIp) has to be told what
//! stands in front of the service, and which networks ([`exempt`](crate::ClientIp::exempt)) are not counted: health checks, an
//! office.
//!
//! # When not to use it
//!
//! Against floods: a request that is refused has been read. And a limit of one process is that of one process: three of them
//! let three times as much through, unless they share a [`Limiter`](crate::Limiter).

mod carried;
mod counter;
mod failures;
mod guard;
mod headers;
mod in_stack;
mod layer;
mod plans;

pub use self::{
    counter::OutagePolicy,
    guard::Partition,
    layer::RateLimitLayer,
    plans::{Plan, Plans, PlansBuilder},
};
