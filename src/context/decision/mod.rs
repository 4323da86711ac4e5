//! The decision about a request, as the observer and the log receive it.

mod kept;
mod log;
mod observer;
mod value;

pub use self::value::Decision;
pub(crate) use self::{kept::Kept, observer::Observer};
