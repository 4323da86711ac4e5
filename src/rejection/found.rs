use http::{Extensions, Response};

use super::value::Rejection;

impl Rejection {
    /// The refusal that a response carries, whether an envelope has rendered it or not; also one that a tonic handler
    /// answered as a `Status` (feature `tonic`).
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        response.extensions().get().or_else(|| in_status(response.extensions()))
    }
}

/// tonic leaves a handler's status in the extensions of the response that it makes of it.
#[cfg(feature = "tonic")]
fn in_status(extensions: &Extensions) -> Option<&Rejection> {
    use std::error::Error as _;
    let carried: &super::carried::Carried = extensions.get::<tonic::Status>()?.source()?.downcast_ref()?;
    Some(carried.rejection())
}

#[cfg(not(feature = "tonic"))]
const fn in_status(_: &Extensions) -> Option<&Rejection> {
    None
}
