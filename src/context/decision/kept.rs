use std::net::IpAddr;

use http::{Extensions, Method, Request, Uri, request::Parts};

use crate::{
    PeerAddr, Principal, RequestId,
    context::{asked::Asked, attempts::Attempts, identity::Identity},
};

/// What is kept of a request for the case that it is refused further in, where only the response comes back. Nothing of
/// it is copied: all parts are shared or small.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(super) asked: Asked,
    pub(super) principal: Option<Principal>,
    pub(super) request_id: Option<RequestId>,
    pub(super) peer: Option<IpAddr>,
    pub(super) client: Option<IpAddr>,
}

impl Kept {
    pub(crate) fn of(request: &Parts) -> Self {
        Self::new(&request.method, &request.uri, &request.extensions)
    }

    pub(crate) fn of_request<B>(request: &Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.extensions())
    }

    /// Under the id that the client is shown.
    pub(crate) fn under(self, request_id: RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    fn new(method: &Method, uri: &Uri, extensions: &Extensions) -> Self {
        Self {
            asked: Asked::new(method, uri, extensions),
            principal: principal(extensions).cloned(),
            request_id: RequestId::of(extensions),
            peer: peer(extensions),
            client: client(extensions),
        }
    }
}

/// Who is calling, if a gate has found out.
pub(super) fn principal(extensions: &Extensions) -> Option<&Principal> {
    match extensions.get() {
        Some(Identity::Principal(principal)) => Some(principal),
        _ => None,
    }
}

pub(super) fn peer(extensions: &Extensions) -> Option<IpAddr> {
    PeerAddr::of(extensions).map(|peer| peer.0)
}

/// The address whose failed attempts are counted.
pub(super) fn client(extensions: &Extensions) -> Option<IpAddr> {
    extensions.get().map(Attempts::client)
}
