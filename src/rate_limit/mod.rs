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
//! | a bad credential, a wrong password, a 403 | 401, 403 | an attempt of the address |
//! | no attempts are left | 429 with `Retry-After`, unless the credential is good and at hand | nothing |
//! | a CORS preflight | that of the CORS layer | nothing |
//! | a WebSocket, a stream, a gRPC call | | once, when it begins |
//!
//! `Limit` is how many fit at once, `Remaining` never exceeds it, and `Reset` is when the bucket is full again, in seconds
//! that are left or, by [`unix_reset`](RateLimitLayer::unix_reset), as a time of day. Of several windows the one that would
//! refuse first speaks; [`ietf_headers`](RateLimitLayer::ietf_headers) tell of all. Of several layers the one furthest in
//! speaks. Over gRPC all of it is initial metadata, and a refusal is `RESOURCE_EXHAUSTED` with `RetryInfo`.
//!
//! # Who counts
//!
//! Nobody is counted by a credential that was not proved: a stranger who knows a key's id cannot spend its limit, and random
//! keys make no buckets. Before it is known who is calling, there is the address alone; [`ClientIp`] has to be told what
//! stands in front of the service, and which networks ([`exempt`](ClientIp::exempt)) are not counted: health checks, an
//! office.
//!
//! # When not to use it
//!
//! Against floods: a request that is refused has been read. And a limit of one process is that of one process: three of them
//! let three times as much through, unless they share a [`Limiter`](crate::Limiter).

mod client_ip;
mod counter;
mod failures;
mod forwarded;
mod guard;
mod headers;
mod layer;
mod networks;
mod plans;

pub use self::{
    client_ip::ClientIp,
    counter::OnOutage,
    guard::Partition,
    layer::RateLimitLayer,
    plans::{Plan, Plans, PlansBuilder},
};
