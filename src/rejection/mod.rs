//! Why a request was refused, as a value.
//!
//! A gate answers a refusal with the status, the challenge headers, an empty body, and the [`Rejection`] in the
//! response's extensions; the [envelope](crate::envelope) turns the value into bytes and leaves it there. So access
//! logs and tests read the refusal itself and never parse a body.
//!
//! Handlers refuse with the same words: [`Rejection::custom`], [`Rejection::new`] with a kind, and the constructors
//! for the common ones.

#[cfg(feature = "tonic")]
mod carried;
mod detail;
mod found;
mod from_json;
mod kind;
mod limited;
mod private;
mod value;

#[cfg(feature = "tonic")]
pub(crate) use self::carried::Carried;
pub use self::{detail::Detail, kind::RejectionKind, value::Rejection};
