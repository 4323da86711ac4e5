//! Detects a path that was changed after a router chose its route.

#[cfg(feature = "axum")]
use super::routed::by_this_path;
use crate::RequestHead;

/// Returns whether an axum router chose a route by another path than the current one. This happens inside `nest`, which
/// removes a prefix, and behind a path rewrite. Rules for whole paths would match the wrong routes there.
///
/// If the outer router chose no route, the result is false: the inner router chooses one by the current path.
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

/// Returns the path that the outermost axum router received.
#[cfg(feature = "axum")]
pub(super) fn original_path<'a>(request: &RequestHead<'a>) -> &'a str {
    request.extensions().get::<axum::extract::OriginalUri>().map_or(request.path(), |original| original.0.path())
}

#[cfg(not(feature = "axum"))]
pub(super) fn original_path<'a>(request: &RequestHead<'a>) -> &'a str {
    request.path()
}
