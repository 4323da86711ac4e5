use http::HeaderValue;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::view::{ErrorFormat, ErrorView, Failure, write};

/// `{"success":false,"error":{"code","message","details"}}`.
#[derive(Debug)]
pub(in crate::envelope) struct Compact;

impl ErrorFormat for Compact {
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
        let mut error = serializer.serialize_struct("Error", 3)?;
        error.serialize_field("code", self.0.code())?;
        error.serialize_field("message", self.0.message())?;
        error.serialize_field("details", &self.0.details_object())?;
        error.end()
    }
}
