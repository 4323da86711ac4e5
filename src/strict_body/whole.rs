//! The bytes of one body, for a service that is no layer.

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::{
    head::{Governed, Plan, unread},
    limits::BodyLimits,
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
