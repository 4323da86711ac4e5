//! A body of JSON-RPC, as far as it decides what the caller needs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::member::{Filter, Key, Listed, MOST, Member, Reference, otherwise, skip_elements};

/// The messages of one body.
#[derive(Debug, Default)]
pub(super) struct Messages {
    pub(super) all: Vec<Message>,
    /// The body is no message and no list of messages, or a list that is empty or has too many messages.
    pub(super) unclear: bool,
}

/// The members of a message that decide.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) method: Member,
    /// `params.name`.
    pub(super) name: Member,
    /// `params.uri`.
    pub(super) uri: Member,
    /// `params.ref`.
    pub(super) reference: Reference,
    /// `params.notifications.resourceSubscriptions`.
    pub(super) listed: Listed,
    /// There is an `id`: it is no notification, whatever the method is called.
    pub(super) id: bool,
    /// There is a `result` or an `error`: it is an answer to a request of the server.
    pub(super) answer: bool,
    /// It is not an object, or a parser that ignores case could read other members than these.
    pub(super) unclear: bool,
}

/// `params`.
#[derive(Default)]
struct Params {
    name: Member,
    uri: Member,
    reference: Reference,
    listed: Listed,
    unclear: bool,
}

impl Params {
    /// `params` of another type than an object.
    fn other() -> Self {
        Self { listed: Listed::Other, ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for Params {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Named;

        impl<'de> Visitor<'de> for Named {
            otherwise!(Params, Params::other());

            fn visit_str<E>(self, _: &str) -> Result<Params, E> {
                Ok(Params::other())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Params, A::Error> {
                skip_elements(list).map(|()| Params::other())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Params, A::Error> {
                let mut params = Params::default();
                while let Some(name) = object.next_key()? {
                    match name {
                        Key::Name => params.name = object.next_value()?,
                        Key::Uri => params.uri = object.next_value()?,
                        Key::Reference => {
                            params.reference = object.next_value()?;
                            params.unclear |= params.reference.unclear;
                        }
                        Key::Notifications => {
                            let Filter { listed, unclear } = object.next_value()?;
                            params.listed = listed;
                            params.unclear |= unclear;
                        }
                        Key::Alike => {
                            params.unclear = true;
                            object.next_value::<IgnoredAny>()?;
                        }
                        Key::Method
                        | Key::Params
                        | Key::Kind
                        | Key::Subscriptions
                        | Key::Outcome
                        | Key::Id
                        | Key::Other => {
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
                    let Params { name, uri, reference, listed, unclear } = object.next_value()?;
                    (message.name, message.uri) = (name, uri);
                    (message.reference, message.listed) = (reference, listed);
                    message.unclear |= unclear;
                }
                Key::Outcome => {
                    message.answer = true;
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Id => {
                    message.id = true;
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Alike => {
                    message.unclear = true;
                    object.next_value::<IgnoredAny>()?;
                }
                Key::Name
                | Key::Uri
                | Key::Reference
                | Key::Kind
                | Key::Notifications
                | Key::Subscriptions
                | Key::Other => {
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
