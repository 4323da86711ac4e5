//! The bytes of a body that a strict layer has let through, for policies that look into it.

use bytes::Bytes;

use crate::json;

/// JSON without a name twice: whoever reads it reads the same. Nothing, where a strict layer has let a request through that
/// has no such body.
#[derive(Clone, Default)]
pub(crate) struct ValidatedBytes(Bytes);

impl ValidatedBytes {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The string under this name, directly in the object that the body is.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        json::string_member(&self.0, name)
    }
}
