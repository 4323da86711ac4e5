//! Values with a form of their own. What a `Deserialize` here refuses gets its place from the parser.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor, value::MapAccessDeserializer},
};
use toml::value::Datetime;

use crate::{AuthMethod, base::hex};

/// The digest of a key.
pub(super) struct Digest(pub(super) [u8; 32]);

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let digits = String::deserialize(deserializer)?.to_ascii_lowercase();
        hex::decode(digits.as_bytes())
            .map(Self)
            .ok_or_else(|| D::Error::custom("the digest is not 64 hex digits (FileKeyStore::mint prints one)"))
    }
}

/// A moment: a date-time of TOML, or a string.
pub(super) struct Time(pub(super) SystemTime);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ReadsTime)
    }
}

struct ReadsTime;

impl<'de> Visitor<'de> for ReadsTime {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 2027-01-31T00:00:00Z")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        let time: Option<jiff::Timestamp> = text.parse().ok();
        let wrong = "the time is not one of RFC 3339 with an offset, such as 2027-01-31T00:00:00Z";
        time.map(|time| Time(time.into())).ok_or_else(|| E::custom(wrong))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Time, A::Error> {
        let time = Datetime::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&time.to_string())
    }
}

/// A time span such as `60s`.
pub(super) struct Period(pub(super) Duration);

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = "the period is not a whole number and a unit, such as 30s, 15m, 1h or 1d";
        let text = String::deserialize(deserializer)?;
        span(&text).map(Self).ok_or_else(|| D::Error::custom(wrong))
    }
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let number: u64 = number.parse().ok()?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// A method, as [`AuthMethod`] is displayed.
#[derive(Clone)]
pub(super) struct Method(pub(super) AuthMethod);

impl<'de> Deserialize<'de> for Method {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(Self(match &*name {
            "api_key" => AuthMethod::ApiKey,
            "token" => AuthMethod::Token,
            _ => AuthMethod::Other(name.into()),
        }))
    }
}
