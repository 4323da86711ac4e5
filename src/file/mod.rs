//! A backend in a TOML file that is read again when it changes. Like every backend, it is one folder that implements traits
//! of several rooms, and no room imports it.

mod content;
mod document;
mod keys;
mod mint;
mod place;
mod plans;
mod quota;
mod source;
mod store;
mod values;
mod watch;

pub use self::store::FileKeyStore;
