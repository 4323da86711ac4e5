//! The bytes of one body, for a service that is no layer.

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::{
    head::{Empty, Governed, Plan, declared, too_large, unread},
    limits::BodyLimits,
    media::coding,
    reading::Reading,
};
use crate::{BoxError, Rejection};

/// Reads a body of JSON within the limits. Returns `None` if there is no body, and none is needed.
pub(crate) async fn read_json<B>(
    request: &Parts,
    body: B,
    optional: bool,
    limits: &BodyLimits,
) -> Result<Option<Bytes>, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let governed = Governed { optional, json_only: false };
    let refused = |rejection| unread(rejection, request.version);
    let empty = match governed.plan(request, &body, limits.bytes) {
        Plan::Pass | Plan::Absent => return Ok(None),
        Plan::Refuse(rejection) => return Err(refused(rejection)),
        Plan::Read(empty) => empty,
    };
    let whole = Reading::new(body, empty, limits).await.map_err(refused)?;
    Ok((!whole.absent).then_some(whole.bytes))
}

/// Reads a body whose media type is known to be that of a form, within the limits.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) async fn read_form<B>(request: &Parts, body: B, limits: &BodyLimits) -> Result<Bytes, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let refused = |rejection| unread(rejection, request.version);
    if let Some(refusal) = coding(request) {
        return Err(refused(refusal));
    }
    let length = declared(&request.headers).unwrap_or(0).max(body.size_hint().lower());
    if length > limits.bytes as u64 {
        return Err(refused(too_large(limits.bytes)));
    }
    let whole = Reading::new(body, Empty::Passes, limits).await.map_err(refused)?;
    Ok(whole.bytes)
}
