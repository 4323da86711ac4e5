use std::{borrow::Cow, sync::Arc};

use http::HeaderValue;
use tower_layer::Layer;

use super::{
    catalogue::Catalogue,
    format::{Compact, Detailed, ErrorFormat, OpenAi, Problem, grpc},
    service::ErrorEnvelope,
    settings::Settings,
};
use crate::{Clock, ConfigError, base::challenge};

/// Puts one shape around every refusal; mounted outside of everything else.
///
/// In: any request. Out: the request with a [`TraceId`](crate::TraceId) in its extensions. Back: every response with
/// `x-request-id`, every [`Rejection`](crate::Rejection) as JSON.
///
/// See the [module page](crate::envelope) for an example.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct ErrorEnvelopeLayer(Settings);

impl ErrorEnvelopeLayer {
    /// A shape of one's own.
    pub fn new(format: impl ErrorFormat) -> Self {
        Self(Settings {
            format: Arc::new(format),
            negotiated: None,
            catalogue: Catalogue::default(),
            with_system_message: true,
            adopt_foreign: false,
            adopt_text: false,
            without_grpc: false,
            trust_traceparent: true,
            keep_request_ids: false,
            grpc_domain: Cow::Borrowed(grpc::DOMAIN),
            challenge: challenge::FALLBACK,
            clock: None,
            fault: None,
        })
    }

    /// The detailed format: `{"success":false,"error":{…}}` with code, message, system message, type, status,
    /// details, trace id and time.
    pub fn detailed() -> Self {
        Self::new(Detailed)
    }

    /// The compact format: `{"success":false,"error":{…}}` with code, message and details.
    pub fn compact() -> Self {
        Self::new(Compact)
    }

    /// The format that clients of the `OpenAI` API read: `{"error":{…}}` with message, type, param and code. Codes
    /// are shown in lower case, as there.
    pub fn openai() -> Self {
        Self::new(OpenAi)
    }

    /// Problem details (RFC 9457), every one of the type `about:blank`.
    pub fn problem_json() -> Self {
        Self::new(Problem::default())
    }

