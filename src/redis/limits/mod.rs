//! Limits in Redis: the scripts that count, and the servers that run them.

mod answer;
mod cluster;
mod lane;
mod limiter;
mod script;
mod servers;
mod slots;

pub use self::limiter::RedisLimiter;
