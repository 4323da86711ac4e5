//! The bytes of a form, for a service that is no layer.

use bytes::Bytes;
use http::request::Parts;
use http_body::Body;

use super::{
    head::{Empty, declared, too_large, unread},
    limits::BodyLimits,
    media::coding,
    reading::Reading,
};
use crate::{BoxError, Rejection};

/// Reads a body whose media type is known to be that of a form, within the limits.
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
