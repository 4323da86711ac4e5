//! `POST …/token` without a form: the exchange of the caller's key.

use http::{Response, request::Parts};
use http_body::Body;

use super::{json, settings::Settings};
use crate::{
    BoxError, FullBody, Rejection,
    session::TokenRequest,
    strict_body::{read_json, unread},
};

pub(super) async fn answer<B>(settings: &Settings, head: &Parts, body: B) -> Result<Response<FullBody>, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let closing = |refusal| if body.is_end_stream() { refusal } else { unread(refusal, head.version) };
    let caller = settings.caller(head).map_err(closing)?;
    let body = read_json(head, body, true, &settings.limits).await?;
    let scope = body.map(|body| json::scope(&body, &settings.limits)).transpose()?.flatten();
    let request = scope.map_or_else(TokenRequest::new, |scope| TokenRequest::new().scope(&scope));
    let exchanged = settings.sessions.exchange(&caller, &request).await;
    let tokens = exchanged.map_err(|error| Rejection::from(error).with_principal(caller))?;
    Ok(FullBody::json(tokens.to_json().to_string()))
}
