//! The header of a token (RFC 7515, section 4).

use std::{borrow::Cow, fmt, sync::Arc};

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{algorithm::Algorithm, error::TokenError, text_of::TextOf};
use crate::json::{self, JsonLimits};

/// The header parameters that are used. All others, such as `jwk`, `jku` and `x5u`, have no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    pub(super) typ: Option<String>,
    /// The first required parameter that is missing or has a value that is not accepted.
    pub(super) lacks: Option<Arc<str>>,
}

/// A parameter that a verifier requires, and the values that it accepts.
pub(super) type Wanted = (Arc<str>, Vec<String>);

/// The maximum length of a `kid`, in bytes.
const LONGEST_KID: usize = 256;
const LIMITS: JsonLimits = JsonLimits::new().max_depth(8);

impl Header {
    pub(super) fn read(bytes: &[u8], wanted: &[Wanted]) -> Result<Self, TokenError> {
        let raw: Raw =
            json::from_slice(bytes, &LIMITS).map_err(|_| TokenError::Malformed("its header cannot be read"))?;
        if let Some(why) = raw.refused {
            return Err(TokenError::Malformed(why));
        }
        let algorithm = raw.alg.as_deref().and_then(Algorithm::from_name);
        let algorithm = algorithm.ok_or(TokenError::Malformed("its alg is missing, none, or unknown"))?;
        if raw.kid.as_ref().is_some_and(|kid| kid.len() > LONGEST_KID) {
            return Err(TokenError::Malformed("its kid is too long"));
        }
        let lacks = wanted.iter().find(|(name, values)| {
            let found = Self::text(bytes, name);
            found.is_none_or(|found| values.iter().all(|value| *value != *found))
        });
        Ok(Self { algorithm, kid: raw.kid, typ: raw.typ, lacks: lacks.map(|(name, _)| Arc::clone(name)) })
    }

    /// Returns a parameter that is a string.
    pub(super) fn text<'a>(bytes: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
        json::from_slice_seed(TextOf(name), bytes, &LIMITS).ok().flatten()
    }
}

#[derive(Default)]
struct Raw {
    alg: Option<String>,
    kid: Option<String>,
    typ: Option<String>,
    refused: Option<&'static str>,
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the header of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw, A::Error> {
        let mut raw = Raw::default();
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match &*name {
                "alg" => raw.alg = Some(members.next_value()?),
                "kid" => raw.kid = Some(members.next_value()?),
                "typ" => raw.typ = Some(members.next_value()?),
                // No extension is supported, so none may be critical (RFC 7515, section 4.1.11).
                "crit" | "b64" | "enc" | "zip" => {
                    raw.refused = Some("its header has crit, b64, enc or zip");
                    members.next_value::<IgnoredAny>()?;
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(raw)
    }
}
