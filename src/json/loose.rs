//! Types that read a value before they know what it is to be: by the names of what they read with.
//!
//! What serde's derive makes of the attributes is told by nothing else. The names are pinned by tests, so that a new
//! serde that changes them is noticed.

use std::any::type_name;

/// Why nobody sees the fields of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loose {
    Flatten,
    Untagged,
    Tagged,
    Raw,
    /// It holds itself, and nothing else.
    Endless,
}

impl Loose {
    /// What it is called, and what to write instead.
    pub(super) const fn words(self) -> (&'static str, &'static str) {
        const VARIANT: &str = "leave the attribute out: {\"variant\": contents} is read strictly";
        match self {
            Self::Flatten => ("#[serde(flatten)]", "write its fields out, or nest them under a name"),
            Self::Untagged => ("#[serde(untagged)] or another value that is kept for later", VARIANT),
            Self::Tagged => ("an enum with #[serde(tag = \"…\")]", VARIANT),
            Self::Raw => ("a RawValue", "take serde_json::Value where anything goes"),
            Self::Endless => ("itself and nothing else", "put it into a list, or beside other fields"),
        }
    }

    /// What asks for any value: `Value` and the like take what comes; what is derived keeps it for later.
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

    /// What asks for a map: a struct does only where a field of it is flattened.
    #[inline]
    pub(super) fn map<V>() -> Option<Self> {
        is(type_name::<V>(), "__Visitor").then_some(Self::Flatten)
    }

    /// What asks for a newtype of this name.
    #[inline]
    pub(super) fn newtype(name: &str) -> Option<Self> {
        name.starts_with("$serde_json::").then_some(Self::Raw)
    }
}

/// Whether it is of this type, whatever its parameters are: a lifetime is one too.
#[inline]
fn is(name: &str, wanted: &str) -> bool {
    name.ends_with(wanted) || (name.ends_with('>') && name.contains(wanted))
}
