use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;

use super::{
    adopt::{adopt, remove_description},
    body::EnvelopeBody,
    catalogue::Catalogue,
    format::Detailed,
};
use crate::{Clock, Decision, Rejection, TraceId, challenge};

/// How an envelope was set up; shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) catalogue: Catalogue,
    pub(super) with_system_message: bool,
    pub(super) adopt_foreign: bool,
    pub(super) trust_traceparent: bool,
    pub(super) clock: Option<Clock>,
}

/// The outermost edge as one request passes it: in with a trace id, out with an envelope.
#[derive(Debug)]
pub(crate) struct Edge {
    settings: Arc<Settings>,
    trace_id: TraceId,
    head: bool,
}

/// In a response's extensions: an envelope was put around this refusal already.
#[derive(Clone, Copy, Debug)]
struct Enveloped;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

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
        Self { settings: Arc::clone(settings), trace_id, head: request.method() == Method::HEAD }
    }

    /// Lets a response out: as it is, or as an envelope around the refusal that it carries.
    #[inline]
    pub(crate) fn leave<B: Body>(&self, mut response: Response<B>) -> Response<EnvelopeBody<B>> {
        if response.status().is_success() || response.extensions().get::<Enveloped>().is_some() {
            self.identify(response.headers_mut());
            return response.map(EnvelopeBody::inner);
        }
        let refusal = match Rejection::of(&response).cloned() {
            Some(refusal) => {
                // A gate has logged its refusals; what a handler refused is known only here.
                if refusal.layer().is_none() {
                    Decision::from_further_in(&refusal, None, Some(self.trace_id)).log();
                }
                Some(refusal)
            }
            None if self.settings.adopt_foreign => adopt(&response),
            None => None,
        };
        let Some(refusal) = refusal else {
            self.identify(response.headers_mut());
            return response.map(EnvelopeBody::inner);
        };
        let (mut parts, _) = response.into_parts();
        parts.extensions.insert(refusal.clone());
        self.render(&refusal, Response::from_parts(parts, ()))
    }

    /// An envelope around a refusal that nobody made a response of yet.
    pub(crate) fn refuse<B>(&self, refusal: &Rejection) -> Response<EnvelopeBody<B>> {
        self.render(refusal, refusal.clone().into_response())
    }

    fn render<B>(&self, refusal: &Rejection, response: Response<()>) -> Response<EnvelopeBody<B>> {
        let (mut parts, ()) = response.into_parts();
        remove_description(&mut parts.headers);
        parts.headers.insert(REQUEST_ID, self.request_id());
        parts.headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
        if parts.status == StatusCode::UNAUTHORIZED {
            parts.headers.entry(header::WWW_AUTHENTICATE).or_insert(challenge::FALLBACK);
        }
        parts.extensions.insert(Enveloped);
        if matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) || parts.status.is_informational()
        {
            return Response::from_parts(parts, EnvelopeBody::default());
        }
        let json = self.json(refusal);
        parts.headers.insert(header::CONTENT_TYPE, JSON);
        parts.headers.insert(header::CONTENT_LENGTH, json.len().into());
        let body = if self.head { EnvelopeBody::default() } else { EnvelopeBody::rendered(json) };
        Response::from_parts(parts, body)
    }

    fn json(&self, rejection: &Rejection) -> Bytes {
        let Settings { catalogue, with_system_message, clock, .. } = &*self.settings;
        let now = clock.as_ref().map_or_else(std::time::SystemTime::now, Clock::now);
        let envelope =
            Detailed { rejection, catalogue, with_system_message: *with_system_message, trace_id: self.trace_id, now };
        let mut json = Vec::with_capacity(512);
        // Nothing in a refusal can fail to be written, and a Vec takes all; were it otherwise, an empty body is still a refusal.
        if let Err(error) = serde_json::to_writer(&mut json, &envelope) {
            tracing::error!(target: "tower_auth", trace_id = %self.trace_id, %error, "an error envelope could not be written");
            json.clear();
        }
        json.into()
    }

    /// Every response has the id; a handler that set one of its own keeps it where no refusal is rendered.
    #[inline]
    fn identify(&self, headers: &mut HeaderMap) {
        headers.entry(REQUEST_ID).or_insert_with(|| self.request_id());
    }

    fn request_id(&self) -> HeaderValue {
        let text = Bytes::copy_from_slice(&self.trace_id.hyphenated());
        HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static(""))
    }
}
