//! Values of the command line.

use std::{
    ops::RangeInclusive,
    str::FromStr,
    time::{Duration, SystemTime},
};

use jiff::{Span, SpanRelativeTo, Timestamp};
use tower_auth::{ConfigError, KeyFormat};

/// Reads a time such as `90d`, `1h 30m` or `P1D`. A day has 24 hours.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is no time such as 90d, 12h or 30m".to_owned();
    let span: Span = text.parse().map_err(|_| wrong())?;
    let time = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| wrong())?;
    time.try_into().map_err(|_| wrong())
}

/// Reads a moment: how long ago it was, or as RFC 3339.
pub(crate) fn ago_or_time(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.into());
    }
    let wrong = "is neither an age such as 7d nor a time such as 2026-01-31T00:00:00Z";
    let age = duration(text).map_err(|_| wrong)?;
    SystemTime::now().checked_sub(age).ok_or_else(|| wrong.to_owned())
}

/// Returns a time to the second, as RFC 3339.
pub(crate) fn rfc3339(time: Option<SystemTime>) -> String {
    let second = |time| Timestamp::try_from(time).and_then(|time| Timestamp::from_second(time.as_second()));
    time.and_then(|time| second(time).ok()).map_or_else(String::new, |time| time.to_string())
}

/// `PREFIX:LENGTH`, or `PREFIX:LEAST-LENGTH` if shorter keys exist.
#[derive(Clone)]
pub(crate) struct Format {
    prefix: String,
    lengths: RangeInclusive<usize>,
}

impl Format {
    /// Returns the format, as the server `freddy` has it.
    pub(crate) fn build(&self, checksum: bool, environments: &[String]) -> Result<KeyFormat, ConfigError> {
        let mut format = KeyFormat::prefixed(&self.prefix, *self.lengths.end())?.leading_hint();
        if !checksum {
            format = format.without_checksum();
        }
        if !environments.is_empty() {
            format = format.environments(environments.iter().map(String::as_str))?;
        }
        if self.lengths.start() == self.lengths.end() {
            Ok(format)
        } else {
            format.accept_lengths(self.lengths.clone())
        }
    }
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "is no format such as ak:40 or ak:39-40";
        let (prefix, lengths) = text.rsplit_once(':').ok_or(WRONG)?;
        let (least, most) = lengths.split_once('-').unwrap_or((lengths, lengths));
        let number = |text: &str| text.parse::<usize>().map_err(|_| WRONG);
        Ok(Self { prefix: prefix.to_owned(), lengths: number(least)?..=number(most)? })
    }
}

/// `KEY=VALUE`.
#[derive(Clone)]
pub(crate) struct Note(pub(crate) String, pub(crate) String);

impl FromStr for Note {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or("is not NAME=VALUE")?;
        Ok(Self(name.to_owned(), value.to_owned()))
    }
}
