//! `POST …/revoke` (RFC 7009) and `POST …/introspect` (RFC 7662).

use http::{Response, request::Parts};

use super::{
    client::{Claimed, Client},
    fault::Fault,
    form::Form,
    gates::Gates,
    settings::Settings,
};
use crate::{FullBody, session::TokenRequest};

/// The documented parameters of both. A revocation needs no hint: a token itself shows what it is.
pub(super) const PARAMETERS: &[&str] = &["token", "token_type_hint", "client_id", "client_secret"];

/// Revokes a token. A token that is unknown or expired is answered like one that was revoked.
pub(super) async fn revoke(
    settings: &Settings,
    head: &Parts,
    client: &Claimed,
    form: &Form,
) -> Result<Response<FullBody>, Fault> {
    let client = Client::of(head, client)?;
    let revoked = settings.sessions.revoke_for(form.required("token")?, &client.add_to(TokenRequest::new())).await;
    revoked.map_err(|error| Fault::from(error).of(client.caller.as_ref()))?;
    Ok(Response::new(FullBody::default()))
}

/// The only hint that is heeded.
const REFRESH_TOKEN: &str = "refresh_token";

/// Says what is known of an access token, and of a refresh token only to a caller that asks for one: services
/// introspect what a request presents as an access token, and read nothing but `active`.
pub(super) async fn introspect(
    settings: &Settings,
    gates: &Gates,
    head: &Parts,
    client: &Claimed,
    form: &Form,
) -> Result<Response<FullBody>, Fault> {
    Client::of(head, client)?.required(settings, head)?;
    gates.permit(head).await.map_err(|refusal| Fault::from(refusal).forbidden())?;
    let (token, sessions) = (form.required("token")?, &settings.sessions);
    let known = sessions.introspect(token).await?;
    // A hint may be wrong (RFC 7662, section 2.1), so an access token is found with it too.
    let asks_refresh = form.get("token_type_hint") == Some(REFRESH_TOKEN) && !known.is_active();
    let known = if asks_refresh { sessions.introspect_refresh_token(token).await? } else { known };
    Ok(FullBody::json(known.to_json().to_string()))
}
