//! Paths that are not the ones by which a router chose its route.

#[cfg(feature = "axum")]
use super::routed::by_this_path;
use crate::RequestHead;

/// Whether the path is another than the one by which a router of axum has chosen a route: inside `nest`, which takes a
/// prefix off, or behind something that rewrites. A table of whole paths would mean something else by what is left.
///
/// Behind an outer router that has chosen no route, the router behind has yet to choose, by the path as it is.
#[cfg(feature = "axum")]
pub(super) fn is_moved(request: &RequestHead<'_>) -> bool {
    use axum::extract::{MatchedPath, NestedPath};

    let (original, facts) = (original_path(request), request.extensions());
    let chosen_by_another = |route: &MatchedPath| !by_this_path(request, original, route.as_str());
    original != request.path() && (facts.get::<NestedPath>().is_some() || facts.get().is_some_and(chosen_by_another))
}

#[cfg(not(feature = "axum"))]
pub(super) const fn is_moved(_: &RequestHead<'_>) -> bool {
    false
}

/// The path as the outermost router of axum has seen it.
#[cfg(feature = "axum")]
pub(super) fn original_path<'a>(request: &RequestHead<'a>) -> &'a str {
    request.extensions().get::<axum::extract::OriginalUri>().map_or(request.path(), |original| original.0.path())
}

#[cfg(not(feature = "axum"))]
pub(super) fn original_path<'a>(request: &RequestHead<'a>) -> &'a str {
    request.path()
}
