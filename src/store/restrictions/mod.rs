//! What a key says about its use: networks, origins, and how long it may be unused.

mod networks;
mod origin;
mod stored;
mod value;

pub use self::value::Restrictions;
