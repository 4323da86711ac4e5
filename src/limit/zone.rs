//! Time zones by name.

use jiff::tz::TimeZone;

use crate::ConfigError;

/// The time zone that needs no data.
pub(super) const UTC: &str = "UTC";

/// Returns the time zone of this name, and its name as the time zone database writes it.
pub(super) fn find(name: &str) -> Result<(TimeZone, String), ConfigError> {
    if name.eq_ignore_ascii_case(UTC) {
        return Ok((TimeZone::UTC, UTC.to_owned()));
    }
    let zone = look_up(name)?;
    let written = zone.iana_name().unwrap_or(name).to_owned();
    Ok((zone, written))
}

/// The data of the system come first, because an operating system updates them.
#[cfg(feature = "time-zones")]
fn look_up(name: &str) -> Result<TimeZone, ConfigError> {
    let bundled = || jiff::tz::TimeZoneDatabase::bundled().get(name);
    let found = TimeZone::get(name).or_else(|_| bundled()).ok().filter(|zone| !zone.is_unknown());
    found.ok_or_else(|| {
        ConfigError::new(
            format!("the time zone {name:?} of a quota is unknown"),
            "use a name of the IANA time zone database such as Europe/Berlin, or update the time zone data of the system",
        )
    })
}

#[cfg(not(feature = "time-zones"))]
fn look_up(name: &str) -> Result<TimeZone, ConfigError> {
    Err(ConfigError::new(
        format!("a quota has the time zone {name:?}, and this build knows UTC only"),
        "enable the feature `time-zones` of tower-auth, or leave .in_time_zone(..) out",
    ))
}
