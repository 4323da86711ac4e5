//! `POST …/token` without a form: the exchange of the caller's key.

use http::{Response, request::Parts};
use http_body::Body;

use super::{fault::Fault, json, proof, settings::Settings};
use crate::{
    BoxError, FullBody, Rejection,
    session::SessionError,
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
    let asked = match proof::request(settings, &head.into()) {
        Ok(asked) => asked,
        Err(refused) => return Ok(Fault::from(refused).of(Some(&caller)).into_response()),
    };
    let request = match &scope {
        Some(scope) => asked.scope(scope),
        None => asked,
    };
    match settings.sessions.exchange(&caller, &request).await {
        Ok(tokens) => {
            let answer = FullBody::json(tokens.to_json().to_string());
            Ok(proof::with_newer_nonce(settings, &head.into(), answer))
        }
        Err(error @ SessionError::Proof(_)) => Ok(Fault::from(error).of(Some(&caller)).into_response()),
        Err(error) => Err(Rejection::from(error).with_principal(caller)),
    }
}
