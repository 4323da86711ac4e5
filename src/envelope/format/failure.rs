use http::HeaderValue;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::view::{ErrorFormat, ErrorView, Shown, write};

/// The formats `{"success":false,"error":{…}}`.
#[derive(Clone, Copy, Debug)]
pub(in crate::envelope) enum Failure {
    /// The error has code, message and details.
    Compact,
    /// The error has all members.
    Detailed,
}

impl ErrorFormat for Failure {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
        write(&Envelope { refusal, format: *self }, out);
    }
}

struct Envelope<'a> {
    refusal: &'a ErrorView<'a>,
    format: Failure,
}

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outer = serializer.serialize_struct("Failure", 2)?;
        outer.serialize_field("success", &false)?;
        match self.format {
            Failure::Compact => outer.serialize_field("error", &Compact(self.refusal))?,
            Failure::Detailed => outer.serialize_field("error", &Detailed(self.refusal))?,
        }
        outer.end()
    }
}

struct Compact<'a>(&'a ErrorView<'a>);

impl Serialize for Compact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("Error", 3)?;
        error.serialize_field("code", self.0.code())?;
        error.serialize_field("message", self.0.message())?;
        error.serialize_field("details", &self.0.details_object())?;
        error.end()
    }
}

struct Detailed<'a>(&'a ErrorView<'a>);

impl Serialize for Detailed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let refusal = self.0;
        let mut error = serializer.serialize_struct("Error", 8)?;
        error.serialize_field("code", refusal.code())?;
        error.serialize_field("message", refusal.message())?;
        if let Some(text) = refusal.system_message() {
            error.serialize_field("system_message", text)?;
        }
        error.serialize_field("type", refusal.error_type())?;
        error.serialize_field("status", &refusal.status().as_u16())?;
        error.serialize_field("details", &refusal.details_object())?;
        error.serialize_field("trace_id", &refusal.request_id())?;
        error.serialize_field("timestamp", &Shown(refusal.timestamp()))?;
        error.end()
    }
}
