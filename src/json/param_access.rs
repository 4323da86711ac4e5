//! A parameter as a value, and several parameters by name or by position.

use std::{borrow::Cow, collections::HashMap, vec};

use serde::{
    de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor, value::BorrowedStrDeserializer},
    forward_to_deserialize_any,
};

use super::{
    access::PRIVATE,
    failure::Failure,
    key::Key,
    loose::Loose,
    param_notes::{Notes, Pair, Place, pointer},
    suggest::Known,
};

/// The values of one name: one value, or several for a list.
pub(super) struct Value<'a, 'de> {
    pub(super) pointer: String,
    pub(super) values: Vec<Cow<'de, str>>,
    pub(super) notes: &'a mut Notes,
}

const NESTED: &str =
    "a parameter is read into a text, a number, a boolean, an enum without contents, or a list of them";

impl<'de> Value<'_, 'de> {
    /// Returns the text, to be read like the name of a JSON member.
    fn one(mut self) -> Result<Key<'de>, Failure> {
        match (self.values.pop(), self.values.is_empty()) {
            (Some(value), true) => Ok(Key::new(value)),
            _ => Err(self.notes.twice(&self.pointer)),
        }
    }

    fn list<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        if self.notes.place == Place::Path {
            return Err(self.notes.fault(NESTED));
        }
        let Self { pointer, values, notes } = self;
        let values = values.into_iter().enumerate();
        let values = values.map(|(index, value)| (format!("{pointer}/{index}"), value)).collect();
        let mut elements = Elements::new(values, notes);
        let value = visitor.visit_seq(&mut elements)?;
        elements.close()?;
        Ok(value)
    }
}

/// The methods of a `Deserializer` that read a scalar through the one value that there is.
macro_rules! scalars {
    ($through:ident) => { scalars! { $through:
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    } };
    ($through:ident: $($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
            self.$through()?.$method(visitor)
        }
    )* };
}

pub(super) use scalars;

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Failure;

    scalars!(one);

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        match Loose::any::<V>() {
            Some(why) => Err(self.notes.loose(why)),
            None => self.one()?.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Failure> {
        match Loose::newtype(name) {
            Some(why) => Err(self.notes.loose(why)),
            None => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.one()?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        self.list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Failure> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Failure> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Failure> {
        Err(self.notes.fault(NESTED))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Failure> {
        Err(self.notes.fault(NESTED))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Failure> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { unit unit_struct }
}

/// Values by position, each with its pointer.
pub(super) struct Elements<'a, 'de> {
    values: vec::IntoIter<(String, Cow<'de, str>)>,
    notes: &'a mut Notes,
}

impl<'a, 'de> Elements<'a, 'de> {
    pub(super) fn new(values: Vec<(String, Cow<'de, str>)>, notes: &'a mut Notes) -> Self {
        Self { values: values.into_iter(), notes }
    }

    fn close(self) -> Result<(), Failure> {
        if self.values.len() == 0 { Ok(()) } else { Err(Failure::shape("there are more values than the type reads")) }
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Failure;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Failure> {
        let Some((pointer, value)) = self.values.next() else { return Ok(None) };
        let value = Value { pointer: pointer.clone(), values: vec![value], notes: self.notes };
        seed.deserialize(value).map(Some).map_err(|failure| self.notes.located(failure, &pointer))
    }
}

/// Parameters by name. Each name occurs once.
pub(super) struct Members<'a, 'de> {
    groups: vec::IntoIter<(Cow<'de, str>, Vec<Cow<'de, str>>)>,
    /// The documented names. `None` means that every name is data.
    known: Option<&'static [&'static str]>,
    /// The documented names that are not given. They are candidates for suggestions.
    missing: Known<'static>,
    notes: &'a mut Notes,
    next: Option<(String, Vec<Cow<'de, str>>)>,
}

impl<'a, 'de> Members<'a, 'de> {
    pub(super) fn new(pairs: Vec<Pair<'de>>, known: Option<&'static [&'static str]>, notes: &'a mut Notes) -> Self {
        let groups = grouped(pairs);
        let is_unknown = |name: &str| known.is_some_and(|known| !known.contains(&name));
        let missing = if groups.iter().any(|(name, _)| is_unknown(name)) {
            let known = known.unwrap_or_default().iter().copied();
            Known::new(known.filter(|known| groups.iter().all(|(name, _)| name != known)))
        } else {
            Known::new([])
        };
        Self { groups: groups.into_iter(), known, missing, notes, next: None }
    }

    /// Returns the next name that the type knows. Unknown names before it are noted and skipped.
    fn next_name(&mut self) -> Option<Cow<'de, str>> {
        for (name, values) in self.groups.by_ref() {
            if self.known.is_none_or(|known| known.contains(&&*name)) {
                self.next = Some((pointer(&name), values));
                return Some(name);
            }
            // A path may have parameters of outer routes, which the handler need not read.
            if self.notes.place == Place::Query {
                self.notes.unknown(&name, || self.missing.nearest(&name));
            }
        }
        None
    }

    /// Checks the parameters that the type has not read.
    pub(super) fn close(&mut self) -> Result<(), Failure> {
        match self.next_name() {
            Some(_) => Err(Failure::shape("there are more parameters than the type reads")),
            None => Ok(()),
        }
    }
}

impl<'de> MapAccess<'de> for &mut Members<'_, 'de> {
    type Error = Failure;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Failure> {
        let Some(name) = self.next_name() else { return Ok(None) };
        let place = pointer(&name);
        let key = match self.known.and_then(|known| known.iter().find(|known| **known == name)) {
            Some(known) => seed.deserialize(BorrowedStrDeserializer::new(known)),
            None if name.starts_with(PRIVATE) => Err(Failure::shape("a name that starts so is reserved")),
            None => seed.deserialize(Key::new(name)),
        };
        key.map(Some).map_err(|failure| self.notes.located(failure, &place))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Failure> {
        let (pointer, values) = self.next.take().unwrap_or_default();
        let value = Value { pointer: pointer.clone(), values, notes: self.notes };
        seed.deserialize(value).map_err(|failure| self.notes.located(failure, &pointer))
    }
}

/// Groups the values by name, in the order in which the names first occur.
fn grouped<'de>(pairs: Vec<Pair<'de>>) -> Vec<(Cow<'de, str>, Vec<Cow<'de, str>>)> {
    let mut places: HashMap<Cow<'de, str>, usize> = HashMap::new();
    let mut groups: Vec<(Cow<'de, str>, Vec<Cow<'de, str>>)> = Vec::new();
    for (name, value) in pairs {
        let place = *places.entry(name).or_insert_with_key(|name| {
            groups.push((name.clone(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, values)) = groups.get_mut(place) {
            values.push(value);
        }
    }
    groups
}
