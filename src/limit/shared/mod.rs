//! Limits that several processes share.

mod ask;
mod backend;
mod breaker;
mod core;
mod form;
mod health;
mod held;
mod limiter;
mod policy;
mod queue;
mod table;
mod upkeep;

pub(crate) use self::{
    ask::{Ask, Taken},
    backend::{Backend, Outage},
    breaker::{Breaker, Guarded, guarded},
    core::Core,
    form::{Converted, Form, Pace, Pair},
};
pub use self::{health::SharedHealth, limiter::NamedLimiter, policy::SharedPolicy};
