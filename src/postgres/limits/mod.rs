//! Limits in PostgreSQL: one row a bucket, which is read, decided and replaced if nobody has replaced it since.

mod buckets;
mod limiter;
mod line;
mod table;

pub use self::limiter::PostgresLimiter;
