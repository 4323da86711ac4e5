use std::net::IpAddr;

use crate::{
    ClientIp, Principal, RequestId,
    context::{asked::Asked, head::RequestHead},
};

/// What is kept of a request for the log line of a refusal from further in, because only the response comes back from
/// there. No text is copied: all parts are shared or small.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(super) asked: Asked,
    pub(super) principal: Option<Principal>,
    pub(super) request_id: Option<RequestId>,
    pub(super) peer: Option<IpAddr>,
    pub(super) client: Option<IpAddr>,
}

impl Kept {
    /// Keeps what an observer is told of a request.
    pub(super) fn seen(request: &RequestHead<'_>) -> Self {
        Self::of(request, request.pass().and_then(|pass| pass.client_ip))
    }

    /// Keeps what a gate or an envelope knows of the request. `client_ip` is the setting of a stack.
    pub(crate) fn of(request: &RequestHead<'_>, client_ip: Option<&ClientIp>) -> Self {
        Self {
            asked: Asked::new(request.method(), request.uri(), request.extensions()),
            principal: request.principal().cloned(),
            request_id: request.request_id().cloned(),
            peer: request.peer_ip(),
            client: client_ip.map_or_else(|| request.client_ip(), |client_ip| client_ip.resolve(*request).ok()),
        }
    }

    /// Sets the id that the client sees.
    pub(crate) fn under(self, request_id: RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }
}
