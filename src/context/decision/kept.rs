use std::net::IpAddr;

use crate::{
    ClientIp, Principal, RequestId,
    context::{asked::Asked, head::RequestHead},
};

/// What is recorded of a request in case it is refused further in, where only the response comes back. No text is copied:
/// all parts are shared or small.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(super) asked: Asked,
    pub(super) principal: Option<Principal>,
    pub(super) request_id: Option<RequestId>,
    pub(super) peer: Option<IpAddr>,
    pub(super) client: Option<IpAddr>,
}

impl Kept {
    /// What a gate or an envelope knows of the request. A stack says how it finds the address of the client.
    pub(crate) fn of(request: &RequestHead<'_>, client_ip: Option<&ClientIp>) -> Self {
        Self {
            asked: Asked::new(request.method(), request.uri(), request.extensions()),
            principal: request.principal().cloned(),
            request_id: request.request_id().cloned(),
            peer: request.peer_ip(),
            client: request.client_ip().or_else(|| client_ip?.resolve(*request).ok()),
        }
    }

    /// Under the id that the client is shown.
    pub(crate) fn under(self, request_id: RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }
}
