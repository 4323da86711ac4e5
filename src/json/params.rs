//! Reads the parameters of a path or a query into a type, as strictly as a body.

use serde::{
    Deserialize,
    de::{Deserializer, Visitor},
};

use super::{
    failure::Failure,
    loose::Loose,
    param_access::{Elements, Members, Value, scalars},
    param_notes::{Notes, Pair, ParamsError, Place, pointer},
};

/// Reads parameters into a type.
pub(crate) fn from_pairs<'de, T: Deserialize<'de>>(place: Place, pairs: Vec<Pair<'de>>) -> Result<T, ParamsError> {
    let mut notes = Notes::new(place);
    let failure = match T::deserialize(Params { pairs, notes: &mut notes }) {
        Ok(value) if notes.is_clean() => return Ok(value),
        Ok(_) => None,
        Err(failure) => Some(failure),
    };
    Err(notes.explain(failure))
}

const NAMELESS: &str = "a query is read into a struct, whose fields are the names of its parameters";

/// All parameters, as one value.
struct Params<'a, 'de> {
    pairs: Vec<Pair<'de>>,
    notes: &'a mut Notes,
}

impl<'a, 'de> Params<'a, 'de> {
    fn by_name<V: Visitor<'de>>(self, known: Option<&'static [&'static str]>, visitor: V) -> Result<V::Value, Failure> {
        let mut members = Members::new(self.pairs, known, self.notes);
        let value = visitor.visit_map(&mut members)?;
        members.close()?;
        Ok(value)
    }

    fn by_position<V: Visitor<'de>>(self, length: Option<usize>, visitor: V) -> Result<V::Value, Failure> {
        if self.notes.place == Place::Query {
            return Err(self.notes.fault(NAMELESS));
        }
        let there = self.pairs.len();
        if let Some(length) = length.filter(|length| *length != there) {
            return Err(self.notes.fault(format!("the route has {there} parameters, and the type {length}")));
        }
        let values = self.pairs.into_iter().map(|(name, value)| (pointer(&name), value)).collect();
        visitor.visit_seq(&mut Elements::new(values, self.notes))
    }

    /// Returns the only parameter of a path as the whole value.
    fn only(mut self) -> Result<Value<'a, 'de>, Failure> {
        if self.notes.place == Place::Query {
            return Err(self.notes.fault(NAMELESS));
        }
        let there = self.pairs.len();
        let Some((name, value)) = self.pairs.pop().filter(|_| there == 1) else {
            return Err(self.notes.fault(format!("the route has {there} parameters, and the type is a single value")));
        };
        self.notes.is_only(pointer(&name));
        Ok(Value { pointer: pointer(&name), values: vec![value], notes: self.notes })
    }
}

impl<'de> Deserializer<'de> for Params<'_, 'de> {
    type Error = Failure;

    scalars!(only);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match Loose::any::<V>() {
            Some(why) => Err(self.notes.loose(why)),
            None if self.notes.place == Place::Path && self.pairs.len() == 1 => self.only()?.deserialize_any(visitor),
            None => self.by_name(None, visitor),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match Loose::map::<V>() {
            Some(why) => Err(self.notes.loose(why)),
            None => self.by_name(None, visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.by_name(Some(fields), visitor)
    }

    /// Reads a type without fields, which documents that there are no parameters.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        Members::new(self.pairs, Some(&[]), self.notes).close()?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Failure> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.pairs.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        match Loose::newtype(name) {
            Some(why) => Err(self.notes.loose(why)),
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.by_position(None, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Failure> {
        self.by_position(Some(length), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.by_position(Some(length), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.only()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }
}
