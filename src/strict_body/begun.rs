//! A body that another layer reads and judges.

use http::request::Parts;
use http_body::Body;

use super::{
    head::{Governed, Plan, unread},
    limits::BodyLimits,
    reading::Reading,
};
use crate::Rejection;

/// Begins to read a body of JSON within the limits. Returns `None` if there is no body, and the method needs none.
///
/// # Errors
/// The refusal of the head: another media type, a coding, a declared length above the limit.
pub(crate) fn begin<B: Body>(request: &Parts, body: B, limits: &BodyLimits) -> Result<Option<Reading<B>>, Rejection> {
    let governed = Governed { optional: false, json_only: false };
    match governed.plan(request, &body, limits.bytes) {
        Plan::Pass | Plan::Absent => Ok(None),
        Plan::Refuse(rejection) => Err(unread(rejection, request.version)),
        Plan::Read(empty) => Ok(Some(Reading::new(body, empty, limits))),
    }
}
