//! How many requests a plan has, and how many failed attempts an address.

use tower_auth::{ClientIp, ConfigError, Plans, Quota, RateLimitLayer};

/// The limits of the server.
pub(crate) struct Limited {
    pub(crate) plans: RateLimitLayer,
    /// Bad credentials and wrong passwords spend one budget.
    pub(crate) failures: RateLimitLayer,
}

impl Limited {
    pub(crate) fn new(failures: u32, proxies: &[String]) -> Result<Self, ConfigError> {
        let plans = Plans::new()
            .plan("standard", [Quota::per_minute(100), Quota::per_day(10_000)])
            .plan("premium", [Quota::per_minute(1_000), Quota::per_day(100_000)])
            .fallback("standard")
            .build()?;
        let client = if proxies.is_empty() { ClientIp::peer() } else { ClientIp::behind(proxies)? };
        Ok(Self {
            plans: RateLimitLayer::by_plan(&plans).unix_reset().x_retry_after(),
            failures: RateLimitLayer::failures(Quota::per_minute(failures), client),
        })
    }
}
