//! The variants of enums, and their contents.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer as _, EnumAccess, VariantAccess, Visitor, value::CowStrDeserializer};

use super::{failure::Failure, state::Reader};

/// A variant written as a string.
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

/// A variant written as an object with one member.
pub(super) struct Variant<'a, 'de> {
    reader: &'a mut Reader<'de>,
    name: Cow<'de, str>,
    /// The byte at which the name starts.
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
        // `{"variant":null}` is also accepted for a variant without contents.
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Failure> {
        self.0.own_value(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.0.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Failure> {
        self.0.deserialize_struct("", fields, visitor)
    }
}
