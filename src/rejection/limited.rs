use std::{borrow::Cow, time::Duration};

use http::{HeaderName, HeaderValue};

use super::value::{Facts, Rejection, whole_seconds};
use crate::RejectionKind;

impl Rejection {
    /// Returns 429: a limit of this size is used up. It sets all facts at once, without a copy, because a client above
    /// its limit often sends many requests.
    pub(crate) fn rate_limited(
        size: u32,
        wait: Duration,
        policy: &str,
        headers: Vec<(HeaderName, HeaderValue)>,
    ) -> Self {
        let details = vec![
            (Cow::Borrowed("limit"), u64::from(size).into()),
            (Cow::Borrowed("retry_after"), whole_seconds(wait).into()),
        ];
        let (retry_after, policy) = (Some(wait), Some(policy.into()));
        Self::of_facts(Facts { details, headers, retry_after, policy, ..Facts::new(RejectionKind::RateLimited) })
    }
}
