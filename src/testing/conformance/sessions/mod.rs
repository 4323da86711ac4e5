//! Checks of what a store keeps of sessions.

mod ended;
mod forgotten;
mod keys;
mod listed;
mod looked;
mod parts;
mod replaced;
mod stored;
mod suite;
mod together;

pub use self::suite::{check_sessions, check_sessions_of_keys};
