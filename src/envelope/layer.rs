use std::{borrow::Cow, sync::Arc};

use http::HeaderValue;
use tower_layer::Layer;

use super::{
    catalogue::Catalogue,
    format::{ErrorFormat, Failure, OpenAi, Problem, grpc},
    service::ErrorEnvelope,
    settings::Settings,
};
use crate::{Clock, ConfigError, base::challenge};

/// Renders every refusal in one format. Mount it as the outermost layer.
///
/// It gives every request a [`TraceId`](crate::TraceId), adds `x-request-id` to every response, and renders every
/// [`Rejection`](crate::Rejection) as JSON, or for a gRPC call as a gRPC status.
///
/// See the [module page](crate::envelope) for an example.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct ErrorEnvelopeLayer(Settings);

impl ErrorEnvelopeLayer {
    /// Returns an envelope with a format of your own.
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

    /// Returns an envelope with the detailed format: `{"success":false,"error":{…}}` with code, message, system
    /// message, type, status, details, trace id and time.
    pub fn detailed() -> Self {
        Self::new(Failure::Detailed)
    }

    /// Returns an envelope with the compact format: `{"success":false,"error":{…}}` with code, message and details.
    pub fn compact() -> Self {
        Self::new(Failure::Compact)
    }

    /// Returns an envelope with the format of the `OpenAI` API: `{"error":{…}}` with message, type, param and code.
    /// Codes are in lower case.
    pub fn openai() -> Self {
        Self::new(OpenAi)
    }

    /// Returns an envelope with problem details (RFC 9457). The type of every problem is `about:blank`.
    pub fn problem_json() -> Self {
        Self::new(Problem::default())
    }

    /// Returns an envelope with problem details (RFC 9457). The type of a problem is a URI: `base` followed by the code
    /// in lower case, such as `https://api.example.com/problems/` and `invalid-api-key`. Document each problem at its
    /// URI.
    ///
    /// The base must be a URL, or a path on this host, such as `/problems/`. With any other text,
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails, and an envelope that is mounted alone
    /// uses `about:blank` and logs the error.
    pub fn problem_types(base: impl Into<Cow<'static, str>>) -> Self {
        let base = base.into();
        if is_uri(&base) {
            return Self::new(Problem { types: Some(base) });
        }
        let mut layer = Self::problem_json();
        layer.0.fault = Some(ConfigError::new(
            format!("the types of problems cannot start with {base:?}, which is not a URL"),
            "use a full URL, such as https://api.example.com/problems/",
        ));
        layer
    }

    /// Sends problem details to a client that lists `application/problem+json` in `Accept` with a weight above zero,
    /// and the format of the service to all other clients.
    pub fn or_problem_json(mut self) -> Self {
        self.0.negotiated = Some(Problem::default());
        self
    }

    /// Sets the `domain` of gRPC error details: the name of the service that defines the error codes.
    pub fn grpc_domain(mut self, domain: impl Into<Cow<'static, str>>) -> Self {
        self.0.grpc_domain = domain.into();
        self
    }

    /// Sets the texts of refusals. They replace those of the default [`Catalogue`].
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.0.catalogue = catalogue;
        self
    }

    /// Omits `system_message` from every body.
    pub fn without_system_message(mut self) -> Self {
        self.0.with_system_message = false;
        self
    }

    /// Adopts errors of a router, another layer or a handler: an error without a [`Rejection`](crate::Rejection) is
    /// rendered in the format of the envelope, with the code of the error's status.
    ///
    /// The errors are 404, 405, 408, 413, 415 and all 5xx if the body is empty or plain text, and every other error
    /// with an empty body. All headers that do not describe the body are kept, such as `Allow`, `WWW-Authenticate` and
    /// `Retry-After`. An error with another media type, such as JSON or HTML, is unchanged, because it was written for
    /// the client.
    pub fn adopt_foreign_errors(mut self) -> Self {
        self.0.adopt_foreign = true;
        self
    }

    /// Adopts 4xx errors with plain text too: those of axum's own extractors (`Path`, `Query`, `Json`, `Form`,
    /// `Multipart`, `WebSocketUpgrade`), and those of a handler that returns `(StatusCode::BAD_REQUEST, "text")`. The
    /// call includes [`adopt_foreign_errors`](Self::adopt_foreign_errors).
    ///
    /// A 4xx is adopted if the body is `text/plain` or has no media type, and if its length is known and at most 8 KiB.
    /// The code is that of the status (`INVALID_REQUEST` for 400, `VALIDATION_ERROR` for 422, `CONFLICT` for 409). The
    /// text was written for a client, so it becomes the `system_message`, in the formats that have one. A text that is
    /// not UTF-8, has a content coding or is not ready at once is dropped. The text of a 5xx is never sent. JSON, HTML,
    /// streams and longer texts are unchanged.
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
    /// For errors that name the invalid parameter, use `StrictPath`, `StrictQuery` and `StrictJson` (feature `axum`).
    pub fn adopt_text_errors(mut self) -> Self {
        self.0.adopt_text = true;
        self.adopt_foreign_errors()
    }

    /// Answers every request in HTTP, regardless of its media type. Use it for a service without gRPC.
    ///
    /// By default, a POST of `application/grpc` over HTTP/2, or over HTTP/1.1 with `TE: trailers`, is a gRPC call, and
    /// a POST of `application/grpc-web` over any version of HTTP is a gRPC-Web call. Refusals of such calls have the
    /// HTTP status 200 and a gRPC status. A client can also send these headers to a service without gRPC.
    pub fn without_grpc(mut self) -> Self {
        self.0.without_grpc = true;
        self
    }

    /// Gives every request a new trace id, even if it has a valid `traceparent`. Use it for a public service, where
    /// clients must not choose trace ids (W3C Trace Context, section 3.4).
    pub fn restart_traces(mut self) -> Self {
        self.0.trust_traceparent = false;
        self
    }

    /// Keeps the `x-request-id` of a request. Use it for a service behind a proxy that sets this header. The kept id
    /// becomes the [`RequestId`](crate::RequestId) in the response header, in the `trace_id` of bodies and log lines,
    /// and in [`Decision::request_id`](crate::Decision::request_id).
    ///
    /// The request must have exactly one such header, with 1 to 128 characters of `A-Z a-z 0-9 . _ : + / = @ -`.
    /// Otherwise the client sees the [`TraceId`](crate::TraceId).
    ///
    /// | the request has | the client sees | the `TraceId` is |
    /// |---|---|---|
    /// | a valid `traceparent` | the trace id | that of the `traceparent` |
    /// | a valid `x-request-id` | the `x-request-id` | the same id if it is a UUID or 32 hexadecimal digits, else new |
    /// | both | the `x-request-id` | that of the `traceparent` |
    ///
    /// With [`restart_traces`](Self::restart_traces), a `traceparent` is ignored and an `x-request-id` is still kept. A
    /// client that reaches the service without the proxy can choose its id, and so create log lines with the id of
    /// another request. Keep ids only if the proxy sets or checks them.
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

    /// Sets the clock of the `timestamp`. In a stack, the default is the clock of the stack.
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
            tracing::error!(target: "tower_auth", layer = "envelope", %fault, "the envelope is misconfigured");
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
    // An http or https URL has a host. A name followed by digits is a host and a port without a scheme.
    let has_host = || text.parse::<http::Uri>().is_ok_and(|uri| uri.host().is_some_and(|host| !host.is_empty()));
    let named =
        if is_web { rest.starts_with("//") && has_host() } else { !rest.starts_with(|c: char| c.is_ascii_digit()) };
    visible && (is_path || (is_scheme && !rest.is_empty() && named))
}
