//! Changes over Redis or Valkey, for caches in front of a store of any kind.
//!
//! [`RedisChanges`] carries announcements between the processes that cache keys of one store, for
//! [`CachedKeyStore::leased`](crate::cache::CachedKeyStore::leased): usually less than a millisecond passes from a
//! revocation in one process to the refusal in another. Redis holds no key, no session and no secret: the store stays the truth.
//!
//! ```no_run
//! use std::time::Duration;
//! use tower_auth::{
//!     BoxError, CachedKeyStore, MemoryKeyStore,
//!     redis::{RedisChanges, RedisConfig},
//! };
//!
//! # async fn start(store: MemoryKeyStore) -> Result<(), BoxError> {
//! let redis = RedisConfig::url("rediss://tower_auth:password@redis.internal:6379")?;
//! let keys = CachedKeyStore::leased(store, RedisChanges::new(redis), Duration::from_millis(250)); // your store
//! keys.check().await?;
//! let lease = keys.start();
//! # Ok(())
//! # }
//! ```
//!
//! # When not to use it
//!
//! PostgreSQL announces its changes itself, together with the commit: use `PostgresKeyStore::changes` there, unless hundreds of
//! processes listen. A process that changes keys past a [`CachedKeyStore`](crate::cache::CachedKeyStore) announces nothing; until
//! it does, with [`changed`](crate::cache::CachedKeyStore::changed), its changes count when the answers expire.
//!
//! # Servers
//!
//! - One server: [`RedisConfig::url`], Redis 6 or later, or Valkey.
//! - A cluster: [`RedisConfig::cluster`], Redis 7 or later, or Valkey. Everything is in one slot, and is announced in the sharded
//!   channel of that slot: a classic channel reaches the other servers of a cluster after the answer to who published.
//! - Redis Sentinel: [`RedisConfig::sentinel`]. The primary is looked up again for each connection.
//!
//! Connect to the servers themselves. A proxy that spreads commands over several connections or servers breaks the order. A user
//! needs these permissions, and in a cluster those of the second line too; a sentinel needs the third:
//!
//! ```text
//! +hello +select +info +multi +exec +get +set +subscribe +publish resetchannels &{tower_auth}:* ~{tower_auth}:*
//! +cluster|keyslot +cluster|slots +ssubscribe +spublish
//! +hello +sentinel|get-master-addr-by-name
//! ```
//!
//! # What is stored and sent
//!
//! The channel `{tower_auth}:changes` carries [announcements](crate::cache::Announcement), separated by spaces: two bytes of a hash
//! each, and no id. The key `{tower_auth}:bound` holds the bound that all processes share, in microseconds and without expiry. To
//! raise it, write a larger number; the processes notice it with their next heartbeat. Do not let a policy for full memory
//! remove it: use `noeviction` or a `volatile` policy. If it is removed, all caches are emptied once, and it is written again.
//!
//! # What a failure leads to
//!
//! A heartbeat is one transaction on the connection that listens: `INFO replication` and `GET` of the bound. It counts only if
//! this server is a primary, has been one since the subscription began, and holds the bound. Otherwise the subscription is lost:
//! every lookup asks the store until a new one works.
//!
//! | failure | what happens |
//! |---|---|
//! | the connection is closed or silent, the server is paused, killed or restarted | the lease ends; the cache is emptied and goes on when a server answers |
//! | the data are lost (`FLUSHALL`, a restart without persistence) | the same; the bound is stored again |
//! | the server became a replica, also for a moment | the same; it finds the new primary in a cluster and with Sentinel |
//! | the slot of a cluster moves | the key moves first, and from then on no heartbeat counts; the same follows |
//! | nobody can be told of a revocation | the call that revoked returns an error, and the cache announces it again; the other processes do not know of it until then |
//!
//! # What a failover does not cover
//!
//! The promise of the cache needs one primary at a time. **If a replica is promoted while the old primary still runs, both are
//! primaries until the old one knows**: a process that still reaches the old one keeps its lease there, and does not hear what is
//! announced at the new one.
//!
//! - In a cluster, a primary that does not reach the majority stops answering after `cluster-node-timeout`, and the majority
//!   promotes a replica only after that time, so normally there are not two. It is not proven: a primary that was paused, and goes on after
//!   its replica was promoted, may answer for some milliseconds before it learns of that. Leave
//!   `cluster-allow-reads-when-down` off, which is the default.
//! - With Sentinel, or where a person or a provider promotes a replica, the old primary answers until it is demoted. Whoever
//!   reaches only that one may use a revoked key for so long. Sentinel closes the connections of clients when it demotes the server.
//! - If the process that revokes reaches only the old primary, those who listen at the new one are not told.
//!
//! Where that is too much, use PostgreSQL for both, or a single Redis server without a replica: if it fails, caches are
//! bypassed, and nothing else happens. What any cache may hold is bounded by
//! [`longest`](crate::cache::CachedKeyStore::longest) too.

mod bound;
mod changes;
mod config;
mod connection;
mod failure;
mod limits;
mod locate;
mod node;
mod primary;
mod subscription;
#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
mod tls;

pub use self::{changes::RedisChanges, config::RedisConfig, limits::RedisLimiter};
