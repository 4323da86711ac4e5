//! Query parameters, read strictly.

use ::axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::params::{decoded, malformed, read};
use crate::{
    Rejection,
    json::{Pair, Place},
};

/// The query, read strictly into a struct (feature `axum`): axum's `Query` where nothing undocumented gets in.
///
/// What is not as documented is answered as in a body: 422 `VALIDATION_ERROR` with a pointer, a reason and, for a name
/// that is not known, the name that was probably meant. So is a parameter that is given twice and read once: the
/// service and a proxy in front of it might read different ones. A name or value that cannot be decoded is 400
/// `INVALID_REQUEST`.
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
/// A field is a text, a number, a boolean, an enum without contents, an `Option` of these, or a list of these, which
/// takes all values of its name. Numbers and booleans are written as in JSON (`7`, not `+7` or `007`); names and values
/// are decoded as those of a form are (`+` is a space). `StrictQuery<()>` takes no parameters at all, and a `HashMap`
/// any, each once.
///
/// A type with parts whose names nobody can see ([`json::check_type`](crate::json::check_type)), such as
/// `#[serde(flatten)]`, and a struct inside the struct are answered 500, and the log says why.
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

/// The parameters as a form has them (WHATWG URL, section 5.1), without its leniency.
fn pairs(query: &str) -> Result<Vec<Pair<'_>>, Rejection> {
    query.split('&').filter(|piece| !piece.is_empty()).map(pair).collect()
}

fn pair(piece: &str) -> Result<Pair<'_>, Rejection> {
    let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
    let name = decoded(name).map_err(|why| malformed(Place::Query, "", why))?;
    let value = decoded(value).map_err(|why| malformed(Place::Query, &name, why))?;
    Ok((name, value))
}
