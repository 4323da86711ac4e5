//! The elements of arrays, the members of objects, and the contents of variants.

use std::borrow::Cow;

use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::{BorrowedStrDeserializer, CowStrDeserializer},
};

use super::{
    failure::Failure,
    key::Key,
    names::Names,
    reader::{Reader, Unknown},
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

    /// A type that has read all that it wants leaves nothing over.
    #[inline]
    pub(super) fn close(self) -> Result<(), Failure> {
        if self.reader.cursor.another(self.first, b']')? {
            return Err(Failure::shape("the array has more elements than documented"));
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
        seed.deserialize(&mut *self.reader).map(Some)
    }
}

/// An object whose names are data.
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
            return Err(Failure::shape("the object has more members than documented"));
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
        if !self.names.insert(name.clone()) {
            return Err(cursor.repeated(at).into());
        }
        seed.deserialize(Key::new(name)).map(Some).map_err(|failure| failure.located(at))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(&mut *self.reader)
    }
}

/// An object whose names are documented.
pub(super) struct Fields<'a, 'de> {
    reader: &'a mut Reader<'de>,
    known: &'static [&'static str],
    /// Which of `known` have been there: the first 64 bit by bit, the others as a list.
    seen: u64,
    seen_further: Vec<usize>,
    /// The one that comes next where all come in their order.
    next: usize,
    /// Where the object starts.
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
        // A type that stops early has left members unread: what is documented is no less strange then.
        if self.next_name()?.is_some() {
            return Err(Failure::shape("the object has more members than documented"));
        }
        self.reader.cursor.leave();
        Ok(())
    }

    /// The next documented name; on the way, what is not documented is noted and left out.
    #[inline]
    fn next_name(&mut self) -> Result<Option<&'static str>, Failure> {
        while self.reader.cursor.another(self.first, b'}')? {
            self.first = false;
            let (at, name) = self.reader.cursor.name()?;
            let Some(place) = self.place(&name) else {
                self.reader.note(Unknown { at, object: self.start, known: self.known, seen: self.seen });
                self.reader.cursor.skip()?;
                continue;
            };
            self.next = place + 1;
            if !self.is_new(place) {
                return Err(self.reader.cursor.repeated(at).into());
            }
            return Ok(self.known.get(place).copied());
        }
        if !self.reader.unknown.is_empty() {
            self.settle();
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

    /// What stands in the object itself was not meant by an unknown name before it.
    #[cold]
    fn settle(&mut self) {
        let (start, seen) = (self.start, self.seen);
        self.reader
            .unknown
            .iter_mut()
            .filter(|unknown| unknown.object == start)
            .for_each(|unknown| unknown.seen = seen);
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
        seed.deserialize(&mut *self.reader)
    }
}

/// A variant that is a string alone.
pub(super) struct UnitOnly<'de>(Cow<'de, str>);

impl<'de> UnitOnly<'de> {
    pub(super) const fn new(name: Cow<'de, str>) -> Self {
        Self(name)
    }
}

impl<'de> EnumAccess<'de> for UnitOnly<'de> {
    type Error = Failure;
    type Variant = NoContents;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, NoContents), Failure> {
        seed.deserialize(CowStrDeserializer::new(self.0)).map(|variant| (variant, NoContents))
    }
}

pub(super) struct NoContents;

impl<'de> VariantAccess<'de> for NoContents {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, Failure> {
        Err(needs_contents())
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Failure> {
        Err(needs_contents())
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Failure> {
        Err(needs_contents())
    }
}

fn needs_contents() -> Failure {
    Failure::shape("this value has contents: expected an object with one member, named by it")
}

/// A variant that is the one member of an object.
pub(super) struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    name: Cow<'de, str>,
    /// Where the name starts.
    at: usize,
}

impl<'a, 'de> Variant<'a, 'de> {
    pub(super) const fn new(reader: &'a mut Reader<'de>, name: Cow<'de, str>, at: usize) -> Self {
        Self { reader, name, at }
    }
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Failure;
    type Variant = Contents<'a, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Contents<'a, 'de>), Failure> {
        let Self { reader, name, at } = self;
        let variant =
            seed.deserialize(CowStrDeserializer::new(name)).map_err(|failure: Failure| failure.located(at))?;
        Ok((variant, Contents(reader)))
    }
}

pub(super) struct Contents<'a, 'de>(&'a mut Reader<'de>);

impl<'de> VariantAccess<'de> for Contents<'_, 'de> {
    type Error = Failure;

    fn unit_variant(self) -> Result<(), Failure> {
        // `{"variant":null}` is the variant too.
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.0.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
