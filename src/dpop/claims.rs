//! The header and the claims of a proof (RFC 9449, section 4.2).

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use crate::token::Date;

/// The header parameters that are used. All others, such as `kid`, `jku` and `x5c`, have no effect.
#[derive(Default)]
pub(super) struct Header {
    pub(super) typ: Option<String>,
    pub(super) alg: Option<String>,
    pub(super) jwk: Option<Value>,
    /// Whether there is an extension, of which none is supported (RFC 7515, section 4.1.11).
    pub(super) extended: bool,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderVisitor)
    }
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header of a proof")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Header, A::Error> {
        let mut header = Header::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match &*name {
                "typ" => header.typ = Some(members.next_value()?),
                "alg" => header.alg = Some(members.next_value()?),
                "jwk" => header.jwk = Some(members.next_value()?),
                "crit" | "b64" | "enc" | "zip" => {
                    header.extended = true;
                    members.next_value::<IgnoredAny>()?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(header)
    }
}

/// The claims that are used.
#[derive(Default)]
pub(super) struct Claims {
    pub(super) id: Option<String>,
    pub(super) method: Option<String>,
    pub(super) address: Option<String>,
    pub(super) issued: Option<Date>,
    pub(super) token_hash: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) not_before: Option<Date>,
    pub(super) expires: Option<Date>,
}

impl<'de> Deserialize<'de> for Claims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a proof")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Claims, A::Error> {
        let mut claims = Claims::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match &*name {
                "jti" => claims.id = Some(members.next_value()?),
                "htm" => claims.method = Some(members.next_value()?),
                "htu" => claims.address = Some(members.next_value()?),
                "iat" => claims.issued = Some(members.next_value()?),
                "ath" => claims.token_hash = Some(members.next_value()?),
                "nonce" => claims.nonce = Some(members.next_value()?),
                "nbf" => claims.not_before = Some(members.next_value()?),
                "exp" => claims.expires = Some(members.next_value()?),
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(claims)
    }
}
