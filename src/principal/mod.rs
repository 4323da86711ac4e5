//! The authenticated caller.

mod builder;
mod method;
mod value;

pub(crate) use self::builder::strings;
pub use self::{builder::PrincipalBuilder, method::AuthMethod, value::Principal};
