//! The JSON bodies of the endpoints.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use crate::{BodyLimits, Rejection, Secret, json::from_slice_seed};

/// Reads `{"scope": "…"}`. The member may be missing.
pub(super) fn scope(body: &[u8], limits: &BodyLimits) -> Result<Option<String>, Rejection> {
    let read = Object { names: &["scope"], required: false };
    let found = from_slice_seed(read, body, limits.of_json())?;
    Ok(found.map(|scope| scope.expose().to_owned()))
}

/// Reads `{"refresh_token": "…"}`.
pub(super) fn refresh_token(body: &[u8], limits: &BodyLimits) -> Result<Secret, Rejection> {
    let read = Object { names: &["refresh_token"], required: true };
    let found = from_slice_seed(read, body, limits.of_json())?;
    Ok(found.unwrap_or_else(|| Secret::new("")))
}

/// An object with one documented member, which is a text.
struct Object {
    names: &'static [&'static str; 1],
    required: bool,
}

impl<'de> DeserializeSeed<'de> for Object {
    type Value = Option<Secret>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_struct("", self.names, self)
    }
}

impl<'de> Visitor<'de> for Object {
    type Value = Option<Secret>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        // The deserializer passes documented names only, each once.
        while members.next_key::<String>()?.is_some() {
            found = if self.required { Some(members.next_value::<String>()?) } else { members.next_value()? };
        }
        match found {
            None if self.required => Err(A::Error::missing_field(self.names[0])),
            found => Ok(found.map(Secret::new)),
        }
    }
}
