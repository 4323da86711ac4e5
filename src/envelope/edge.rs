use std::sync::Arc;

use http::{Method, Request, Response, header};
use http_body::Body;

use super::{
    adopt::{Text, adopt, remove_description, text_of},
    body::EnvelopeBody,
    render::Render,
    settings::Settings,
    tail::Tail,
};
use crate::{
    Decision, Rejection, RequestId,
    base::protocol::Protocol,
    context::{answered::BodyWritten, decision::Kept, request::RequestContext},
};

/// The work of an envelope for one request: the request gets an id, and a refusal gets a body.
#[derive(Debug)]
pub(crate) struct Edge {
    render: Render,
    /// The facts of the request, to log a refusal at the end of a gRPC stream if no gate further in has kept more.
    kept: Option<Box<Kept>>,
}

impl Edge {
    /// Chooses the id of the request: the id of an envelope further out, the client's id, or a new one.
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
        // A gRPC stream may end in a refusal long after the gate has returned the response.
        let streams = cfg!(feature = "tonic") && render.protocol != Protocol::Http && Decision::faults_are_logged();
        Self { kept: streams.then(|| Box::new(Kept::of(&request.into(), None))), render }
    }

    /// Stores the id in the request. Returns the facts of the request for the log, because no gate is directly inside
    /// this envelope to keep them.
    #[inline]
    pub(super) fn mark<B>(&self, request: &mut Request<B>) -> Option<Kept> {
        let context = RequestContext::of_mut(request.extensions_mut());
        context.request_id.get_or_insert_with(|| self.render.request_id.clone());
        Decision::faults_are_logged().then(|| Kept::of(&(&*request).into(), None))
    }

    pub(crate) const fn request_id(&self) -> &RequestId {
        &self.render.request_id
    }

    /// Completes a response: passes its body, or renders the refusal that it carries.
    #[inline]
    pub(crate) fn leave<B: Body>(&self, mut response: Response<B>, own: Option<&Kept>) -> Response<EnvelopeBody<B>> {
        // A gRPC refusal has HTTP status 200.
        let passes = response.status().is_success()
            && (self.render.protocol == Protocol::Http || Rejection::of(&response).is_none());
        if passes || response.extensions().get::<BodyWritten>().is_some() {
            self.log_passing(&mut response, own);
            return self.passed(response, own);
        }
        let Some(refusal) = self.refusal_in(&response, own) else {
            return self.passed(response, own);
        };
        let foreign_text = self.render.settings.adopt_text
            && response.status().is_client_error()
            && Rejection::of(&response).is_none();
        let (mut parts, body) = response.into_parts();
        let text = if foreign_text { text_of(&parts.headers, body) } else { Text::Absent };
        // A response to HEAD may lack the text that GET would return. Then the length of GET's body is unknown.
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

    /// Passes the body of a response. A gRPC body is watched, because the stream may still end in a refusal.
    #[inline]
    fn passed<B>(&self, mut response: Response<B>, own: Option<&Kept>) -> Response<EnvelopeBody<B>> {
        self.render.complete(response.status(), response.headers_mut());
        if cfg!(feature = "tonic") && self.render.protocol != Protocol::Http {
            let kept = self.known(&response, own);
            return response.map(|body| EnvelopeBody::watched(body, Tail::new(self.render.clone(), kept)));
        }
        response.map(EnvelopeBody::inner)
    }

    /// Renders a refusal that has no body yet.
    #[inline]
    pub(crate) fn refuse<B>(&self, refused: Response<()>) -> Response<EnvelopeBody<B>> {
        match Rejection::of(&refused).cloned() {
            Some(refusal) => self.render.render(&refusal, refused),
            None => refused.map(|()| EnvelopeBody::default()),
        }
    }

    /// Returns the refusal that a response carries, or the refusal that replaces a foreign error.
    fn refusal_in<B: Body>(&self, response: &Response<B>, own: Option<&Kept>) -> Option<Rejection> {
        let (refusal, ours) = match Rejection::of(response) {
            Some(refusal) => (refusal.clone(), true),
            None if self.render.settings.adopt_foreign => (adopt(response, self.render.settings.adopt_text)?, false),
            None => return None,
        };
        // A gate logs its refusals, and a stack's gate those of its handlers. Other refusals are logged here, except
        // foreign errors below 500.
        if refusal.is_logged() || !(ours || refusal.status().is_server_error()) {
            return Some(refusal);
        }
        Some(self.log(refusal, response, own))
    }

    /// Logs the refusal in a response that is not rendered. A gRPC handler refuses plain HTTP requests with status 200.
    #[inline]
    fn log_passing<B>(&self, response: &mut Response<B>, own: Option<&Kept>) {
        if (self.kept.is_some() || own.is_some())
            && let Some(refusal) = Rejection::of(response).filter(|refusal| !refusal.is_logged())
        {
            let logged = self.log(refusal.clone(), response, own);
            response.extensions_mut().insert(logged);
        }
    }

    /// Logs a refusal.
    fn log<B>(&self, refusal: Rejection, response: &Response<B>, own: Option<&Kept>) -> Rejection {
        Decision::from_further_in(&refusal, self.known(response, own).as_ref()).log();
        refusal.logged()
    }

    /// Returns the facts of the request. A gate further in knows the most about it, including the caller.
    fn known<B>(&self, response: &Response<B>, own: Option<&Kept>) -> Option<Kept> {
        let kept: Option<&Kept> = response.extensions().get().or(own).or(self.kept.as_deref());
        kept.map(|kept| kept.clone().under(self.render.request_id.clone()))
    }
}
