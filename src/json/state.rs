//! The state of reading a text into a type.

use serde::de::DeserializeSeed;

use super::{cursor::Cursor, failure::Failure, loose::Loose};

/// Reads a text into a type, and notes unknown fields.
pub(super) struct Reader<'de> {
    pub(super) cursor: Cursor<'de>,
    pub(super) unknown: Vec<Unknown>,
    /// What is wrong with the type. It stays set, even if the type turns the error into a default.
    pub(super) loose: Option<Loose>,
    /// Whether there are more unknown fields than noted.
    pub(super) more: bool,
}

/// A name that a struct does not have.
pub(super) struct Unknown {
    /// The byte at which the name starts.
    pub(super) at: usize,
    /// The byte at which its object starts.
    pub(super) object: usize,
    pub(super) known: &'static [&'static str],
}

/// At most this many unknown fields are reported.
pub(super) const MOST: usize = 32;

impl Reader<'_> {
    /// Notes that the type cannot be read strictly.
    #[cold]
    pub(super) fn loose(&mut self, why: Loose) -> Failure {
        self.loose = Some(why);
        Failure::loose(why)
    }

    #[cold]
    pub(super) fn note(&mut self, unknown: Unknown) {
        if self.unknown.len() < MOST {
            self.unknown.push(unknown);
        } else {
            self.more = true;
        }
    }
}

impl<'de> Reader<'de> {
    pub(super) const fn new(cursor: Cursor<'de>) -> Self {
        Self { cursor, unknown: Vec::new(), loose: None, more: false }
    }

    /// Reads the value of an element, a member or a variant. An error of the type gets the place of this value.
    #[inline]
    pub(super) fn own_value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        self.cursor.peek();
        let (at, depth) = (self.cursor.at, self.cursor.depth);
        let failed = std::mem::take(&mut self.cursor.failed);
        match seed.deserialize(&mut *self) {
            Ok(value) => {
                if self.cursor.failed {
                    // The type has turned an error inside of the value into a default: skip the rest of the value.
                    self.cursor.give_up(at, depth);
                    self.cursor.given_up = false;
                    self.cursor.skip()?;
                }
                self.cursor.failed |= failed;
                Ok(value)
            }
            Err(failure) => {
                // An outer type may turn this error into a default: the value is then skipped too.
                self.cursor.give_up(at, depth);
                Err(failure.located(at))
            }
        }
    }
}
