//! Finds out by which path an axum router chose its route.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::extract::{FromRequestParts as _, RawPathParams};
use http::Request;

use super::path::{decoded, encoded_ambiguity};
use crate::RequestHead;

/// Returns whether the router chose this route by the current path: the route equals that path when its parameters are
/// filled in. The original path must have no ambiguous encoding, because axum only provides decoded parameters.
pub(super) fn by_this_path(request: &RequestHead<'_>, original: &str, route: &str) -> bool {
    let path: Vec<u8> = decoded(request.path()).collect();
    encoded_ambiguity(original).is_none() && filled_in(request, route).is_some_and(|all| all == path)
}

/// Returns a route with its parameters filled in, decoded.
fn filled_in(request: &RequestHead<'_>, route: &str) -> Option<Vec<u8>> {
    let params = params(request)?;
    let mut params = params.iter();
    let (mut path, mut rest) = (Vec::new(), route);
    while let Some(at) = rest.find(['{', '}']) {
        path.extend(decoded(&rest[..at]));
        let brace = &rest[at..];
        // A doubled brace is an escaped brace.
        if brace.starts_with("{{") || brace.starts_with("}}") {
            path.extend(&brace.as_bytes()[..1]);
            rest = &brace[2..];
            continue;
        }
        let (name, behind) = brace.strip_prefix('{')?.split_once('}')?;
        let (param, value) = params.next()?;
        if param != name.trim_start_matches('*') {
            return None;
        }
        path.extend(value.as_bytes());
        rest = behind;
    }
    path.extend(decoded(rest));
    params.next().is_none().then_some(path)
}

/// axum exposes path parameters only to extractors, so an extractor is run on a copy of the extensions. It never waits.
fn params(request: &RequestHead<'_>) -> Option<RawPathParams> {
    let (mut head, ()) = Request::new(()).into_parts();
    head.extensions = request.extensions().clone();
    let extracting = pin!(RawPathParams::from_request_parts(&mut head, &()));
    match extracting.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(params) => params.ok(),
        Poll::Pending => None,
    }
}
