//! The members of a message that decide, and how their values are read.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Of a longer list, no message is remembered: the list counts as unclear. A few bytes of a body must not become many bytes
/// of memory.
pub(super) const MOST: usize = 256;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Member {
    #[default]
    Missing,
    Text(String),
    /// Anything but a string.
    Other,
}

/// The resources of a subscription.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Listed {
    #[default]
    Missing,
    Uris(Vec<String>),
    /// Anything but a list of strings, a list that is too long, or a value of another type around it: a server that reads
    /// structures also from arrays could find a list there.
    Other,
}

/// `params.ref`: whose argument is completed.
#[derive(Debug, Default)]
pub(super) struct Reference {
    /// `type`.
    pub(super) kind: Member,
    pub(super) name: Member,
    pub(super) uri: Member,
    /// A parser that ignores case could read another one.
    pub(super) unclear: bool,
}

/// The name of a member.
pub(super) enum Key {
    Method,
    Params,
    Name,
    Uri,
    Reference,
    Kind,
    Notifications,
    Subscriptions,
    Outcome,
    /// Also in other letters: a request with an `Id` must not pass for a notification.
    Id,
    /// A name that differs from one of these only in case.
    Alike,
    Other,
}

const NAMES: [&str; 10] =
    ["method", "params", "name", "uri", "ref", "type", "notifications", "resourceSubscriptions", "result", "error"];

impl Key {
    fn of(name: &str) -> Self {
        match name {
            "method" => Self::Method,
            "params" => Self::Params,
            "name" => Self::Name,
            "uri" => Self::Uri,
            "ref" => Self::Reference,
            "type" => Self::Kind,
            "notifications" => Self::Notifications,
            "resourceSubscriptions" => Self::Subscriptions,
            "result" | "error" => Self::Outcome,
            // Upper case, because there are letters of which only the upper case is ASCII.
            other if other.to_uppercase() == "ID" => Self::Id,
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
pub(super) use otherwise;

pub(super) fn skip_elements<'de, A: SeqAccess<'de>>(mut list: A) -> Result<(), A::Error> {
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

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Uris;

        impl<'de> Visitor<'de> for Uris {
            otherwise!(Listed, Listed::Other);

            fn visit_str<E>(self, _: &str) -> Result<Listed, E> {
                Ok(Listed::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listed, A::Error> {
                let mut uris = Vec::new();
                while let Some(uri) = list.next_element()? {
                    match uri {
                        Member::Text(uri) if uris.len() < MOST => uris.push(uri),
                        Member::Text(_) | Member::Missing | Member::Other => {
                            return skip_elements(list).map(|()| Listed::Other);
                        }
                    }
                }
                Ok(Listed::Uris(uris))
            }

            fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Listed, A::Error> {
                skip_members(object).map(|()| Listed::Other)
            }
        }

        deserializer.deserialize_any(Uris)
    }
}

/// `params.notifications`.
pub(super) struct Filter {
    pub(super) listed: Listed,
    /// A parser that ignores case could read another list.
    pub(super) unclear: bool,
}

impl Filter {
    const fn other() -> Self {
        Self { listed: Listed::Other, unclear: false }
    }
}

impl<'de> Deserialize<'de> for Filter {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Kinds;

        impl<'de> Visitor<'de> for Kinds {
            otherwise!(Filter, Filter::other());

            fn visit_str<E>(self, _: &str) -> Result<Filter, E> {
                Ok(Filter::other())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Filter, A::Error> {
                skip_elements(list).map(|()| Filter::other())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Filter, A::Error> {
                let mut filter = Filter { listed: Listed::Missing, unclear: false };
                while let Some(name) = object.next_key()? {
                    if matches!(name, Key::Subscriptions) {
                        filter.listed = object.next_value()?;
                    } else {
                        filter.unclear |= matches!(name, Key::Alike);
                        object.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(filter)
            }
        }

        deserializer.deserialize_any(Kinds)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Referred;

        impl<'de> Visitor<'de> for Referred {
            otherwise!(Reference, Reference::default());

            fn visit_str<E>(self, _: &str) -> Result<Reference, E> {
                Ok(Reference::default())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Reference, A::Error> {
                skip_elements(list).map(|()| Reference::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Reference, A::Error> {
                let mut reference = Reference::default();
                while let Some(name) = object.next_key()? {
                    match name {
                        Key::Kind => reference.kind = object.next_value()?,
                        Key::Name => reference.name = object.next_value()?,
                        Key::Uri => reference.uri = object.next_value()?,
                        other => {
                            reference.unclear |= matches!(other, Key::Alike);
                            object.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(reference)
            }
        }

        deserializer.deserialize_any(Referred)
    }
}
