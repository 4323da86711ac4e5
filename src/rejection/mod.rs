//! Why a request was refused, as a value.
//!
//! A gate answers a refusal with the status, the challenge headers, an empty body, and the [`Rejection`] in the
//! response's extensions. The [envelope](crate::envelope) renders the value as bytes and keeps it in the extensions.
//! Access logs and tests read the value and need not parse a body.
//!
//! Handlers refuse with the same type: [`Rejection::custom`], [`Rejection::new`] with a kind, or a constructor of a
//! common kind.

#[cfg(feature = "tonic")]
mod carried;
mod cross_site;
mod detail;
mod found;
mod from_json;
mod kind;
mod limited;
mod private;
mod restricted;
mod value;

#[cfg(feature = "tonic")]
pub(crate) use self::carried::Carried;
pub use self::{
    detail::Detail,
    kind::{RejectionKind, Restriction},
    value::Rejection,
};
