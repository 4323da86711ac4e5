//! Times as the answers show them, in UTC.

use std::time::SystemTime;

/// Such as `2026-06-02T09:00:00Z`.
pub(crate) fn rfc3339(time: SystemTime) -> Option<String> {
    shown(time, "%FT%TZ")
}

/// Such as `2026-06-02`.
pub(crate) fn date(time: SystemTime) -> Option<String> {
    shown(time, "%F")
}

fn shown(time: SystemTime, format: &str) -> Option<String> {
    jiff::Timestamp::try_from(time).ok().map(|time| time.strftime(format).to_string())
}
