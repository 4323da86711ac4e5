//! Why a request was refused, as a value.
//!
//! A gate answers a refusal with the status, the challenge headers, an empty body, and the [`Rejection`] in the
//! response's extensions. The [envelope](crate::envelope) renders the value as bytes and keeps it in the extensions.
//! Access logs and tests read the value and need not parse a body.
//!
//! Handlers refuse with the same type: [`Rejection::custom`], [`Rejection::new`] with a kind, or a constructor of a
//! common kind.
//!
//! # What a client can do about it
//!
//! Two refusals tell an OAuth client which token to get next, in `WWW-Authenticate`: [`Rejection::insufficient_scope`]
//! (RFC 6750, section 3.1) and [`Rejection::step_up`] (RFC 9470). The gate that has authenticated the caller writes the
//! challenge, whoever has refused: a policy, a handler, or a [`LateRefusal`](crate::LateRefusal). It adds the
//! `resource_metadata` of its tokens. The holder of an API key gets no challenge for a missing scope.

#[cfg(feature = "tonic")]
mod carried;
mod cross_site;
mod demand;
mod demanding;
mod detail;
mod found;
mod from_json;
mod kind;
mod limited;
mod private;
mod restricted;
mod step_up;
mod value;

#[cfg(feature = "tonic")]
pub(crate) use self::carried::Carried;
pub(crate) use self::demand::Demand;
pub use self::{
    detail::Detail,
    kind::{RejectionKind, Restriction},
    step_up::StepUp,
    value::Rejection,
};
