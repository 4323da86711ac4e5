use std::sync::Arc;

use http::{Method, Request, Response, header};
use http_body::Body;

use super::{
    adopt::{Text, adopt, remove_description, text_of},
    body::EnvelopeBody,
    render::{Enveloped, Render},
    settings::Settings,
    tail::Tail,
};
use crate::{
    Decision, Rejection, RequestId,
    base::protocol::Protocol,
    context::{decision::Kept, request::RequestContext},
};

/// The outermost edge as one request passes it: in with a trace id, out with an envelope.
#[derive(Debug)]
pub(crate) struct Edge {
    render: Render,
    /// For refusals that no gate further in knows more of.
    kept: Option<Box<Kept>>,
}

impl Edge {
    /// Gives the request its id: that of an envelope further out, the caller's, or a new one.
    #[inline]
    pub(crate) fn enter<B>(settings: &Arc<Settings>, request: &Request<B>) -> Self {
        let outer = RequestContext::of(request.extensions()).and_then(|context| context.request_id.clone());
        let request_id = outer.unwrap_or_else(|| settings.give_id(request.headers()));
        let render = Render {
            settings: Arc::clone(settings),
            request_id,
            protocol: settings.protocol(request),
            head: request.method() == Method::HEAD,
            wants_problem: settings.negotiated.is_some() && super::settings::wants_problem(request.headers()),
        };
        // The stream of a gRPC answer may end in a refusal long after the gate is done.
        let streams = cfg!(feature = "tonic") && render.protocol != Protocol::Http && Decision::faults_are_logged();
        Self { kept: streams.then(|| Box::new(Kept::of(&request.into(), None))), render }
    }

    /// Leaves the id in the request, and records what the log shows of it: no gate stands directly inside that does.
    #[inline]
    pub(super) fn marking<B>(self, request: &mut Request<B>) -> Self {
        let context = RequestContext::of_mut(request.extensions_mut());
        context.request_id.get_or_insert_with(|| self.render.request_id.clone());
        Self { kept: Decision::faults_are_logged().then(|| Box::new(Kept::of(&(&*request).into(), None))), ..self }
    }

    pub(crate) const fn request_id(&self) -> &RequestId {
        &self.render.request_id
    }

    /// Lets a response out: as it is, or as an envelope around the refusal that it carries.
    #[inline]
    pub(crate) fn leave<B: Body>(&self, mut response: Response<B>) -> Response<EnvelopeBody<B>> {
        // A gRPC handler refuses with status 200.
        let passes = response.status().is_success()
            && (self.render.protocol == Protocol::Http || Rejection::of(&response).is_none());
        if passes || response.extensions().get::<Enveloped>().is_some() {
            self.log_passing(&mut response);
            return self.passed(response);
        }
        let Some(refusal) = self.refusal_in(&response) else {
            return self.passed(response);
        };
        let foreign_text = self.render.settings.adopt_text
            && response.status().is_client_error()
            && Rejection::of(&response).is_none();
        let (mut parts, body) = response.into_parts();
        let text = if foreign_text { text_of(&parts.headers, body) } else { Text::Absent };
        // A response to HEAD may have lost the text that GET gets: then the length of that envelope is not known.
        let unknown = self.render.head && matches!(text, Text::Unread);
        let refusal = match text {
            Text::Read(text) => refusal.system_message(text),
            Text::Unread | Text::Absent => refusal,
        };
        remove_description(&mut parts.headers);
        parts.extensions.insert(refusal.clone());
        let mut response = self.render.render(&refusal, Response::from_parts(parts, ()));
        if unknown {
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        response
    }

    /// A response that is no refusal yet. The stream of a gRPC answer may still end in one.
    #[inline]
    fn passed<B>(&self, mut response: Response<B>) -> Response<EnvelopeBody<B>> {
        self.render.complete(response.status(), response.headers_mut());
        if cfg!(feature = "tonic") && self.render.protocol != Protocol::Http {
            let kept = self.known(&response);
            return response.map(|body| EnvelopeBody::watched(body, Tail::new(self.render.clone(), kept)));
        }
        response.map(EnvelopeBody::inner)
    }

    /// An envelope around a refusal to which nobody has given a body yet.
    #[inline]
    pub(crate) fn refuse<B>(&self, refused: Response<()>) -> Response<EnvelopeBody<B>> {
        match Rejection::of(&refused).cloned() {
            Some(refusal) => self.render.render(&refusal, refused),
            None => refused.map(|()| EnvelopeBody::default()),
        }
    }

    /// The refusal that a response carries, or that is made of a foreign error.
    fn refusal_in<B: Body>(&self, response: &Response<B>) -> Option<Rejection> {
        let (refusal, own) = match Rejection::of(response) {
            Some(refusal) => (refusal.clone(), true),
            None if self.render.settings.adopt_foreign => (adopt(response, self.render.settings.adopt_text)?, false),
            None => return None,
        };
        // A gate has logged its refusals, and a stack's gate those of its handlers; others are known only here.
        if refusal.is_logged() || !(own || refusal.status().is_server_error()) {
            return Some(refusal);
        }
        Some(self.log(refusal, response))
    }

    /// A handler for gRPC that answers a request in plain HTTP refuses with status 200.
    #[inline]
    fn log_passing<B>(&self, response: &mut Response<B>) {
        if self.kept.is_some()
            && let Some(refusal) = Rejection::of(response).filter(|refusal| !refusal.is_logged())
        {
            let logged = self.log(refusal.clone(), response);
            response.extensions_mut().insert(logged);
        }
    }

    /// A gate further in knows who was calling.
    fn log<B>(&self, refusal: Rejection, response: &Response<B>) -> Rejection {
        Decision::from_further_in(&refusal, self.known(response).as_ref()).log();
        refusal.logged()
    }

    fn known<B>(&self, response: &Response<B>) -> Option<Kept> {
        let kept: Option<&Kept> = response.extensions().get().or(self.kept.as_deref());
        kept.map(|kept| kept.clone().under(self.render.request_id.clone()))
    }
}
