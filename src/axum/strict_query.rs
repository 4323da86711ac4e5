//! Query parameters, read strictly.

use ::axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::params::{decoded, malformed, read};
use crate::{
    Rejection,
    json::{Pair, Place},
};

/// The query, read strictly into a struct (feature `axum`): axum's `Query`, but undocumented parameters are refused.
///
/// Errors are answered like those of a body: 422 `VALIDATION_ERROR` with a pointer, a reason and, for an unknown name,
/// the name that was probably meant. A parameter that is given twice but read as a single value is refused too, because
/// the service and a proxy in front of it might read different values. A name or value that cannot be decoded is
/// answered 400 `INVALID_REQUEST`.
///
/// ```
/// use axum::{Router, routing::get};
/// use tower_auth::{ErrorEnvelopeLayer, StrictQuery};
///
/// #[derive(serde::Deserialize)]
/// struct Page {
///     limit: Option<u32>, // `?limit=ten`, `?limit=1&limit=2` and `?limt=10` are 422
///     #[serde(default)]
///     tag: Vec<String>, // `?tag=a&tag=b`
/// }
///
/// async fn todos(StrictQuery(page): StrictQuery<Page>) -> String {
///     format!("{} of {:?}", page.limit.unwrap_or(20), page.tag)
/// }
///
/// let app = Router::<()>::new().route("/todos", get(todos)).layer(ErrorEnvelopeLayer::detailed());
/// ```
///
/// A field may be a string, a number, a boolean, an enum without contents, an `Option` of one of these types, or a list
/// of them. A list takes all values of its name. Numbers and booleans are written as in JSON (`7`, not `+7` or `007`).
/// Names and values are decoded as in a form (`+` is a space). `StrictQuery<()>` accepts no parameters. A `HashMap`
/// accepts any parameters, each once.
///
/// If the type cannot be read strictly ([`json::check_type`](crate::json::check_type)), for example because of
/// `#[serde(flatten)]`, or contains another struct, the request is answered 500 and the reason is logged.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
#[expect(clippy::exhaustive_structs, reason = "a value is all that it will ever be, and handlers take it apart")]
pub struct StrictQuery<T>(pub T);

impl<T, S> FromRequestParts<S> for StrictQuery<T>
where
    T: DeserializeOwned + 'static,
    S: Send + Sync,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Rejection> {
        read(Place::Query, pairs(parts.uri.query().unwrap_or_default())?).map(Self)
    }
}

/// Parses the parameters as a form (WHATWG URL, section 5.1), but refuses malformed escapes.
fn pairs(query: &str) -> Result<Vec<Pair<'_>>, Rejection> {
    query.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

fn pair(piece: &str) -> Result<Pair<'_>, Rejection> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let name = decoded(name).map_err(|why| malformed(Place::Query, "", why))?;
    let value = decoded(value).map_err(|why| malformed(Place::Query, &name, why))?;
    Ok((name, value))
}
