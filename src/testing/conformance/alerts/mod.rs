//! Checks of what a store keeps of alerts.

mod delivery;
mod forgotten;
mod networks;
mod parts;
mod raised;
mod rules;
mod suite;

pub use self::suite::check_alerts;
