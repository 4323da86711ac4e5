use http::HeaderValue;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::view::{ErrorFormat, ErrorView, Failure, Shown, write};

/// `{"success":false,"error":{…}}`, with everything that is known.
#[derive(Debug)]
pub(in crate::envelope) struct Detailed;

impl ErrorFormat for Detailed {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
        write(&Failure(Inner(refusal)), out);
    }
}

struct Inner<'a>(&'a ErrorView<'a>);

impl Serialize for Inner<'_> {
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
