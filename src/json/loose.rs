//! Finds types that buffer a value before they know how to read it, by the names of their visitors.
//!
//! Only these names show which attributes serde's derive has expanded. Tests pin the names, so a new serde version that
//! changes them is noticed.

use std::any::type_name;

/// Why the fields of a type cannot be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loose {
    Flatten,
    Untagged,
    Tagged,
    Raw,
    /// The type contains only itself.
    Endless,
}

impl Loose {
    /// Returns its name in messages, and what to write instead.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        const VARIANT: &str = "remove the attribute: {\"variant\": contents} is read strictly";
        match self {
            Self::Flatten => ("#[serde(flatten)]", "list its fields in the struct, or nest them under a name"),
            Self::Untagged => ("#[serde(untagged)] or another buffered value", VARIANT),
            Self::Tagged => ("an enum with #[serde(tag = \"…\")]", VARIANT),
            Self::Raw => ("a RawValue", "use serde_json::Value if any content is allowed"),
            Self::Endless => ("a type that contains only itself", "put it into a list, or add other fields"),
        }
    }

    /// For `deserialize_any`: `Value` and the like read any value at once, derived visitors buffer it.
    #[inline]
    pub(super) fn any<V>() -> Option<Self> {
        let name = type_name::<V>();
        if is(name, "TaggedContentVisitor") || is(name, "__Visitor") {
            Some(Self::Tagged)
        } else if is(name, "::ContentVisitor") {
            Some(Self::Untagged)
        } else {
            None
        }
    }

    /// For `deserialize_map`: a struct calls it only if one of its fields is flattened.
    #[inline]
    pub(super) fn map<V>() -> Option<Self> {
        is(type_name::<V>(), "__Visitor").then_some(Self::Flatten)
    }

    /// For a newtype struct of this name.
    #[inline]
    pub(super) fn newtype(name: &str) -> Option<Self> {
        name.starts_with("$serde_json::").then_some(Self::Raw)
    }
}

/// Whether a type name is this type, with any parameters. A lifetime is a parameter too.
#[inline]
fn is(name: &str, wanted: &str) -> bool {
    name.ends_with(wanted) || (name.ends_with('>') && name.contains(wanted))
}
