//! Path parameters, read strictly.

use ::axum::extract::{
    FromRequestParts, OptionalFromRequestParts, OriginalUri, RawPathParams, rejection::RawPathParamsRejection,
};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::params::{malformed, read, well_encoded};
use crate::{
    Rejection,
    json::{Pair, Place},
};

/// The parameters of the path, read strictly into a type (feature `axum`): axum's `Path` with the rejections of this
/// crate.
///
/// The type is one value, a tuple, or a struct with the parameter names of the route, as for `Path`. A value of a wrong
/// type is answered 422 `VALIDATION_ERROR`, like a field of a body, with the name of the parameter as the pointer. A
/// path that cannot be decoded is answered 400 `INVALID_REQUEST`. If the type does not match the route, the answer is
/// 500 and the difference is logged. A struct may omit parameters, such as those of an outer route.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_auth::{ErrorEnvelopeLayer, StrictPath};
///
/// // `GET /todos/abc` is 422: {"pointer":"/id","reason":"expected an integer from 0, found a string",…}
/// async fn todo(StrictPath(id): StrictPath<u64>) -> String {
///     format!("todo {id}")
/// }
///
/// let app = Router::<()>::new().route("/todos/{id}", get(todo)).layer(ErrorEnvelopeLayer::detailed());
/// ```
///
/// Numbers and booleans are written as in JSON: `7`, not `+7` or `007`. `Option<StrictPath<T>>` is `None` on a route
/// without parameters.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "a value is all that it will ever be, and handlers take it apart")]
pub struct StrictPath<T>(pub T);

impl<T, S> FromRequestParts<S> for StrictPath<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Rejection> {
        let params = raw(parts, state).await?.ok_or_else(|| Rejection::internal(NO_ROUTE))?;
        read(Place::Path, pairs(&params)).map(Self)
    }
}

/// Extracts `None` if the route has no parameters.
impl<T, S> OptionalFromRequestParts<S> for StrictPath<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Rejection> {
        match raw(parts, state).await?.filter(|params| params.iter().next().is_some()) {
            Some(params) => read(Place::Path, pairs(&params)).map(|path| Some(Self(path))),
            None => Ok(None),
        }
    }
}

const NO_ROUTE: &str = "StrictPath is used in a handler that is not mounted on a route of an axum Router";

fn pairs(params: &RawPathParams) -> Vec<Pair<'_>> {
    params.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Returns `None` if there is no matched route.
async fn raw<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Option<RawPathParams>, Rejection> {
    // axum leaves an invalid escape unchanged, so `%zz` and `%25zz` would be the same value.
    let original: Option<&OriginalUri> = parts.extensions.get();
    let paths = [original.map_or("", |uri| uri.path()), parts.uri.path()];
    paths.into_iter().try_for_each(well_encoded).map_err(|why| malformed(Place::Path, "", why))?;
    match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => Ok(Some(params)),
        Err(RawPathParamsRejection::InvalidUtf8InPathParam(error)) => {
            // axum names the parameter only in this text.
            let text = error.body_text();
            Err(malformed(Place::Path, text.split('`').nth(1).unwrap_or_default(), "the bytes are not UTF-8"))
        }
        Err(_) => Ok(None),
    }
}
