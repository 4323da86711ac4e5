//! Who calls an endpoint.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, Response, request::Parts};
use tower_layer::Layer as _;
use tower_service::Service;

use crate::{
    ApiKeyLayer, AuthLayer, Authenticator as _, Clock, Permission, Principal, Rejection, RejectionKind, RequestHead,
    RequireLayer,
    base::credential,
    context::{identity::Identity, request::RequestContext},
    gate::Gate,
};

/// Behind the guards: answers who the caller is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Who;

impl Service<Request<()>> for Who {
    type Response = Response<Option<Principal>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        ready(Ok(Response::new(RequestHead::from(&request).principal().cloned())))
    }
}

/// Runs the guards of a gate on the head of a request. They log their refusals.
async fn pass(gate: &Gate<Who>, request: Request<()>) -> Result<Option<Principal>, Rejection> {
    let mut gate = gate.clone();
    let Ok(response) = gate.call(request).await;
    match Rejection::of(&response) {
        Some(refusal) => Err(refusal.clone()),
        None => Ok(response.into_body()),
    }
}

/// The keys of clients.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    layer: ApiKeyLayer,
    gate: Gate<Who>,
}

impl Keys {
    pub(super) fn new(layer: ApiKeyLayer, clock: &Clock) -> Self {
        let gate = AuthLayer::first(layer.clone()).optional().clock(clock.clone()).layer(Who);
        Self { layer, gate }
    }

    /// Authenticates the caller by the key in the header that the layer reads; `None` without a key.
    pub(super) async fn read(&self, head: &Parts) -> Result<Option<Principal>, Rejection> {
        pass(&self.gate, RequestHead::from(head).to_request()).await
    }

    /// Authenticates the caller by this key, which the request presents elsewhere.
    pub(super) async fn check(&self, head: &Parts, key: &str) -> Result<Principal, Rejection> {
        let mut request = RequestHead::from(head).to_request();
        for name in self.layer.credential_headers() {
            request.headers_mut().remove(name);
        }
        let Some((name, value)) = self.layer.presenting(key) else { return Err(self.invalid()) };
        request.headers_mut().insert(name, value);
        pass(&self.gate, request).await?.ok_or_else(|| self.invalid())
    }

    /// Returns whether the request has a header that the layer reads. `Authorization` does not count if it has a Basic
    /// credential.
    pub(super) fn are_in(&self, head: &Parts, basic: bool) -> bool {
        let read = self.layer.credential_headers().iter();
        let mut read = read.filter(|name| !(basic && credential::is_authorization(name)));
        read.any(|name| credential::presents(&head.headers, name))
    }

    pub(super) fn missing(&self) -> Rejection {
        Rejection::missing_credential(self.challenge().map(Arc::new))
    }

    fn invalid(&self) -> Rejection {
        Rejection::new(RejectionKind::InvalidKey).cause("no header can contain the key")
    }

    /// Returns the challenge of the layer.
    pub(super) fn challenge(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.layer.challenge()).ok()
    }

    /// Returns the challenge for clients that have used `Authorization: Basic`.
    pub(super) fn basic_challenge(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(self.layer.challenge_by("Basic").as_str()).ok()
    }
}

/// Who may introspect tokens.
#[derive(Clone, Debug)]
pub(super) struct Permitted(Gate<Who>);

impl Permitted {
    pub(super) fn new(permission: impl Permission, clock: &Clock) -> Self {
        Self(RequireLayer::new(permission).clock(clock.clone()).layer(Who))
    }

    /// Asks the policy.
    pub(super) async fn check(&self, head: &Parts, caller: Principal) -> Result<(), Rejection> {
        let mut request = RequestHead::from(head).to_request();
        RequestContext::of_mut(request.extensions_mut()).set_identity(Identity::Principal(caller));
        pass(&self.0, request).await.map(drop)
    }
}
