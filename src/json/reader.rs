//! The text as a serde data format.

use std::borrow::Cow;

use serde::de::{Deserializer, Visitor};

use super::{
    access::{Elements, Fields, Members},
    cursor::Number,
    failure::Failure,
    loose::Loose,
    state::Reader,
    variants::{UnitOnly, Variant},
};

impl<'de> Reader<'de> {
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        match self.cursor.number()? {
            Number::Unsigned(value) => visitor.visit_u64(value),
            Number::Negative(value) => visitor.visit_i64(value),
            Number::Float(value) => visitor.visit_f64(value),
        }
    }

    fn string<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        match self.cursor.string()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        self.cursor.enter()?;
        let mut elements = Elements::new(self);
        let value = visitor.visit_seq(&mut elements)?;
        elements.close()?;
        Ok(value)
    }

    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        self.cursor.enter()?;
        let mut members = Members::new(self);
        let value = visitor.visit_map(&mut members)?;
        members.close()?;
        Ok(value)
    }

    /// Reads a struct: an object with documented names.
    pub(super) fn object<V: Visitor<'de>>(
        &mut self,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        let start = self.cursor.at;
        self.cursor.enter()?;
        let mut fields = Fields::new(self, known, start);
        let value = visitor.visit_map(&mut fields)?;
        fields.close()?;
        Ok(value)
    }

    fn unit_variant<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        let name = self.cursor.string()?;
        visitor.visit_enum(UnitOnly::new(name))
    }

    fn variant<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, Failure> {
        const ONE: &str = "expected an object with one member, which names a documented value";
        self.cursor.enter()?;
        if !self.cursor.another(true, b'}')? {
            return Err(Failure::shape(ONE));
        }
        let (at, name) = self.cursor.name()?;
        let value = visitor.visit_enum(Variant::new(self, name, at))?;
        if self.cursor.another(false, b'}')? {
            return Err(Failure::shape(ONE));
        }
        self.cursor.leave();
        Ok(value)
    }

    fn any<V: Visitor<'de>>(&mut self, first: u8, visitor: V) -> Result<V::Value, Failure> {
        match first {
            b'"' => self.string(visitor),
            b'-' | b'0'..=b'9' => self.number(visitor),
            b'{' => self.map(visitor),
            b'[' => self.array(visitor),
            b'n' => {
                self.cursor.literal("null")?;
                visitor.visit_unit()
            }
            b't' => {
                self.cursor.literal("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.cursor.literal("false")?;
                visitor.visit_bool(false)
            }
            _ => Err(self.cursor.fault_here("a value is expected").into()),
        }
    }
}

/// Reads the next value, and sets the place of an error to the start of that value.
macro_rules! value {
    ($reader:ident, |$first:ident| $read:expr) => {{
        let $first = $reader.cursor.value()?;
        let start = $reader.cursor.at;
        let read: Result<V::Value, Failure> = $read;
        read.map_err(|failure| {
            $reader.cursor.failed = true;
            failure.located(start)
        })
    }};
}

macro_rules! whatever_it_is {
    ($($method:ident)*) => { $(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            value!(self, |first| self.any(first, visitor))
        }
    )* };
}

macro_rules! wide_integer {
    ($($method:ident $visit:ident $type:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            value!(self, |first| match first {
                b'-' | b'0'..=b'9' => {
                    let start = self.cursor.at;
                    match self.cursor.skip_number()?.parse::<$type>() {
                        Ok(value) => visitor.$visit(value),
                        Err(_) => {
                            self.cursor.at = start;
                            self.number(visitor)
                        }
                    }
                }
                _ => self.any(first, visitor),
            })
        }
    )* };
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = Failure;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(why) = Loose::any::<V>() {
            return Err(self.loose(why));
        }
        value!(self, |first| self.any(first, visitor))
    }

    whatever_it_is! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16
        deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 deserialize_char deserialize_identifier
        deserialize_unit
    }

    wide_integer! {
        deserialize_i128 visit_i128 i128
        deserialize_u128 visit_u128 u128
    }

    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        value!(self, |first| match first {
            b'[' => self.array(visitor),
            _ => Err(Failure::expected("an array", first)),
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if let Some(why) = Loose::map::<V>() {
            return Err(self.loose(why));
        }
        value!(self, |first| match first {
            b'{' => self.map(visitor),
            _ => Err(Failure::expected("an object", first)),
        })
    }

    #[inline]
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        value!(self, |first| if first == b'"' { self.string(visitor) } else { self.any(first, visitor) })
    }

    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_str(visitor)
    }

    /// Reads the bytes of a string, or an array of numbers.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        value!(self, |first| match first {
            b'"' => match self.cursor.string()? {
                Cow::Borrowed(text) => visitor.visit_borrowed_bytes(text.as_bytes()),
                Cow::Owned(text) => visitor.visit_byte_buf(text.into_bytes()),
            },
            _ => self.any(first, visitor),
        })
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_bytes(visitor)
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        value!(self, |first| if first == b'n' {
            self.cursor.literal("null")?;
            visitor.visit_none()
        } else {
            visitor.visit_some(&mut *self)
        })
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        if let Some(why) = Loose::newtype(name) {
            return Err(self.loose(why));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        value!(self, |first| if first == b'{' {
            self.object(fields, visitor)
        } else {
            Err(Failure::expected("an object", first))
        })
    }

    /// Reads a string as a variant without contents, and an object with one member as a variant with contents.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        value!(self, |first| match first {
            b'"' => self.unit_variant(visitor),
            b'{' => self.variant(visitor),
            _ => Err(Failure::expected("one of the documented values", first)),
        })
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.cursor.skip()?;
        visitor.visit_unit()
    }
}
