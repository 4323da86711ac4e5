//! A type that is put together while the test runs. It asks a deserializer for what a derived type would ask for.

use std::{
    cell::RefCell,
    fmt::{self, Display},
};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor},
};
use serde_json::Value;
use tower_auth::json::{self, JsonError, JsonLimits};

pub(super) type Names = &'static [&'static str];

#[derive(Clone, Debug)]
pub(super) enum Schema {
    Text,
    Bool,
    Integer(Width),
    Float,
    Character,
    Unit,
    Any,
    Ignored,
    Option(Box<Self>),
    Newtype(Box<Self>),
    List(Box<Self>),
    Tuple(Vec<Self>),
    Map(Box<Self>, Box<Self>),
    Struct(Record),
    Enum(Choice),
    /// What the type inside refuses is nothing, as some write it with `deserialize_with`.
    Lenient(Box<Self>),
}

/// The fields of a struct, each with whether it may be missing.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) names: Names,
    pub(super) fields: Vec<(bool, Schema)>,
}

/// The variants of an enum.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    pub(super) names: Names,
    pub(super) contents: Vec<Contents>,
}

#[derive(Clone, Debug)]
pub(super) enum Contents {
    Nothing,
    One(Schema),
    Several(Vec<Schema>),
    Fields(Record),
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Read {
    Nothing,
    /// A field that may be missing and is.
    Missing,
    Text(String),
    Bool(bool),
    Integer(String),
    /// Bit by bit, so that the sign of zero counts.
    Float(u64),
    Any(Value),
    Some(Box<Self>),
    List(Vec<Self>),
    Members(Vec<(Self, Self)>),
    Variant(&'static str, Box<Self>),
}

macro_rules! widths {
    ($($name:ident $type:ident)*) => {
        #[derive(Clone, Copy, Debug)]
        pub(super) enum Width {
            $($name),*
        }

        impl Width {
            pub(super) const ALL: &[Self] = &[$(Self::$name),*];

            fn read<'de, D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
                match self {
                    $(Self::$name => $type::deserialize(deserializer).map(Read::integer)),*
                }
            }

            /// The same, of a text of digits.
            pub(super) fn parse(self, text: &str) -> Option<Read> {
                match self {
                    $(Self::$name => text.parse::<$type>().ok().map(Read::integer)),*
                }
            }

            pub(super) fn ends(self) -> [String; 2] {
                match self {
                    $(Self::$name => [$type::MIN.to_string(), $type::MAX.to_string()]),*
                }
            }
        }
    };
}

widths! { U8 u8 I8 i8 U16 u16 I16 i16 U32 u32 I32 i32 U64 u64 I64 i64 U128 u128 I128 i128 }

impl Read {
    fn integer(value: impl Display) -> Self {
        Self::Integer(value.to_string())
    }
}

thread_local! {
    /// A type has no value to look at while it is read.
    static SCHEMA: RefCell<Schema> = const { RefCell::new(Schema::Unit) };
}

struct Dynamic(Read);

impl<'de> Deserialize<'de> for Dynamic {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        SCHEMA.with_borrow(|schema| schema.deserialize(deserializer)).map(Self)
    }
}

/// Reads bytes into the type that the schema describes.
pub(super) fn read(schema: &Schema, bytes: &[u8], limits: &JsonLimits) -> Result<Read, JsonError> {
    SCHEMA.set(schema.clone());
    json::from_slice::<Dynamic>(bytes, limits).map(|Dynamic(read)| read)
}

impl<'de> DeserializeSeed<'de> for &Schema {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        match self {
            Schema::Text => String::deserialize(deserializer).map(Read::Text),
            Schema::Bool => bool::deserialize(deserializer).map(Read::Bool),
            Schema::Integer(width) => width.read(deserializer),
            Schema::Float => f64::deserialize(deserializer).map(|value| Read::Float(value.to_bits())),
            Schema::Character => char::deserialize(deserializer).map(|value| Read::Text(value.into())),
            Schema::Unit => <()>::deserialize(deserializer).map(|()| Read::Nothing),
            Schema::Any => Value::deserialize(deserializer).map(Read::Any),
            Schema::Ignored => IgnoredAny::deserialize(deserializer).map(|IgnoredAny| Read::Nothing),
            Schema::Option(inner) => deserializer.deserialize_option(Held(inner)),
            Schema::Newtype(inner) => deserializer.deserialize_newtype_struct("Newtype", Held(inner)),
            Schema::List(inner) => deserializer.deserialize_seq(Elements(inner)),
            Schema::Tuple(inner) => deserializer.deserialize_tuple(inner.len(), Places(inner)),
            Schema::Map(key, value) => deserializer.deserialize_map(Members(key, value)),
            Schema::Struct(record) => deserializer.deserialize_struct("Record", record.names, record),
            Schema::Enum(choice) => deserializer.deserialize_enum("Choice", choice.names, choice),
            Schema::Lenient(inner) => Ok(inner.deserialize(deserializer).unwrap_or(Read::Nothing)),
        }
    }
}

