//! The one service that stands in front of others: it asks a list of guards and then calls the inner service, or does
//! not.
//!
//! A guard is a pure question about the head of a request. It reads, it answers an outcome or a rejection, and the
//! *gate* applies the outcome: only the gate changes requests and responses. Guards that answer at once cost no
//! allocation here; only an answer that has to be awaited boxes the request and swaps the inner service.
//!
//! What is public here can be named and not made: layers make it. Guards themselves are private until 1.0.

mod admission;
mod effects;
mod guard;
mod guards;
mod in_gate;
#[cfg(feature = "strict-body")]
mod refusal;
mod response;
mod service;

#[cfg(feature = "strict-body")]
pub(crate) use self::refusal::refuse;
pub(crate) use self::{
    admission::Admission,
    guard::{Answered, Charge, Guard, IdentityPolicy, LIMITS, Outcome, Vary, Verdict},
    guards::Guards,
};
pub use self::{response::ResponseFuture, service::Gate};
