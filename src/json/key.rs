//! A member name as the key of a map: a string, or the number or boolean that it spells.

use std::borrow::Cow;

use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::{
    cursor::{Cursor, Number},
    failure::Failure,
    limits::JsonLimits,
    variants::UnitOnly,
};

/// Numbers and booleans as keys are written as JSON in quotes: `{"7":"seven"}`.
pub(super) struct Key<'de>(Cow<'de, str>);

impl<'de> Key<'de> {
    pub(super) const fn new(name: Cow<'de, str>) -> Self {
        Self(name)
    }
}

macro_rules! number {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let mut cursor = Cursor::new(&self.0, JsonLimits::new());
            match cursor.number() {
                Ok(number) if cursor.at == self.0.len() => match number {
                    Number::Unsigned(value) => visitor.visit_u64(value),
                    Number::Negative(value) => visitor.visit_i64(value),
                    Number::Float(value) => visitor.visit_f64(value),
                },
                _ => Err(Failure::invalid_type(Unexpected::Str(&self.0), &visitor)),
            }
        }
    )* };
}

macro_rules! wide_integer {
    ($($method:ident $visit:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            let mut cursor = Cursor::new(&self.0, JsonLimits::new());
            let text = cursor.skip_number().ok().filter(|text| text.len() == self.0.len());
            match text.and_then(|text| text.parse().ok()) {
                Some(value) => visitor.$visit(value),
                None => Err(Failure::invalid_type(Unexpected::Str(&self.0), &visitor)),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Key<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Cow::Borrowed(name) => visitor.visit_borrowed_str(name),
            Cow::Owned(name) => visitor.visit_string(name),
        }
    }

    number! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    wide_integer! {
        deserialize_i128 visit_i128
        deserialize_u128 visit_u128
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match &*self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Failure::invalid_type(Unexpected::Str(other), &visitor)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        visitor.visit_enum(UnitOnly::new(self.0))
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
            Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    forward_to_deserialize_any! {
        char str string unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
