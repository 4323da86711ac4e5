//! One use of a claim.

use std::borrow::Cow;

use super::{
    claim_source::{Name, Shape},
    raw::Part,
};

/// One use of a claim.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) part: Part,
    /// The place among the claims of the same part: the first subject wins, and lists are merged in this order.
    pub(super) rank: usize,
    pub(super) name: Name,
    pub(super) form: Form,
}

/// The form of the value.
#[derive(Clone, Debug)]
pub(super) struct Form {
    pub(super) shape: Shape,
    pub(super) ignores: bool,
    pub(super) prefix: Option<Cow<'static, str>>,
    /// Whether the value is a string, or a list of strings, that is read as it is.
    pub(super) plain: bool,
}

impl Want {
    /// Returns whether the value is read while the text is read. Any other value is first read into memory.
    pub(super) const fn is_streamed(&self) -> bool {
        self.form.plain && self.name.inside.is_none() && !matches!(self.part, Part::Limits | Part::Check(_))
    }
}
