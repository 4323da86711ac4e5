//! `POST …/revoke` (RFC 7009) and `POST …/introspect` (RFC 7662).

use http::{Response, request::Parts};

use super::{caller::Permitted, client::Client, fault::Fault, form::Form, settings::Settings};
use crate::FullBody;

/// The documented parameters of both. A hint makes nothing faster here: a token itself shows what it is.
pub(super) const PARAMETERS: &[&str] = &["token", "token_type_hint", "client_id", "client_secret"];

/// Revokes a token. A token that is unknown or expired is answered like one that was revoked.
pub(super) async fn revoke(settings: &Settings, head: &Parts, form: &Form) -> Result<Response<FullBody>, Fault> {
    let client = Client::of(settings, head, form).await?;
    let revoked = settings.sessions.revoke(form.required("token")?, client.id()).await;
    revoked.map_err(|error| Fault::from(error).of(client.caller.as_ref()))?;
    Ok(Response::new(FullBody::default()))
}

/// Says what is known of a token.
pub(super) async fn introspect(
    settings: &Settings,
    permitted: &Permitted,
    head: &Parts,
    form: &Form,
) -> Result<Response<FullBody>, Fault> {
    let client = Client::of(settings, head, form).await?;
    let caller = client.required(settings, head)?;
    permitted.check(head, caller.clone()).await.map_err(|refusal| Fault::from(refusal).forbidden())?;
    let known = settings.sessions.introspect(form.required("token")?).await?;
    Ok(FullBody::json(known.to_json().to_string()))
}
