//! `POST …/refresh` and `POST …/logout`: by the refresh token in the body, or in the cookie of a browser.

use http::{HeaderValue, Response, StatusCode, header, request::Parts};
use http_body::Body;
use serde_json::json;

use super::{cookies::SessionCookies, fault::Fault, json, proof, settings::Settings};
use crate::{
    BoxError, FullBody, Rejection, Secret,
    base::{clock::rfc3339, same_site},
    session::{SessionError, TokenRequest},
    strict_body::read_json,
};

/// Where the refresh token was.
enum Presented<'a> {
    Body(Secret),
    /// In a cookie, if the browser has it.
    Browser(&'a SessionCookies),
}

pub(super) async fn refresh<B>(settings: &Settings, head: &Parts, body: B) -> Result<Response<FullBody>, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    match presented(settings, head, body).await? {
        Presented::Body(token) => {
            let asked = match proof::request(settings, &head.into()) {
                Ok(asked) => asked,
                Err(refused) => return Ok(Fault::from(refused).into_response()),
            };
            match settings.sessions.refresh(token.expose(), &asked).await {
                Ok(tokens) => {
                    let answer = FullBody::json(tokens.to_json().to_string());
                    Ok(proof::with_newer_nonce(settings, &head.into(), answer))
                }
                Err(error @ SessionError::Proof(_)) => Ok(Fault::from(error).into_response()),
                Err(error) => Err(error.into()),
            }
        }
        Presented::Browser(_) if proof::is_required(settings) => {
            Ok(Fault::from(proof::Refused::missing()).into_response())
        }
        Presented::Browser(cookies) => match cookies.refresh_token(&head.headers)? {
            Some(token) => Ok(by_cookie(settings, &token, cookies).await),
            // Nothing is removed: the browser may be signing in just now.
            None => {
                Err(Rejection::missing_credential(None).cause("the request has no body, and no cookie of a session"))
            }
        },
    }
}

/// A session that has ended is forgotten. An outage changes nothing: the browser can try again.
async fn by_cookie(settings: &Settings, token: &Secret, cookies: &SessionCookies) -> Response<FullBody> {
    match settings.sessions.refresh(token.expose(), &TokenRequest::new()).await {
        Ok(tokens) => {
            let answer = FullBody::json(json!({ "expires_in": tokens.expires_in.as_secs() }).to_string());
            add(answer, cookies.set(&tokens))
        }
        Err(error) => {
            let refused = Rejection::from(error).into_response::<FullBody>();
            let over = refused.status() == StatusCode::UNAUTHORIZED;
            if over { add(refused, cookies.clear()) } else { refused }
        }
    }
}

/// Whether there was something to end is not said.
pub(super) async fn log_out<B>(settings: &Settings, head: &Parts, body: B) -> Result<Response<FullBody>, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    // Published clients read all three.
    let at = rfc3339(settings.sessions.clock().now()).to_string();
    let done = || {
        FullBody::json(json!({ "success": true, "message": "You are signed out.", "logged_out_at": at }).to_string())
    };
    match presented(settings, head, body).await? {
        Presented::Body(token) => {
            settings.sessions.log_out(token.expose()).await?;
            Ok(done())
        }
        Presented::Browser(cookies) => {
            browser_logs_out(settings, head, cookies).await?;
            Ok(add(done(), cookies.clear()))
        }
    }
}

/// Ends the session of the refresh token, or else that of the access token: a browser may have lost one of the two.
async fn browser_logs_out(settings: &Settings, head: &Parts, cookies: &SessionCookies) -> Result<(), Rejection> {
    let (sessions, headers) = (&settings.sessions, &head.headers);
    let (refresh, access) = (cookies.refresh_token(headers)?, cookies.access_token(headers)?);
    let has_ended = match refresh {
        Some(token) => sessions.log_out(token.expose()).await?,
        None => false,
    };
    if let Some(token) = access.filter(|_| !has_ended) {
        sessions.log_out_by_access_token(token.expose()).await?;
    }
    Ok(())
}

/// Returns the refresh token. A body decides, even if there is a cookie too: no website can make a browser send it.
async fn presented<'a, B>(settings: &'a Settings, head: &Parts, body: B) -> Result<Presented<'a>, Rejection>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let body = read_json(head, body, settings.cookies.is_some(), &settings.limits).await?;
    let Some((cookies, None)) = settings.cookies.as_ref().map(|cookies| (cookies, body.as_ref())) else {
        return json::refresh_token(&body.unwrap_or_default(), &settings.limits).map(Presented::Body);
    };
    same_site::check(&head.method, &head.uri, &head.headers).map_err(Rejection::cross_site)?;
    Ok(Presented::Browser(cookies))
}

fn add(mut response: Response<FullBody>, cookies: impl Iterator<Item = HeaderValue>) -> Response<FullBody> {
    for cookie in cookies {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
