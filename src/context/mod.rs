//! The data that travels with a request: its id, its caller, its client address, the budget of failed attempts, and
//! what the log records about it.

pub(crate) mod answered;
pub(crate) mod asked;
pub(crate) mod attempts;
pub(crate) mod client_certificate;
pub(crate) mod client_ip;
pub(crate) mod decision;
pub(crate) mod faults;
mod forwarded;
pub(crate) mod head;
pub(crate) mod identity;
pub(crate) mod late_refusal;
mod networks;
pub(crate) mod pass;
pub(crate) mod peer;
pub(crate) mod request;
pub(crate) mod request_ext;
pub(crate) mod request_id;
pub(crate) mod trace_id;
#[cfg(feature = "strict-body")]
pub(crate) mod validated;
