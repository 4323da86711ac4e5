//! Finds out the shape of a type by deserializing it from probes.

use std::{any::type_name, fmt, marker::PhantomData};

use serde::{
    Deserialize,
    de::{
        DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected, MapAccess, SeqAccess, VariantAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};

use super::loose::Loose;
use crate::ConfigError;

/// Checks that a type can be read strictly: no part of it buffers a value before it knows how to read it.
///
/// The check takes some microseconds for each field. Call it once, at start-up.
///
/// ```
/// use tower_auth::json;
///
/// #[derive(serde::Deserialize)]
/// struct Page {
///     limit: u32,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Search {
///     query: String,
///     #[serde(flatten)]
///     page: Page,
/// }
///
/// assert!(json::check_type::<Page>().is_ok());
/// let error = json::check_type::<Search>().unwrap_err();
/// assert!(error.to_string().contains("flatten"));
/// ```
///
/// # Errors
/// If the type contains `flatten`, `untagged`, an enum with a `tag`, or a `RawValue`. The error says where it is, and
/// what to write instead.
pub fn check_type<'de, T: Deserialize<'de>>() -> Result<(), ConfigError> {
    let mut paths: Vec<Vec<Step>> = vec![Vec::new()];
    let mut structs: Vec<&'static str> = Vec::new();
    let mut asked = 0;
    while let Some(path) = paths.pop() {
        asked += 1;
        if asked > MOST_PATHS || path.len() > DEEPEST {
            continue;
        }
        let empty_handed = path.iter().rev().take_while(|step| matches!(step, Step::Inner)).count();
        if empty_handed > MOST_INNER {
            return Err(loose(type_name::<T>(), &path, Loose::Endless));
        }
        match ask::<T>(&path) {
            Ask::Nothing => {}
            Ask::Loose(why) => return Err(loose(type_name::<T>(), &path, why)),
            Ask::Inside(steps) => paths.extend(steps.iter().map(|step| longer(&path, *step))),
            Ask::Fields(name, fields) => {
                // A recursive type is visited once. A variant has no type name of its own, its enum has one.
                let asked = name.is_some_and(|name| structs.contains(&name));
                if !asked {
                    structs.extend(name);
                    paths.extend(fields.iter().map(|field| longer(&path, Step::Field(field))));
                }
            }
            Ask::Variants(name, variants) => {
                if !structs.contains(&name) {
                    structs.push(name);
                    paths.extend(variants.iter().map(|variant| longer(&path, Step::Variant(variant))));
                }
            }
        }
    }
    Ok(())
}

/// Paths beyond this number, and fields beyond this depth, are not checked.
const MOST_PATHS: usize = 10_000;
const DEEPEST: usize = 64;
/// Deeper nesting of options and newtypes occurs only in a type that contains only itself.
const MOST_INNER: usize = 32;

/// One step into a type.
#[derive(Clone, Copy, Debug)]
enum Step {
    Field(&'static str),
    Variant(&'static str),
    /// An element of an array.
    Element,
    /// A value of a map.
    Value,
    /// What an option or a newtype holds.
    Inner,
}

fn longer(path: &[Step], step: Step) -> Vec<Step> {
    path.iter().copied().chain([step]).collect()
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) | Self::Variant(name) => write!(f, "/{name}"),
            Self::Element => f.write_str("/0"),
            Self::Value => f.write_str("/*"),
            Self::Inner => Ok(()),
        }
    }
}

fn loose(type_name: &str, path: &[Step], why: Loose) -> ConfigError {
    let place: String = path.iter().map(ToString::to_string).collect();
    let (what, help) = why.words();
    ConfigError::new(
        format!("{type_name} cannot be read strictly: at {place:?} it has {what}, and its fields cannot be checked"),
        help,
    )
}

