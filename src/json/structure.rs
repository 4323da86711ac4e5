//! Arrays and objects, and skipping over values.

use std::borrow::Cow;

use super::{
    cursor::{Cursor, Fault},
    names::Names,
};

impl<'de> Cursor<'de> {
    /// Returns the first byte of the next value.
    #[inline]
    pub(super) fn value(&mut self) -> Result<u8, Fault> {
        let next = self.peek();
        next.ok_or_else(|| self.fault_here("the text ends where a value is expected"))
    }

    /// Moves past an opening bracket or brace.
    #[inline]
    pub(super) fn enter(&mut self) -> Result<(), Fault> {
        if self.depth >= self.limits.depth {
            return Err(self.fault_here("arrays and objects are nested deeper than is read here"));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Moves past the closing bracket or brace.
    #[inline]
    pub(super) const fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Moves back to the start of a value that cannot be read.
    #[cold]
    pub(super) const fn give_up(&mut self, at: usize, depth: usize) {
        (self.at, self.depth) = (at, depth);
        (self.failed, self.given_up) = (true, true);
    }

    /// Whether another element or member follows. Moves past the comma, but not past the closing bracket or brace.
    #[inline]
    pub(super) fn another(&mut self, first: bool, close: u8) -> Result<bool, Fault> {
        if self.given_up {
            self.given_up = false;
            self.skip()?;
        }
        match self.peek() {
            Some(byte) if byte == close => Ok(false),
            Some(_) if first => Ok(true),
            Some(b',') => {
                self.at += 1;
                if self.peek() == Some(close) {
                    return Err(self.fault_here("nothing follows the comma"));
                }
                Ok(true)
            }
            Some(_) => Err(self.fault_here("a comma or the end of the array or object is expected")),
            None => Err(self.fault_here("the text ends inside an array or object")),
        }
    }

    /// Reads the next name and the colon after it. Returns the place of the name, and the name.
    #[inline]
    pub(super) fn name(&mut self) -> Result<(usize, Cow<'de, str>), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault_here("a name in quotes is expected"));
        }
        let start = self.at;
        let name = self.string()?;
        if self.peek() != Some(b':') {
            return Err(self.fault_here("a colon is expected"));
        }
        self.at += 1;
        Ok((start, name))
    }

    #[cold]
    pub(super) fn repeated(&mut self, at: usize) -> Fault {
        self.fault(at, "the name stands in the object already")
    }

    /// Skips a value, checked as strictly as one that is read. Recursive, up to the depth limit.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        match self.value()? {
            b'"' => self.skip_string(),
            b'-' | b'0'..=b'9' => self.skip_number().map(drop),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'[' => {
                self.enter()?;
                let mut first = true;
                while self.another(first, b']')? {
                    first = false;
                    self.skip()?;
                }
                self.leave();
                Ok(())
            }
            b'{' => {
                self.enter()?;
                let mut names = Names::new();
                let mut first = true;
                while self.another(first, b'}')? {
                    first = false;
                    let (at, name) = self.name()?;
                    if !names.insert(name) {
                        return Err(self.repeated(at));
                    }
                    self.skip()?;
                }
                self.leave();
                Ok(())
            }
            _ => Err(self.fault_here("a value is expected")),
        }
    }

    /// Checks that only white space follows.
    #[inline]
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        if self.peek().is_none() { Ok(()) } else { Err(self.fault_here("something follows the value")) }
    }
}
