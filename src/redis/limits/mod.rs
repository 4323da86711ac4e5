//! Limits in Redis: the scripts that count, and the servers that run them.

mod answer;
mod lane;
mod limiter;
mod script;
mod servers;

pub use self::limiter::RedisLimiter;