    /// Problem details (RFC 9457) whose types are URIs: this text with the code in lower case behind it, such as
    /// `https://api.example.com/problems/` and `invalid-api-key`. There, tell what it means.
    ///
    /// A text that is no URL (or path on this host, as `/problems/`) fails
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build). An envelope that is mounted alone leaves the types at
    /// `about:blank` then, and says so in the log.
    pub fn problem_types(base: impl Into<Cow<'static, str>>) -> Self {
        let base = base.into();
        if is_uri(&base) {
            return Self::new(Problem { types: Some(base) });
        }
        let mut layer = Self::problem_json();
        layer.0.fault = Some(ConfigError::new(
            format!("the types of problems cannot start with {base:?}, which is no URL"),
            "write a whole URL, such as https://api.example.com/problems/",
        ));
        layer
    }

    /// Gives problem details to a client that names `application/problem+json` in `Accept`, whatever weight above
    /// zero it gives it, and the format of the service to all others.
    pub fn or_problem_json(mut self) -> Self {
        self.0.negotiated = Some(Problem::default());
        self
    }

    /// The `domain` of gRPC error details: the name of the service that the reasons belong to.
    pub fn grpc_domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.0.grpc_domain = domain.into();
        self
    }

    /// Takes other words.
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.0.catalogue = catalogue;
        self
    }

    /// Leaves `system_message` out.
    pub fn without_system_message(mut self) -> Self {
        self.0.with_system_message = false;
        self
    }

    /// Puts the same shape around errors that a router, another layer or a handler made without this crate's words.
    ///
    /// Adopted are 404, 405, 408, 413, 415 and all of 500 and above whose body is plain text or none, and every other
    /// error with no body, each with the code of its status. `Allow`, `WWW-Authenticate`, `Retry-After` and all else that does not describe the body
    /// stays. An error with a media type of its own, such as JSON or HTML, was meant for the client and is left
    /// alone.
    pub fn adopt_foreign_errors(mut self) -> Self {
        self.0.adopt_foreign = true;
        self
    }

    /// Adopts the plain-text errors of clients too: what axum's own extractors answer (`Path`, `Query`, `Json`, `Form`,
    /// `Multipart`, `WebSocketUpgrade`), and what a handler answers as `(StatusCode::BAD_REQUEST, "text")`. It includes
    /// [`adopt_foreign_errors`](Self::adopt_foreign_errors).
    ///
    /// Adopted is every 4xx whose body is `text/plain`, or has no media type, and whose length is known and at most
    /// 8 KiB. The code is that of the status (`INVALID_REQUEST` for 400, `VALIDATION_ERROR` for 422, `CONFLICT` for 409).
    /// The text was written for a client, so it is kept as the `system_message`, in the formats that have one; a text
    /// that is not UTF-8, has a content coding or is not there at once is dropped. The text of a 5xx is never sent.
    /// JSON, HTML, streams and longer texts are left alone.
    ///
    /// ```
    /// use axum::{Router, extract::Path, routing::get};
    /// use tower_auth::ErrorEnvelopeLayer;
    ///
    /// // `GET /todos/abc` is an `INVALID_REQUEST` whose system_message is axum's "Invalid URL: Cannot parse …".
    /// let app = Router::<()>::new()
    ///     .route("/todos/{id}", get(|Path(id): Path<u64>| async move { id.to_string() }))
    ///     .layer(ErrorEnvelopeLayer::detailed().adopt_text_errors());
    /// ```
    ///
    /// For errors that name the parameter that is wrong, take `StrictPath`, `StrictQuery` and `StrictJson` (feature
    /// `axum`).
    pub fn adopt_text_errors(mut self) -> Self {
        self.0.adopt_text = true;
        self.adopt_foreign_errors()
    }

    /// Answers every request in HTTP, whatever media type it claims: for a service without gRPC.
    ///
    /// By default, a POST of `application/grpc` over HTTP/2, or over HTTP/1.1 with `TE: trailers`, is taken for a gRPC
    /// call, and so is a POST of `application/grpc-web` in every version of HTTP: its refusals have the HTTP status 200
    /// and a gRPC status. A client of a service that speaks no gRPC can send these headers too.
    pub fn without_grpc(mut self) -> Self {
        self.0.without_grpc = true;
        self
    }

    /// Gives every request a new trace id, even where it brings a valid `traceparent`: for the border to callers who
    /// are not trusted to choose ids (W3C Trace Context, section 3.4).
    pub fn restart_traces(mut self) -> Self {
        self.0.trust_traceparent = false;
        self
    }

    /// Keeps the `x-request-id` that a request brings, for services behind a proxy that gives ids: it is the
    /// [`RequestId`](crate::RequestId) in the response header, in the `trace_id` of bodies and log lines, and in
    /// [`Decision::request_id`](crate::Decision::request_id).
    ///
    /// Kept is exactly one line of 1 to 128 characters of `A-Z a-z 0-9 . _ : + / = @ -`. In place of any other, and of
    /// none, the client sees the [`TraceId`](crate::TraceId).
    ///
    /// | the request brings | the client sees | the `TraceId` is |
    /// |---|---|---|
    /// | a valid `traceparent` | the trace id | that of the `traceparent` |
    /// | an id that is kept | the kept id | the same where the id is a UUID or 32 hexadecimal digits, else new |
    /// | both | the kept id | that of the `traceparent` |
    ///
    /// With [`restart_traces`](Self::restart_traces) a `traceparent` counts as none, and an id is still kept. A client
    /// that reaches the service without the proxy chooses its id, and so can write lines under another's: keep ids only
    /// where the proxy sets or checks them.
    ///
    /// ```
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # use http_body_util::Full;
    /// use tower_auth::ErrorEnvelopeLayer;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let service = ErrorEnvelopeLayer::detailed().keep_request_ids().layer(service_fn(|_: http::Request<()>| async {
    ///     Ok::<_, std::convert::Infallible>(http::Response::new(Full::<bytes::Bytes>::default()))
    /// }));
    /// let request = http::Request::get("/").header("x-request-id", "req_7Hq2").body(()).unwrap();
    /// assert_eq!(service.oneshot(request).await.unwrap().headers()["x-request-id"], "req_7Hq2");
    /// # });
    /// ```
    pub fn keep_request_ids(mut self) -> Self {
        self.0.keep_request_ids = true;
        self
    }

    /// The clock of the `timestamp`; in a stack, the stack's.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.0.clock = Some(clock.into());
        self
    }

    pub(crate) fn challenge(mut self, challenge: HeaderValue) -> Self {
        self.0.challenge = challenge;
        self
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.0.fault.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn clock_or(self, clock: &Clock) -> Self {
        if self.0.clock.is_some() { self } else { self.clock(clock.clone()) }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::new(self.0.clone())
    }
}

impl<S> Layer<S> for ErrorEnvelopeLayer {
    type Service = ErrorEnvelope<S>;

    fn layer(&self, inner: S) -> ErrorEnvelope<S> {
        if let Some(fault) = &self.0.fault {
            tracing::error!(target: "tower_auth", layer = "envelope", %fault, "the envelope is set up wrongly");
        }
        ErrorEnvelope::new(inner, self.settings())
    }
}

/// Whether a text is the start of a URI with a scheme, or a path on this host (RFC 3986, section 4.2).
fn is_uri(text: &str) -> bool {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte));
    let (scheme, rest) = text.split_once(':').unwrap_or_default();
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_web = ["http", "https"].iter().any(|web| scheme.eq_ignore_ascii_case(web));
    let is_path = text.starts_with('/') && !text.starts_with("//");
    // A web address has a host; a name with a port behind it is a host without a scheme.
    let has_host = || text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let named =
        if is_web { rest.starts_with("//") && has_host() } else { !rest.starts_with(|c: char| c.is_ascii_digit()) };
    visible && (is_path || (is_scheme && !rest.is_empty() && named))
}
