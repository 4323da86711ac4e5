/// How deep and how long JSON may be.
///
/// ```
/// use tower_auth::json::{self, JsonLimits};
///
/// let limits = JsonLimits::new().max_depth(2);
/// assert!(json::check(b"[[1]]", &limits).is_ok());
/// assert!(json::check(b"[[[1]]]", &limits).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "limits hold where they are handed over"]
pub struct JsonLimits {
    pub(super) depth: usize,
    pub(super) string: usize,
    pub(super) number: usize,
}

/// The deepest that can be asked for: types that hold themselves are read by recursion.
const DEEPEST: usize = 128;

impl JsonLimits {
    /// A depth of 64, strings of 1 MiB, numbers of 128 characters.
    pub const fn new() -> Self {
        Self { depth: 64, string: 1 << 20, number: 128 }
    }

    /// How many arrays and objects may stand in each other; 128 at the most, whatever is given.
    pub const fn max_depth(self, depth: usize) -> Self {
        Self { depth: if depth < DEEPEST { depth } else { DEEPEST }, ..self }
    }

    /// How many bytes a string or a name may have between its quotes, as it stands in the text.
    pub const fn max_string_len(self, bytes: usize) -> Self {
        Self { string: bytes, ..self }
    }

    /// How many characters a number may have.
    pub const fn max_number_len(self, characters: usize) -> Self {
        Self { number: characters, ..self }
    }
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self::new()
    }
}
