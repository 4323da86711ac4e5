use std::{fmt::Display, time::SystemTime};

use http::{HeaderValue, StatusCode};
use serde::{
    Serialize, Serializer,
    ser::{SerializeMap as _, SerializeStruct as _},
};

use crate::{
    Detail, Rejection, RejectionKind, RequestId, TraceId,
    base::clock::rfc3339,
    envelope::catalogue::{Catalogue, CatalogueEntry},
};

/// A shape of one's own for refusals.
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
    message = "`{Self}` is no shape for refusals: it does not implement `ErrorFormat`",
    note = "implement `content_type` and `render` for it; the page of the trait shows a whole one"
)]
pub trait ErrorFormat: Send + Sync + 'static {
    /// The value of `Content-Type`.
    fn content_type(&self) -> HeaderValue;

    /// Appends the body of a refusal.
    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>);
}

/// A refusal with its words, as a format gets it. What is private is not in it.
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
        let words = catalogue.words(rejection.kind());
        Self { rejection, words, with_system_message: true, request_id: None, now }
    }

    pub(in crate::envelope) const fn traced(self, request_id: &'a RequestId) -> Self {
        Self { request_id: Some(request_id), ..self }
    }

    pub(in crate::envelope) const fn with_system_message(self, with: bool) -> Self {
        Self { with_system_message: with, ..self }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.rejection.kind()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.rejection.status()
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> &'a str {
        self.rejection.code().unwrap_or(&self.words.code)
    }

    /// The sentence for the client's user.
    #[must_use]
    pub fn message(&self) -> &'a str {
        self.rejection.own_message().unwrap_or(&self.words.message)
    }

    /// The sentence for the client's developer, unless the envelope leaves it out.
    #[must_use]
    pub fn system_message(&self) -> Option<&'a str> {
        self.with_system_message.then(|| self.rejection.own_system_message().unwrap_or(&self.words.system_message))
    }

    /// The member `type`, such as `authentication_error`.
    #[must_use]
    pub fn error_type(&self) -> &'a str {
        // In its own words, a refusal has the type of its status; in the catalogue's, that of its kind.
        self.rejection.code().map_or(&*self.words.kind, |_| kind_of_status(self.status()))
    }

    /// The public details.
    pub fn details(&self) -> impl Iterator<Item = (&'a str, &'a Detail)> + use<'a> {
        self.rejection.details().filter(|_| self.words.details)
    }

    /// How many seconds to wait before it is worth asking again.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        self.rejection.retry_after_seconds()
    }

    /// The limit that was used up, by its name.
    #[must_use]
    pub fn limit_name(&self) -> Option<&str> {
        self.rejection.policy()
    }

    /// The trace id of the request. A format shows the [`request_id`](Self::request_id), by which clients ask.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.request_id.map(RequestId::trace_id)
    }

    /// The id of the request as `x-request-id` shows it: the [`trace_id`](Self::trace_id), or an id of the client's
    /// that the envelope [keeps](crate::ErrorEnvelopeLayer::keep_request_ids).
    #[must_use]
    pub const fn request_id(&self) -> Option<&'a RequestId> {
        self.request_id
    }

    /// The time of the refusal: RFC 3339, UTC, whole seconds.
    #[must_use]
    pub fn timestamp(&self) -> impl Display + use<> {
        rfc3339(self.now)
    }

    pub(super) const fn details_object(&self) -> Details<'a> {
        Details(*self)
    }
}

/// The details as a JSON object, in their order.
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

/// `{"success":false,"error":…}`.
pub(super) struct Failure<T>(pub(super) T);

impl<T: Serialize> Serialize for Failure<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outer = serializer.serialize_struct("Failure", 2)?;
        outer.serialize_field("success", &false)?;
        outer.serialize_field("error", &self.0)?;
        outer.end()
    }
}

/// What has a text of its own, as a JSON string.
pub(super) struct Shown<T>(pub(super) T);

impl<T: Display> Serialize for Shown<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// Writes JSON. Nothing in a refusal can fail to be written and a `Vec` takes all; were it otherwise, no body is
/// still a refusal.
pub(super) fn write(json: &impl Serialize, out: &mut Vec<u8>) {
    if let Err(error) = serde_json::to_writer(&mut *out, json) {
        tracing::error!(target: "tower_auth", %error, "an error envelope could not be written");
        out.clear();
    }
}

/// The member `type` of a refusal in a handler's own words.
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
