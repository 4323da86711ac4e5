//! The decisions about one request: before its body has arrived, and by its body.

use http::{Method, request::Parts};

use super::{
    head::Claimed,
    message::Messages,
    table::{Table, union},
};
use crate::{
    Anonymous, Rejection,
    context::{request::RequestContext, request_ext::caller},
};

/// A request whose head was approved.
pub(super) enum Approved {
    /// A CORS preflight that the authentication admitted. It has no caller and is no operation.
    Preflight,
    /// The operation that the headers claim. The body still decides.
    Claims(Claimed),
}

/// Decides by the head: refuses a request without a caller, and a caller that lacks a scope of the operation that the headers
/// claim. It admits nothing.
pub(super) fn by_head(request: &Parts, table: &Table) -> Result<Approved, Rejection> {
    let context = RequestContext::of(&request.extensions);
    if context.and_then(RequestContext::anonymous).is_some_and(Anonymous::is_preflight) {
        return Ok(Approved::Preflight);
    }
    let who = caller(context)?;
    let claimed = Claimed::of(&request.headers)?;
    match claimed.need(table) {
        Some(need) if !table.grants(who, need) => Err(Rejection::insufficient_scope(table.names(need))),
        Some(_) | None => Ok(Approved::Claims(claimed)),
    }
}

/// Decides by the body. `None` is a request without one.
pub(super) fn by_body(
    request: &Parts,
    table: &Table,
    approved: &Approved,
    messages: Option<&Messages>,
) -> Result<(), Rejection> {
    let claimed = match approved {
        Approved::Preflight if messages.is_none() => return Ok(()),
        Approved::Preflight => None,
        Approved::Claims(claimed) => Some(claimed),
    };
    let who = caller(RequestContext::of(&request.extensions))?;
    if let (Some(claimed), Some(messages)) = (claimed, messages) {
        claimed.check(messages)?;
    }
    let needed = messages.map(|messages| table.of_messages(messages));
    let streams = (request.method != Method::POST).then_some(&*table.streams);
    let need = union(needed.as_deref().into_iter().chain(streams));
    if table.grants(who, &need) { Ok(()) } else { Err(Rejection::insufficient_scope(table.names(&need))) }
}

/// Puts the caller into the request a second time, where a clone keeps it: an MCP server gives its tools a copy of the head.
pub(super) fn name_caller(request: &mut Parts) {
    if let Ok(who) = caller(RequestContext::of(&request.extensions)) {
        let who = who.clone();
        request.extensions.insert(who);
    }
}