macro_rules! expecting {
    ($words:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($words)
        }
    };
}

/// An option or a newtype.
struct Held<'a>(&'a Schema);

impl<'de> Visitor<'de> for Held<'_> {
    type Value = Read;

    expecting!("what it holds");

    fn visit_none<E: Error>(self) -> Result<Read, E> {
        Ok(Read::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        self.0.deserialize(deserializer).map(|read| Read::Some(read.into()))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Read, D::Error> {
        self.0.deserialize(deserializer)
    }
}

struct Elements<'a>(&'a Schema);

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Read;

    expecting!("a sequence");

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Read, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = elements.next_element_seed(self.0)? {
            all.push(element);
        }
        Ok(Read::List(all))
    }
}

/// Elements that each have their own type.
struct Places<'a>(&'a [Schema]);

impl<'de> Visitor<'de> for Places<'_> {
    type Value = Read;

    expecting!("a tuple");

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Read, A::Error> {
        let mut all = Vec::new();
        for schema in self.0 {
            let element = elements.next_element_seed(schema)?;
            all.push(element.ok_or_else(|| A::Error::invalid_length(all.len(), &self))?);
        }
        Ok(Read::List(all))
    }
}

struct Members<'a>(&'a Schema, &'a Schema);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = Read;

    expecting!("a map");

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Read, A::Error> {
        let mut all = Vec::new();
        while let Some(key) = members.next_key_seed(self.0)? {
            all.push((key, members.next_value_seed(self.1)?));
        }
        Ok(Read::Members(all))
    }
}

impl<'de> Visitor<'de> for &Record {
    type Value = Read;

    expecting!("struct Record");

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Read, A::Error> {
        let mut all: Vec<Option<Read>> = vec![None; self.names.len()];
        while let Some(place) = members.next_key_seed(Name(self.names))? {
            match place {
                Ok(place) if all[place].is_some() => return Err(A::Error::duplicate_field(self.names[place])),
                Ok(place) => all[place] = Some(members.next_value_seed(&self.fields[place].1)?),
                Err(_) => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        let rest = all.into_iter().zip(&self.fields).zip(self.names).map(|((read, field), name)| match (read, field) {
            (Some(read), _) => Ok(read),
            (None, (false, Schema::Option(_))) => Ok(Read::Nothing),
            (None, (true, _)) => Ok(Read::Missing),
            (None, (false, _)) => Err(A::Error::missing_field(name)),
        });
        rest.collect::<Result<_, _>>().map(Read::List)
    }

    /// Every derived struct has this.
    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<Read, A::Error> {
        let schemas: Vec<Schema> = self.fields.iter().map(|(_, schema)| schema.clone()).collect();
        Places(&schemas).visit_seq(elements)
    }
}

/// A name: its place among the documented ones, or itself.
struct Name(Names);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Result<usize, String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Result<usize, String>;

    expecting!("an identifier");

    fn visit_u64<E: Error>(self, place: u64) -> Result<Self::Value, E> {
        Ok(usize::try_from(place).ok().filter(|place| *place < self.0.len()).ok_or_else(|| place.to_string()))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|known| *known == name).ok_or_else(|| name.to_owned()))
    }
}

/// A name that has to be a documented one.
struct VariantName(Names);

impl<'de> DeserializeSeed<'de> for VariantName {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        let place = Name(self.0).deserialize(deserializer)?;
        place.map_err(|name| D::Error::unknown_variant(&name, self.0))
    }
}

impl<'de> Visitor<'de> for &Choice {
    type Value = Read;

    expecting!("enum Choice");

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Read, A::Error> {
        let (place, variant) = data.variant_seed(VariantName(self.names))?;
        let read = match &self.contents[place] {
            Contents::Nothing => variant.unit_variant().map(|()| Read::Nothing),
            Contents::One(schema) => variant.newtype_variant_seed(schema),
            Contents::Several(schemas) => variant.tuple_variant(schemas.len(), Places(schemas)),
            Contents::Fields(record) => variant.struct_variant(record.names, record),
        };
        Ok(Read::Variant(self.names[place], read?.into()))
    }
}
