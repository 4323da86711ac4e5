use http::{Extensions, Response};

use super::value::Rejection;

impl Rejection {
    /// Returns the refusal in a response's extensions, rendered by an envelope or not. With the feature `tonic`, also
    /// returns a refusal that a handler returned as a `Status`.
    #[must_use]
    pub fn of<B>(response: &Response<B>) -> Option<&Self> {
        response.extensions().get().or_else(|| in_status(response.extensions()))
    }
}

/// tonic keeps a handler's status in the extensions of the response.
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
