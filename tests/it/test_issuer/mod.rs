//! The issuer that users' own tests run against.

mod loopback;
mod memory;
