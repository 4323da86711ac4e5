//! The header and the claims of a proof (RFC 9449, section 4.2).

use std::{borrow::Cow, fmt, time::Duration};

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

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
    pub(super) issued: Option<Seconds>,
    pub(super) token_hash: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) not_before: Option<Seconds>,
    pub(super) expires: Option<Seconds>,
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

/// Seconds since 1970, with or without a fraction (RFC 7519, section 2), from 0 to 2^53.
#[derive(Clone, Copy)]
pub(super) struct Seconds(pub(super) Duration);

const LARGEST: u64 = 1 << 53;

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecondsVisitor;

        impl Visitor<'_> for SecondsVisitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Seconds, E> {
                if seconds > LARGEST {
                    return Err(E::custom("too late"));
                }
                Ok(Seconds(Duration::from_secs(seconds)))
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Seconds, E> {
                #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
                let in_range = (0.0..=LARGEST as f64).contains(&seconds);
                let time = Duration::try_from_secs_f64(seconds).ok().filter(|_| in_range);
                time.map(Seconds).ok_or_else(|| E::custom("not a time"))
            }
        }

        deserializer.deserialize_f64(SecondsVisitor)
    }
}
