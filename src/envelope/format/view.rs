use std::{fmt::Display, time::SystemTime};

use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::{
    Detail, Rejection, RejectionKind, RequestId, TraceId,
    base::clock::rfc3339,
    envelope::catalogue::{Catalogue, CatalogueEntry},
};

/// A format for refusals. Implement it for a format of your own.
///
/// ```
/// use tower_auth::{ErrorEnvelopeLayer, envelope::{ErrorFormat, ErrorView}};
///
/// /// `{"errors":[{"code":"…","title":"…"}]}`
/// struct JsonApi;
///
/// impl ErrorFormat for JsonApi {
///     fn content_type(&self) -> http::HeaderValue {
///         http::HeaderValue::from_static("application/vnd.api+json")
///     }
///
///     fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
///         let error = serde_json::json!({ "code": refusal.code(), "title": refusal.message() });
///         out.extend_from_slice(serde_json::json!({ "errors": [error] }).to_string().as_bytes());
///     }
/// }
///
/// let layer = ErrorEnvelopeLayer::new(JsonApi);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a format for refusals: it does not implement `ErrorFormat`",
    note = "implement `content_type` and `render` for it; the documentation of the trait has an example"
)]
pub trait ErrorFormat: Send + Sync + 'static {
    /// Returns the value of `Content-Type`.
    fn content_type(&self) -> HeaderValue;

    /// Appends the body of a refusal.
    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>);
}

/// A refusal with its texts, as a format receives it, without the private cause.
///
/// See [`ErrorFormat`] for an example.
#[derive(Clone, Copy, Debug)]
pub struct ErrorView<'a> {
    rejection: &'a Rejection,
    words: &'a CatalogueEntry,
    with_system_message: bool,
    request_id: Option<&'a RequestId>,
    now: SystemTime,
}

impl<'a> ErrorView<'a> {
    pub(crate) fn new(rejection: &'a Rejection, catalogue: &'a Catalogue, now: SystemTime) -> Self {
        let words = catalogue.words(rejection);
        Self { rejection, words, with_system_message: true, request_id: None, now }
    }

    pub(in crate::envelope) const fn traced(self, request_id: &'a RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    pub(in crate::envelope) const fn with_system_message(self, with: bool) -> Self {
        Self { with_system_message: with, ..self }
    }

    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.rejection.kind()
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.rejection.status()
    }

    /// Returns the code.
    #[must_use]
    pub fn code(&self) -> &'a str {
        self.rejection.code().unwrap_or(&self.words.code)
    }

    /// Returns the message for the client's user.
    #[must_use]
    pub fn message(&self) -> &'a str {
        self.rejection.own_message().unwrap_or(&self.words.message)
    }

    /// Returns the message for the client's developer, unless the envelope omits it.
    #[must_use]
    pub fn system_message(&self) -> Option<&'a str> {
        self.with_system_message.then(|| self.rejection.own_system_message().unwrap_or(&self.words.system_message))
    }

    /// Returns the member `type`, such as `authentication_error`.
    #[must_use]
    pub fn error_type(&self) -> &'a str {
        // A refusal with a code of its own has the type of its status. Any other has the type from the catalogue.
        self.rejection.code().map_or(&*self.words.kind, |_| kind_of_status(self.status()))
    }

    /// Returns the public details.
    pub fn details(&self) -> impl Iterator<Item = (&'a str, &'a Detail)> + use<'a> {
        self.rejection.details().filter(|_| self.words.details)
    }

    /// Returns how many seconds the client should wait before a retry.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.rejection.retry_after_seconds()
    }

    /// Returns the name of the limit that was used up.
    #[must_use]
    pub fn limit_name(&self) -> Option<&str> {
        self.rejection.policy()
    }

    /// Returns the trace id of the request. Show clients the [`request_id`](Self::request_id) instead.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.request_id.map(RequestId::trace_id)
    }

    /// Returns the id of the request as in `x-request-id`: the [`trace_id`](Self::trace_id), or the client's id if the
    /// envelope [keeps it](crate::ErrorEnvelopeLayer::keep_request_ids).
    #[must_use]
    pub const fn request_id(&self) -> Option<&'a RequestId> {
        self.request_id
    }

    /// Returns the time of the refusal: RFC 3339, UTC, whole seconds.
    #[must_use]
    pub fn timestamp(&self) -> impl Display + use<> {
        rfc3339(self.now)
    }

    pub(super) const fn details_object(&self) -> Details<'a> {
        Details(*self)
    }
}

/// Serializes the details as a JSON object, in their order.
pub(super) struct Details<'a>(ErrorView<'a>);

impl Serialize for Details<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.0.details() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Serializes a value with `Display` as a JSON string.
pub(super) struct Shown<T>(pub(super) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes JSON. Writing to a `Vec` cannot fail, and neither can the parts of a refusal. If it did fail, the body would
/// be empty.
pub(super) fn write(json: &impl Serialize, out: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(&mut *out, json) {
        tracing::error!(target: "tower_auth", %error, "an error envelope could not be serialized");
        out.clear();
    }
}

/// Returns the member `type` of a refusal with a code of its own.
fn kind_of_status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "authorization_error",
        StatusCode::UNPROCESSABLE_ENTITY => "validation_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "client_error",
    }
}
