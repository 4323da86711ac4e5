//! A body of JSON-RPC, as far as it decides what the caller needs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The messages of one body.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) all: Vec<Message>,
    /// The body is no message and no list of messages, or a list that is empty or has too many messages.
    pub(super) unclear: bool,
}

/// Of a longer list, no message is remembered: the list counts as unclear. A few bytes of a body must not become many bytes
/// of memory.
const MOST: usize = 256;

/// The members of a message that decide.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) method: Member,
    /// `params.name`.
    pub(super) name: Member,
    /// `params.uri`.
    pub(super) uri: Member,
    /// There is a `result` or an `error`: it is an answer to a request of the server.
    pub(super) answer: bool,
    /// It is not an object, or a parser that ignores case could read other members than these.
    pub(super) unclear: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Member {
    #[default]
    Missing,
    Text(String),
    /// Anything but a string.
    Other,
}

/// The name of a member.
enum Key {
    Method,
    Params,
    Name,
    Uri,
    Outcome,
    /// A name that differs from one of these only in case.
    Alike,
    Other,
}

const NAMES: [&str; 6] = ["method", "params", "name", "uri", "result", "error"];

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "method" => Self::Method,
            "params" => Self::Params,
            "name" => Self::Name,
            "uri" => Self::Uri,
            "result" | "error" => Self::Outcome,
            // Upper case, because there are letters of which only the upper case is ASCII.
            other if NAMES.iter().any(|known| known.to_uppercase() == other.to_uppercase()) => Self::Alike,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl Visitor<'_> for Named {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key::of(name))
            }
        }

        deserializer.deserialize_identifier(Named)
    }
}

/// Reads values of the types that decide nothing: all but strings and objects.
macro_rules! otherwise {
    ($value:ty, $result:expr) => {
        type Value = $value;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a message")
        }

        fn visit_bool<E>(self, _: bool) -> Result<$value, E> {
            Ok($result)
        }

        fn visit_i64<E>(self, _: i64) -> Result<$value, E> {
            Ok($result)
        }

        fn visit_u64<E>(self, _: u64) -> Result<$value, E> {
            Ok($result)
        }

        fn visit_f64<E>(self, _: f64) -> Result<$value, E> {
            Ok($result)
        }

        fn visit_unit<E>(self) -> Result<$value, E> {
            Ok($result)
        }
    };
}

fn skip_elements<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
    while list.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

fn skip_members<'de, A: MapAccess<'de>>(mut object: A) -> Result<(), A::Error> {
    while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Valued;

        impl<'de> Visitor<'de> for Valued {
            otherwise!(Member, Member::Other);

            fn visit_str<E>(self, text: &str) -> Result<Member, E> {
                Ok(Member::Text(text.to_owned()))
            }

            fn visit_string<E>(self, text: String) -> Result<Member, E> {
                Ok(Member::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Member, A::Error> {
                skip_elements(list).map(|()| Member::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Member, A::Error> {
                skip_members(object).map(|()| Member::Other)
            }
        }

        deserializer.deserialize_any(Valued)
    }
}

/// `params`.
#[derive(Default)]
struct Params {
    name: Member,
    uri: Member,
    unclear: bool,
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            otherwise!(Params, Params::default());

            fn visit_str<E>(self, _: &str) -> Result<Params, E> {
                Ok(Params::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Params, A::Error> {
                skip_elements(list).map(|()| Params::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Params, A::Error> {
                let mut params = Params::default();
                while let Some(name) = object.next_key()? {
                    match name {
                        Key::Name => params.name = object.next_value()?,
                        Key::Uri => params.uri = object.next_value()?,
                        Key::Alike => {
                            params.unclear = true;
                            object.next_value::<IgnoredAny>()?;
                        }
                        Key::Method | Key::Params | Key::Outcome | Key::Other => {
                            object.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(params)
            }
        }

        deserializer.deserialize_any(Named)
    }
}

impl Message {
    fn unclear() -> Self {
        Self { unclear: true, ..Self::default() }
    }

    fn read<'de, A: MapAccess<'de>>(mut object: A) -> Result<Self, A::Error> {
        let mut message = Self::default();
        while let Some(name) = object.next_key()? {
            match name {
                Key::Method => message.method = object.next_value()?,
                Key::Params => {
                    let Params { name, uri, unclear } = object.next_value()?;
                    (message.name, message.uri) = (name, uri);
                    message.unclear |= unclear;
                }
                Key::Outcome => {
                    message.answer = true;
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Alike => {
                    message.unclear = true;
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Name | Key::Uri | Key::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(message)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;

        impl<'de> Visitor<'de> for One {
            otherwise!(Message, Message::unclear());

            fn visit_str<E>(self, _: &str) -> Result<Message, E> {
                Ok(Message::unclear())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Message, A::Error> {
                skip_elements(list).map(|()| Message::unclear())
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Message, A::Error> {
                Message::read(object)
            }
        }

        deserializer.deserialize_any(One)
    }
}

impl Messages {
    fn unclear() -> Self {
        Self { all: Vec::new(), unclear: true }
    }
}

impl<'de> Deserialize<'de> for Messages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Several;

        impl<'de> Visitor<'de> for Several {
            otherwise!(Messages, Messages::unclear());

            fn visit_str<E>(self, _: &str) -> Result<Messages, E> {
                Ok(Messages::unclear())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Messages, A::Error> {
                let mut all = Vec::new();
                while all.len() < MOST {
                    match list.next_element()? {
                        Some(message) => all.push(message),
                        None => return Ok(Messages { unclear: all.is_empty(), all }),
                    }
                }
                let more = list.next_element::<IgnoredAny>()?.is_some();
                skip_elements(list)?;
                Ok(Messages { all, unclear: more })
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Messages, A::Error> {
                Ok(Messages { all: vec![Message::read(object)?], unclear: false })
            }
        }

        deserializer.deserialize_any(Several)
    }
}
