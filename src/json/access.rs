//! The elements of arrays and the members of objects.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, value::BorrowedStrDeserializer};

use super::{
    failure::Failure,
    key::Key,
    names::Names,
    state::{Reader, Unknown},
};

/// An array.
pub(super) struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    first: bool,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) const fn new(reader: &'a mut Reader<'de>) -> Self {
        Self { reader, first: true }
    }

    /// Checks that the type has read every element.
    #[inline]
    pub(super) fn close(self) -> Result<(), Failure> {
        if self.reader.cursor.another(self.first, b']')? {
            return Err(Failure::shape("the array has more elements than the type reads"));
        }
        self.reader.cursor.leave();
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Failure;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        if !self.reader.cursor.another(self.first, b']')? {
            return Ok(None);
        }
        self.first = false;
        self.reader.own_value(seed).map(Some)
    }
}

/// An object with arbitrary names, such as a map.
pub(super) struct Members<'a, 'de> {
    reader: &'a mut Reader<'de>,
    names: Names<'de>,
    first: bool,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) const fn new(reader: &'a mut Reader<'de>) -> Self {
        Self { reader, names: Names::new(), first: true }
    }

    pub(super) fn close(self) -> Result<(), Failure> {
        if self.reader.cursor.another(self.first, b'}')? {
            return Err(Failure::shape("the object has more members than the type reads"));
        }
        self.reader.cursor.leave();
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let cursor = &mut self.reader.cursor;
        if !cursor.another(self.first, b'}')? {
            return Ok(None);
        }
        self.first = false;
        let (at, name) = cursor.name()?;
        if name.starts_with(PRIVATE) {
            return Err(Failure::shape("a name that starts so is reserved").located(at));
        }
        if !self.names.insert(name.clone()) {
            return Err(cursor.repeated(at).into());
        }
        seed.deserialize(Key::new(name)).map(Some).map_err(|failure| failure.located(at))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        self.reader.own_value(seed)
    }
}

/// `serde_json` uses such names internally: its `Value` would read the value of such a member by other rules.
pub(super) const PRIVATE: &str = "$serde_json::private::";

/// An object with documented names, such as a struct.
pub(super) struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    known: &'static [&'static str],
    /// Which of `known` were read: the first 64 as bits, the others as a list.
    seen: u64,
    seen_further: Vec<usize>,
    /// The index in `known` that is expected next if the members are in order.
    next: usize,
    /// The byte at which the object starts.
    start: usize,
    first: bool,
}

impl<'a, 'de> Fields<'a, 'de> {
    #[inline]
    pub(super) const fn new(reader: &'a mut Reader<'de>, known: &'static [&'static str], start: usize) -> Self {
        Self { reader, known, seen: 0, seen_further: Vec::new(), next: 0, start, first: true }
    }

    #[inline]
    pub(super) fn close(mut self) -> Result<(), Failure> {
        // A type that stops early leaves members unread. Documented members are an error here too.
        if self.next_name()?.is_some() {
            return Err(Failure::shape("the object has more members than the type reads"));
        }
        self.reader.cursor.leave();
        Ok(())
    }

    /// Returns the next documented name. Unknown members before it are noted and skipped.
    #[inline]
    fn next_name(&mut self) -> Result<Option<&'static str>, Failure> {
        while self.reader.cursor.another(self.first, b'}')? {
            self.first = false;
            let (at, name) = self.reader.cursor.name()?;
            let Some(place) = self.place(&name) else {
                self.reader.note(Unknown { at, object: self.start, known: self.known });
                self.reader.cursor.skip()?;
                continue;
            };
            self.next = place + 1;
            if !self.is_new(place) {
                return Err(self.reader.cursor.repeated(at).into());
            }
            return Ok(self.known.get(place).copied());
        }
        Ok(None)
    }

    #[inline]
    fn place(&self, name: &str) -> Option<usize> {
        if self.known.get(self.next).is_some_and(|known| *known == name) {
            return Some(self.next);
        }
        self.known.iter().position(|known| *known == name)
    }

    #[inline]
    fn is_new(&mut self, place: usize) -> bool {
        if place < 64 {
            let bit = 1 << place;
            let new = self.seen & bit == 0;
            self.seen |= bit;
            return new;
        }
        let new = !self.seen_further.contains(&place);
        self.seen_further.push(place);
        new
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = Failure;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        match self.next_name()? {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        self.reader.own_value(seed)
    }
}