/// What a type asks for at the end of a path.
#[derive(Debug)]
enum Ask {
    Nothing,
    Loose(Loose),
    Inside(&'static [Step]),
    /// The fields of a type, by its name, or of a variant.
    Fields(Option<&'static str>, &'static [&'static str]),
    Variants(&'static str, &'static [&'static str]),
}

fn ask<'de, T: Deserialize<'de>>(path: &[Step]) -> Ask {
    match T::deserialize(Probe(path)) {
        // The type reads nothing, or turns the error into a default.
        Ok(_) => Ask::Nothing,
        Err(Found(ask)) => ask,
    }
}

/// The result of a probe, passed as an error.
#[derive(Debug)]
struct Found(Ask);

impl serde::de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(Ask::Nothing)
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::error::Error for Found {}

/// A deserializer without data. It follows a path into a type, and records what the type asks for at the end.
#[derive(Clone, Copy)]
struct Probe<'a>(&'a [Step]);

impl Probe<'_> {
    /// Returns the next step and the rest of the path, or `end` as the result.
    fn step(self, end: Ask) -> Result<(Step, Self), Found> {
        self.0.split_first().map(|(step, rest)| (*step, Probe(rest))).ok_or(Found(end))
    }
}

/// Returns the expectation that a visitor declares.
fn expects<'de, V: Visitor<'de>>(visitor: &V) -> String {
    let expected: &dyn Expected = visitor;
    expected.to_string()
}

macro_rules! leaf {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
            Err(Found(Ask::Nothing))
        }
    )* };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Found;

    leaf! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_unit
        deserialize_identifier deserialize_ignored_any
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(Loose::any::<V>().map_or(Ask::Nothing, Ask::Loose)))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        if let Some(why) = Loose::map::<V>() {
            return Err(Found(Ask::Loose(why)));
        }
        let (_, rest) = self.step(Ask::Inside(&[Step::Value]))?;
        visitor.visit_map(Once { name: None, rest, done: false })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        if expects(&visitor).starts_with("adjacently tagged enum") {
            return Err(Found(Ask::Loose(Loose::Tagged)));
        }
        // The serde name is the same for all instances of a generic type.
        let own = (!name.is_empty()).then(type_name::<V>);
        match self.step(Ask::Fields(own, fields))? {
            (Step::Field(name), rest) => visitor.visit_map(Once { name: Some(name), rest, done: false }),
            _ => Err(Found(Ask::Nothing)),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        match self.step(Ask::Variants(type_name::<V>(), variants))? {
            (Step::Variant(name), rest) => visitor.visit_enum(OneVariant { name, rest }),
            _ => Err(Found(Ask::Nothing)),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        let (_, rest) = self.step(Ask::Inside(&[Step::Element]))?;
        visitor.visit_seq(Once { name: None, rest, done: false })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Found> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Found> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        let (_, rest) = self.step(Ask::Inside(&[Step::Inner]))?;
        visitor.visit_some(rest)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Found> {
        if let Some(why) = Loose::newtype(name) {
            return Err(Found(Ask::Loose(why)));
        }
        let (_, rest) = self.step(Ask::Inside(&[Step::Inner]))?;
        visitor.visit_newtype_struct(rest)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Found> {
        Err(Found(Ask::Nothing))
    }
}

/// One element, or one member.
struct Once<'a> {
    name: Option<&'static str>,
    rest: Probe<'a>,
    done: bool,
}

impl<'de> SeqAccess<'de> for Once<'_> {
    type Error = Found;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Found> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        seed.deserialize(self.rest).map(Some)
    }
}

impl<'de> MapAccess<'de> for Once<'_> {
    type Error = Found;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Found> {
        if self.done {
            return Ok(None);
        }
        self.done = true;
        match self.name {
            Some(name) => seed.deserialize(BorrowedStrDeserializer::new(name)).map(Some),
            None => seed.deserialize(SomeKey(PhantomData)).map(Some),
        }
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Found> {
        seed.deserialize(self.rest)
    }
}

/// A map key that most key types accept.
struct SomeKey<'de>(PhantomData<&'de ()>);

macro_rules! one {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
            visitor.visit_u64(1)
        }
    )* };
}

impl<'de> Deserializer<'de> for SomeKey<'de> {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_borrowed_str("1")
    }

    one! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_i128 deserialize_u128 deserialize_f32 deserialize_f64
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_bool(true)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Found> {
        let name = variants.first().ok_or_else(|| Found::custom(""))?;
        visitor.visit_enum(OneVariant { name, rest: Probe(&[]) })
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant and the path into its contents.
struct OneVariant<'a> {
    name: &'static str,
    rest: Probe<'a>,
}

impl<'de, 'a> EnumAccess<'de> for OneVariant<'a> {
    type Error = Found;
    type Variant = Probe<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Probe<'a>), Found> {
        let variant = seed.deserialize(BorrowedStrDeserializer::new(self.name))?;
        Ok((variant, self.rest))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Found;

    fn unit_variant(self) -> Result<(), Found> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Found> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Found> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Found> {
        self.deserialize_struct("", fields, visitor)
    }
}
