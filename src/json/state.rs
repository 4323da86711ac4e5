//! How far a text is read into a type.

use serde::de::DeserializeSeed;

use super::{cursor::Cursor, failure::Failure, loose::Loose};

/// Reads a text into a type, and notes what the type does not know.
pub(super) struct Reader<'de> {
    pub(super) cursor: Cursor<'de>,
    pub(super) unknown: Vec<Unknown>,
    /// What is wrong with the type: it stays so, even if the type turns the error into a default.
    pub(super) loose: Option<Loose>,
    /// Whether more was unknown than is noted.
    pub(super) more: bool,
}

/// A name that a struct does not have.
pub(super) struct Unknown {
    /// Where the name starts.
    pub(super) at: usize,
    /// Where its object starts.
    pub(super) object: usize,
    pub(super) known: &'static [&'static str],
}

/// More is not told: a client that is wrong this often has to look at the documentation.
pub(super) const MOST: usize = 32;

impl Reader<'_> {
    /// The type reads a value before it knows what it is to be.
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

    /// The value of a member, or of a variant: a refusal of the type's own is told of it.
    #[inline]
    pub(super) fn own_value<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        self.cursor.peek();
        let (at, depth) = (self.cursor.at, self.cursor.depth);
        let failed = std::mem::take(&mut self.cursor.failed);
        match seed.deserialize(&mut *self) {
            Ok(value) => {
                if self.cursor.failed {
                    // The type has turned an error into a default, somewhere inside of the value: go on behind it.
                    self.cursor.give_up(at, depth);
                    self.cursor.given_up = false;
                    self.cursor.skip()?;
                }
                self.cursor.failed |= failed;
                Ok(value)
            }
            Err(failure) => {
                // Whoever turns this one into a default goes on behind the value too.
                self.cursor.give_up(at, depth);
                Err(failure.located(at))
            }
        }
    }
}
