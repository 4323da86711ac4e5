//! `POST …/token` with a form: the grants of OAuth.

use http::{Response, request::Parts};
use serde_json::Value;

use super::{
    client::{Claimed, Client},
    fault::Fault,
    form::Form,
    proof,
    settings::Settings,
};
use crate::{
    FullBody,
    session::{IssuedTokens, SessionError, TokenRequest},
};

/// The grants, as clients and the metadata name them.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
pub(super) const CLIENT_CREDENTIALS: &str = "client_credentials";

/// The documented parameters of all grants.
pub(super) const PARAMETERS: &[&str] = &[
    "grant_type",
    "scope",
    "audience",
    "resource",
    "refresh_token",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "client_id",
    "client_secret",
];

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// Answers a form.
pub(super) async fn answer(
    settings: &Settings,
    head: &Parts,
    client: &Claimed,
    form: &Form,
) -> Result<Response<FullBody>, Fault> {
    let grant = form.required("grant_type")?;
    if ![TOKEN_EXCHANGE, REFRESH_TOKEN, CLIENT_CREDENTIALS].contains(&grant) {
        return Err(Fault::unsupported_grant_type());
    }
    let client = Client::of(head, client)?;
    let proven = proof::request(settings, &head.into());
    let asked = request(proven.map_err(|refused| Fault::from(refused).of(client.caller.as_ref()))?, form)?;
    let answer = match grant {
        TOKEN_EXCHANGE => exchange(settings, asked, &client, form).await?,
        REFRESH_TOKEN => refresh(settings, asked, &client, form).await?.to_json(),
        _ => credentials(settings, asked, head, &client).await?.to_json(),
    };
    Ok(proof::with_newer_nonce(settings, &head.into(), FullBody::json(answer.to_string())))
}

/// RFC 6749, section 4.4. A client that has its key needs no refresh token (section 4.4.3).
async fn credentials(
    settings: &Settings,
    asked: TokenRequest,
    head: &Parts,
    client: &Client,
) -> Result<IssuedTokens, Fault> {
    let caller = client.required(settings, head)?;
    let exchanged = settings.sessions.exchange(caller, &asked.without_refresh()).await;
    exchanged.map_err(|error| Fault::from(error).of(Some(caller)))
}

/// RFC 6749, section 6.
async fn refresh(
    settings: &Settings,
    asked: TokenRequest,
    client: &Client,
    form: &Form,
) -> Result<IssuedTokens, Fault> {
    let request = client.add_to(asked);
    let refreshed = settings.sessions.refresh(form.required("refresh_token")?, &request).await;
    refreshed.map_err(|error| Fault::from(error).of(client.caller.as_ref()))
}

/// RFC 8693.
async fn exchange(settings: &Settings, asked: TokenRequest, client: &Client, form: &Form) -> Result<Value, Fault> {
    let token = form.required("subject_token")?;
    check_type(form.required("subject_token_type")?, "subject_token_type")?;
    let actor = form.get("actor_token");
    match (actor, form.get("actor_token_type")) {
        (Some(_), Some(kind)) => check_type(kind, "actor_token_type")?,
        (Some(_), None) => return Err(Fault::invalid_request("actor_token_type is missing")),
        (None, Some(_)) => return Err(Fault::invalid_request("actor_token is missing")),
        (None, None) => {}
    }
    let issued = match form.get("requested_token_type") {
        None | Some(ACCESS_TOKEN) => ACCESS_TOKEN,
        Some(JWT) => JWT,
        Some(_) => return Err(Fault::invalid_request("this requested_token_type is not issued")),
    };
    // A name that nobody has verified does not get into a token.
    let request = match client.key() {
        Some(key) => asked.client(key),
        None => asked,
    };
    let exchanged = settings.sessions.exchange_token(token, actor, &request).await;
    let tokens = exchanged.map_err(|error| Fault::from(error).of(client.caller.as_ref()))?;
    let mut answer = tokens.to_json();
    if let Some(members) = answer.as_object_mut() {
        members.insert("issued_token_type".to_owned(), issued.into());
    }
    Ok(answer)
}

fn check_type(kind: &str, parameter: &str) -> Result<(), Fault> {
    match kind {
        ACCESS_TOKEN | JWT | ID_TOKEN => Ok(()),
        _ => Err(Fault::invalid_request(format!("this {parameter} is not accepted"))),
    }
}

/// Adds what all grants may ask for: the scope, and one audience (RFC 8693, section 2.1, and RFC 8707).
fn request(mut request: TokenRequest, form: &Form) -> Result<TokenRequest, Fault> {
    if let Some(scope) = form.get("scope") {
        request = request.scope(scope);
    }
    let mut targets = form.all("audience").chain(form.all("resource"));
    let Some(target) = targets.next() else { return Ok(request) };
    match targets.find(|other| *other != target) {
        // A token is for one of the audiences, or for all.
        Some(other) => Err(SessionError::Target(other.to_owned()).into()),
        None => Ok(request.audience(target)),
    }
}
