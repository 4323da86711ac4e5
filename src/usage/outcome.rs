use std::{borrow::Cow, fmt};

use crate::RejectionKind;

/// What became of a request.
///
/// ```
/// use tower_auth::{RejectionKind, usage::Outcome};
///
/// let refused = Outcome::Refused(RejectionKind::RateLimited);
/// assert_eq!(refused.to_string(), "rate_limited");
/// assert_eq!(Outcome::parse("rate_limited"), Some(refused));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// All guards admitted the request. If the service refused it later, it counts as [`RefusedLater`](Self::RefusedLater)
    /// too.
    Admitted,
    /// A guard refused the request.
    Refused(RejectionKind),
    /// The guards admitted the request, and a layer or handler further in refused it.
    RefusedLater(RejectionKind),
}

/// What stands before the kind of a request that was admitted first.
const LATER: &str = "later_";

impl Outcome {
    /// Returns a number by which outcomes are put in order.
    pub(super) const fn rank(self) -> u16 {
        match self {
            Self::Admitted => 0,
            Self::Refused(kind) => 0x100 | kind as u16,
            Self::RefusedLater(kind) => 0x200 | kind as u16,
        }
    }

    /// Returns the outcome for a column of a table: `admitted`, the kind such as `rate_limited`, or the kind with `later_` in
    /// front.
    #[must_use]
    pub fn as_str(self) -> Cow<'static, str> {
        match self {
            Self::Admitted => Cow::Borrowed("admitted"),
            Self::Refused(kind) => name(kind).into(),
            Self::RefusedLater(kind) => (LATER.to_owned() + &name(kind)).into(),
        }
    }

    /// Returns the outcome that [`as_str`](Self::as_str) writes so; `None` if this version does not know it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let kind = |text: &str| RejectionKind::ALL.iter().copied().find(|kind| name(*kind) == text);
        match text.strip_prefix(LATER) {
            _ if text == "admitted" => Some(Self::Admitted),
            Some(text) => kind(text).map(Self::RefusedLater),
            None => kind(text).map(Self::Refused),
        }
    }
}

/// Reads an outcome from a table. One of a newer version counts as a refusal that this version has no name for.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn stored(text: &str) -> Outcome {
    Outcome::parse(text).unwrap_or(Outcome::Refused(RejectionKind::Custom))
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// Returns the name of a kind in snake case. The name of a variant is stable.
fn name(kind: RejectionKind) -> String {
    let mut name = String::new();
    for c in format!("{kind:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    name
}
