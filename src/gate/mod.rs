//! The service that all guarding layers create: it runs a list of guards, and calls the inner service if all of them
//! admit the request.
//!
//! A guard checks the head of a request, and returns an outcome or a rejection. Only the *gate* changes the request and
//! the response: it applies the outcome. A guard that decides at once costs no allocation in the gate. When a decision
//! has to be awaited, the gate boxes the request and clones the inner service.
//!
//! The public types can be named but not constructed: layers construct them. Guards are private until 1.0.

mod admission;
mod effects;
mod guard;
mod guards;
#[cfg(feature = "strict-body")]
mod refusal;
mod response;
mod service;

#[cfg(feature = "strict-body")]
pub(crate) use self::refusal::refuse;
pub(crate) use self::{
    admission::Admission,
    guard::{Answered, Charge, Guard, IdentityPolicy, LIMITS, Outcome, TokenOffer, Vary, Verdict},
    guards::{Guards, WantsFresh},
};
pub use self::{response::ResponseFuture, service::Gate};
