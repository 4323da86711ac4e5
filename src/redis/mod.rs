//! Redis.

mod bound;
mod changes;
mod config;
mod connection;
mod failure;
mod locate;
mod node;
mod primary;
mod subscription;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls;

pub use self::{changes::RedisChanges, config::RedisConfig};
