//! What travels with a request: its id, its caller, the address that it came from, the budget of failed attempts, and what
//! the log records about it.

pub(crate) mod asked;
pub(crate) mod attempts;
pub(crate) mod client_ip;
pub(crate) mod decision;
pub(crate) mod faults;
mod forwarded;
pub(crate) mod identity;
mod networks;
pub(crate) mod peer;
pub(crate) mod request_id;
pub(crate) mod trace_id;
#[cfg(feature = "strict-body")]
pub(crate) mod validated;
