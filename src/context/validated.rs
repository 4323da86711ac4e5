//! The bytes of a body that a strict layer has validated, for policies that read it.

use bytes::Bytes;

use crate::json;

/// JSON without duplicate names, which every parser reads alike. Empty if the strict layer has admitted a request
/// without such a body.
#[derive(Clone, Default)]
pub(crate) struct ValidatedBytes(Bytes);

impl ValidatedBytes {
    pub(crate) const fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Returns the string member of this name of the body's outermost object.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        json::string_member(&self.0, name)
    }
}
