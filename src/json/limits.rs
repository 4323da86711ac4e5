/// Limits on the depth of JSON and on the length of its strings and numbers.
///
/// ```
/// use tower_auth::json::{self, JsonLimits};
///
/// let limits = JsonLimits::new().max_depth(2);
/// assert!(json::check(b"[[1]]", &limits).is_ok());
/// assert!(json::check(b"[[[1]]]", &limits).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "limits apply only where they are passed"]
pub struct JsonLimits {
    pub(super) depth: usize,
    pub(super) string: usize,
    pub(super) number: usize,
}

/// Higher limits are lowered to this one, because nested values are read by recursion.
const DEEPEST: usize = 128;

impl JsonLimits {
    /// Returns the defaults: a depth of 64, strings of 1 MiB, numbers of 128 characters.
    pub const fn new() -> Self {
        Self { depth: 64, string: 1 << 20, number: 128 }
    }

    /// Sets how deep arrays and objects may be nested: at most 128. Higher values are lowered to 128.
    pub const fn max_depth(self, depth: usize) -> Self {
        Self { depth: if depth < DEEPEST { depth } else { DEEPEST }, ..self }
    }

    /// Sets how many bytes a string or a name may have between its quotes, before unescaping.
    pub const fn max_string_len(self, bytes: usize) -> Self {
        Self { string: bytes, ..self }
    }

    /// Sets how many characters a number may have.
    pub const fn max_number_len(self, characters: usize) -> Self {
        Self { number: characters, ..self }
    }
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self::new()
    }
}
