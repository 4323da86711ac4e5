use http::HeaderValue;
use serde::{Serialize, Serializer, ser::SerializeStruct as _};

use super::view::{ErrorFormat, ErrorView, write};
use crate::{Detail, json::FieldViolation};

/// The format of the `OpenAI` API: `{"error":{"message","type","param","code"}}`.
#[derive(Debug)]
pub(in crate::envelope) struct OpenAi;

impl ErrorFormat for OpenAi {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn render(&self, refusal: &ErrorView<'_>, out: &mut Vec<u8>) {
        write(&Envelope(refusal), out);
    }
}

struct Envelope<'a>(&'a ErrorView<'a>);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut outer = serializer.serialize_struct("Envelope", 1)?;
        outer.serialize_field("error", &Inner(self.0))?;
        outer.end()
    }
}

struct Inner<'a>(&'a ErrorView<'a>);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut error = serializer.serialize_struct("Error", 4)?;
        error.serialize_field("message", self.0.message())?;
        error.serialize_field("type", self.0.error_type())?;
        error.serialize_field("param", &param(self.0))?;
        error.serialize_field("code", &self.0.code().to_ascii_lowercase())?;
        error.end()
    }
}

/// Returns the first invalid field.
fn param<'a>(refusal: &ErrorView<'a>) -> Option<&'a str> {
    refusal.details().find_map(|(_, detail)| match detail {
        Detail::Fields(fields) => fields.first().map(FieldViolation::pointer),
        _ => None,
    })
}
