//! Tokens that this service issues: sessions, refresh and log-out.

pub mod signing;

mod grant;
#[expect(clippy::module_inception, reason = "the room is named after its central value")]
mod session;
mod session_store;

pub use self::{
    grant::Grant,
    session::{Session, SessionEnd, SessionRow},
    session_store::{CutOff, Findings, Outdated, SessionFilter, SessionFuture, SessionMark, SessionStore, TokenFacts},
};
