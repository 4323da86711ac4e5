use std::sync::Arc;

use http::{Method, Request, Response};
use http_body::Body;

use super::{
    adopt::{adopt, remove_description},
    body::EnvelopeBody,
    render::{Enveloped, Render},
    settings::Settings,
};
use crate::{Decision, Rejection, TraceId, decision::Kept, protocol::Protocol};

/// The outermost edge as one request passes it: in with a trace id, out with an envelope.
#[derive(Debug)]
pub(crate) struct Edge(Render);

impl Edge {
    /// Gives the request a trace id: that of an envelope further out, the caller's, or a new one.
    #[inline]
    pub(crate) fn enter<B>(settings: &Arc<Settings>, request: &mut Request<B>) -> Self {
        let trace_id = request.extensions().get().copied().unwrap_or_else(|| {
            let given = if settings.trust_traceparent { TraceId::from_headers(request.headers()) } else { None };
            let id = given.unwrap_or_else(TraceId::random);
            request.extensions_mut().insert(id);
            id
        });
        Self(Render {
            settings: Arc::clone(settings),
            trace_id,
            protocol: Protocol::of(request.method(), request.headers()),
            head: request.method() == Method::HEAD,
            wants_problem: settings.negotiated.is_some() && super::settings::wants_problem(request.headers()),
        })
    }

    /// Lets a response out: as it is, or as an envelope around the refusal that it carries.
    #[inline]
    pub(crate) fn leave<B: Body>(&self, mut response: Response<B>) -> Response<EnvelopeBody<B>> {
        // A gRPC handler refuses with status 200.
        let passes =
            response.status().is_success() && (self.0.protocol == Protocol::Http || Rejection::of(&response).is_none());
        if passes || response.extensions().get::<Enveloped>().is_some() {
            self.0.complete(response.status(), response.headers_mut());
            return response.map(EnvelopeBody::inner);
        }
        let Some(refusal) = self.refusal_in(&response) else {
            self.0.complete(response.status(), response.headers_mut());
            return response.map(EnvelopeBody::inner);
        };
        let (mut parts, _) = response.into_parts();
        remove_description(&mut parts.headers);
        parts.extensions.insert(refusal.clone());
        self.0.render(&refusal, Response::from_parts(parts, ()))
    }

    /// An envelope around a refusal to which nobody has given a body yet.
    #[inline]
    pub(crate) fn refuse<B>(&self, refused: Response<()>) -> Response<EnvelopeBody<B>> {
        match Rejection::of(&refused).cloned() {
            Some(refusal) => self.0.render(&refusal, refused),
            None => refused.map(|()| EnvelopeBody::default()),
        }
    }

    /// The refusal that a response carries, or that is made of a foreign error.
    fn refusal_in<B: Body>(&self, response: &Response<B>) -> Option<Rejection> {
        let (refusal, own) = match Rejection::of(response) {
            Some(refusal) => (refusal.clone(), true),
            None if self.0.settings.adopt_foreign => (adopt(response)?, false),
            None => return None,
        };
        // A gate has logged its refusals, and a stack's gate those of its handlers; others are known only here.
        if !refusal.is_logged() && (own || refusal.status().is_server_error()) {
            let kept = Kept { trace_id: Some(self.0.trace_id), ..Kept::default() };
            Decision::from_further_in(&refusal, kept).log();
        }
        Some(refusal)
    }
}
