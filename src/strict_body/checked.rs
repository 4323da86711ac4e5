//! The same checks for one handler, without a layer.

use std::{any::TypeId, cell::RefCell};

use http::Request;
use http_body::Body;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{limits::BodyLimits, valid::ValidBody, whole::read_json};
use crate::{
    BoxError, Rejection, RejectionKind,
    json::{self, JsonLimits},
};

/// Returns the value of a request's body. If a layer has read the body, its value is taken; otherwise the body is read
/// here. Returns `None` if there is no body.
pub(crate) async fn extract<T, B>(request: Request<B>, optional: bool) -> Result<Option<T>, Rejection>
where
    T: DeserializeOwned + Send + 'static,
    B: Body,
    B::Error: Into<BoxError>,
{
    if let Some(value) = request.extensions().get().and_then(ValidBody::take) {
        return Ok(Some(value));
    }
    check_type_once::<T>()?;
    let (request, body) = request.into_parts();
    let limits = BodyLimits::of(&request.extensions);
    let bytes = read_json(&request, body, optional, &limits).await?;
    Ok(bytes.map(|bytes| json::from_slice(&bytes, &limits.json)).transpose()?)
}

/// 400: a handler that requires a body is not called without one, whatever the method.
pub(crate) fn no_body() -> Rejection {
    let nothing = json::from_slice::<IgnoredAny>(b"", &JsonLimits::new());
    nothing.map_or_else(Rejection::from, |_| RejectionKind::InvalidJson.into())
}

thread_local! {
    /// The types that passed the check. The list is local to the thread, so that no request waits for another thread.
    static STRICT: RefCell<Vec<TypeId>> = const { RefCell::new(Vec::new()) };
}

/// Checks a type on its first request, because an extractor has no constructor that could return the error.
pub(crate) fn check_type_once<T: DeserializeOwned + 'static>() -> Result<(), Rejection> {
    let id = TypeId::of::<T>();
    if STRICT.with_borrow(|strict| strict.contains(&id)) {
        return Ok(());
    }
    json::check_type::<T>().map_err(Rejection::internal)?;
    STRICT.with_borrow_mut(|strict| strict.push(id));
    Ok(())
}
