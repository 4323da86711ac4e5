//! Rules 001 to 010 and 012 to 018.

mod challenges;
mod credentials;
mod outside;

use std::convert::Infallible;

use http::{HeaderName, Request, Response};
use tower::{Service, ServiceExt as _};
use tower_auth::{AuthFuture, AuthOutcome, Authenticator, Principal, RequestHead};

use crate::support::Body;

async fn answer<S, B>(service: S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

/// A method of a user's own: the whole value of a header is the caller's name.
struct Named {
    headers: Vec<HeaderName>,
    challenge: &'static str,
}

impl Named {
    fn new(header: &'static str, challenge: &'static str) -> Self {
        Self { headers: vec![HeaderName::from_static(header)], challenge }
    }
}

impl Authenticator for Named {
    fn authenticate(&self, request: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(match request.headers().get(&self.headers[0]) {
            Some(name) => AuthOutcome::Authenticated(Principal::builder(name.to_str().unwrap()).build()),
            None => AuthOutcome::NoCredential,
        })
    }

    fn challenge(&self) -> &str {
        self.challenge
    }

    fn credential_headers(&self) -> &[HeaderName] {
        &self.headers
    }
}
