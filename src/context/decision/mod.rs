//! What an observer and the log are told of a request.

mod kept;
mod log;
mod observer;
mod value;

pub use self::value::Decision;
pub(crate) use self::{kept::Kept, observer::Observer};
