//! Redis or Valkey between the processes of a service: changes for caches, and limits that are counted together.
//!
//! - [`RedisChanges`] carries announcements between the processes that cache keys of one store, for
//!   [`CachedKeyStore::leased`](crate::cache::CachedKeyStore::leased): usually less than a millisecond passes from a
//!   revocation in one process to the refusal in another.
//! - [`RedisLimiter`] counts requests for all processes together, for [`RateLimitLayer`](crate::RateLimitLayer).
//!
//! Each works without the other. Redis holds no key, no session and no secret: the store stays the truth.
//!
//! # Changes for caches
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
//! # Limits
//!
//! ```no_run
//! use tower_auth::{
//!     BoxError, ClientIp, Quota, RateLimitLayer,
//!     rate_limit::OutagePolicy,
//!     redis::{RedisConfig, RedisLimiter},
//! };
//!
//! # async fn start() -> Result<(), BoxError> {
//! let redis = RedisLimiter::new(RedisConfig::url("rediss://tower_auth:password@redis.internal:6379")?);
//! redis.check().await?;
//! let upkeep = redis.start();
//! let limit = RateLimitLayer::by_address(Quota::per_minute(100), ClientIp::peer())
//!     .limiter(redis.named("addresses"))
//!     .on_outage(OutagePolicy::LocalShare { processes: 4 });
//! # Ok(())
//! # }
//! ```
//!
//! A decision is one script, which Redis runs as one step. [`SharedPolicy`](crate::limit::shared::SharedPolicy) says whether Redis
//! is asked for each request, or leases several requests at once to a process. What a request gets while Redis does not answer is
//! for the [`OutagePolicy`](crate::rate_limit::OutagePolicy) of the layer.
//!
//! **Limits are counted by the clock of the server**, and the clocks of the processes do not matter. If that clock is set back, nothing is
//! refilled for the time of the step, nothing is counted twice, and no request of before is given back. If it is set forward, buckets refill by the time of the step: at most one more burst. A calendar period that has begun is not gone back
//! to. After a failover, the clock is that of the new primary. Let the clocks of all servers be synchronised, in small steps.
//!
//! # When not to use it
//!
//! PostgreSQL announces its changes itself, together with the commit: use `PostgresKeyStore::changes` there, unless hundreds of
//! processes listen. A process that changes keys past a [`CachedKeyStore`](crate::cache::CachedKeyStore) announces nothing; until
//! it does, with [`changed`](crate::cache::CachedKeyStore::changed), its changes count when the answers expire.
//!
//! One process needs no shared limits: [`MemoryLimiter`](crate::limit::MemoryLimiter) is faster, and fails with nobody. Calendar
//! budgets that must survive a failure of Redis belong into a store: [`BudgetLimiter`](crate::BudgetLimiter).
//!
//! # Servers
//!
//! - One server: [`RedisConfig::url`], Redis 6 or later, or Valkey.
//! - A cluster: [`RedisConfig::cluster`], Redis 7 or later, or Valkey. Changes are in one slot, and are announced in the sharded
//!   channel of that slot: a classic channel reaches the other servers of a cluster after the answer to who published. Each
//!   bucket of limits has a slot of its own. A process has a connection to each primary, follows slots that move, and drops
//!   servers that have left.
//! - Redis Sentinel: [`RedisConfig::sentinel`]. The primary is looked up again for each connection.
//!
//! The tests run with Redis 7.0.15. They were run with Valkey 8.0.1 too, without TLS. Limits need the Lua library `cmsgpack`, which both include.
//!
//! Connect to the servers themselves. A proxy that spreads commands over several connections or servers breaks the order of changes. The
//! user of [`RedisChanges`] needs these permissions, and in a cluster those of the second line too:
//!
//! ```text
//! +hello +select +info +multi +exec +get +set +subscribe +publish resetchannels &{tower_auth}:* ~{tower_auth}:*
//! +cluster|keyslot +cluster|slots +ssubscribe +spublish
//! ```
//!
//! The user of [`RedisLimiter`] needs these, and in a cluster those of the second line too; `asking` is for slots that move.
//!
//! ```text
//! +hello +select +info +script|load +evalsha +eval +get +set +time resetchannels ~tower_auth:limit:*
//! +cluster|slots +asking
//! ```
//!
//! A sentinel needs these:
//!
//! ```text
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
//! A bucket of limits is the key `tower_auth:limit:` and 32 hexadecimal digits: a hash of the name of the limiter, and of whom the
//! bucket is for. For a limit by address, who can read the keys can compute the addresses. It holds, in the format of `MessagePack`, the limits, what is counted of each window, the time of the last request,
//! and up to 64 requests that were given back: about 230 bytes of memory for one window, and 330 for two. It expires when the
//! bucket is full again, and for calendar periods an hour after their end. The keys `tower_auth:limit:probe` and, in a cluster,
//! `tower_auth:limit:probe:` and a number expire after some milliseconds.
//!
//! **Use `maxmemory-policy noeviction` for limits.** When memory is full, requests are then for the outage policy. All buckets expire, so
//! any other policy removes some of them, and each that is removed admits one more burst.
//!
//! # What a failure leads to: changes
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
//! # What a failure leads to: limits
//!
//! A server that does not answer within the [deadline](crate::limit::shared::SharedPolicy::deadline), or answers with an error of more than one bucket, is
//! not asked again until a probe has counted a request on it. So an outage costs one deadline, for the requests that are under way,
//! and the outage policy decides about all later ones at once. Charges and give-backs wait, and are carried out afterwards.
//! [`RedisLimiter::health`] names the server, and the log says when an outage begins and ends. In a cluster, all this is for each
//! primary: the buckets of the others are counted.
//!
//! | failure | what a limit does |
//! |---|---|
//! | the server is frozen, paused (`CLIENT PAUSE`) or unreachable | after one deadline, the outage policy decides until the server answers; all counts are kept. A request whose answer did not come may be counted |
//! | connections are cut | requests under way are for the outage policy; the next ones use a new connection |
//! | the server is killed and starts again | the outage policy decides until it answers. What it has not stored is forgotten: at most one more burst for each bucket |
//! | memory is full (`noeviction`), the server loads its data, cannot store them (`MISCONF`), has too few replicas, or became a replica | the outage policy decides until it writes again; nothing is lost |
//! | a script was forgotten (`SCRIPT FLUSH`) | it is sent again with the request; nobody notices |
//! | something else has written the key of a bucket, or it is of another version | decisions about this bucket are for the outage policy; the error names the key |
//! | a charge or give-back was under way when the outage began | it is not repeated, because it may be counted: `health().lost` |
//! | a failover with Sentinel | the outage policy decides until the sentinel names the new primary |
//! | a failover in a cluster | the same for the buckets of that primary. A failover on request (`CLUSTER FAILOVER`) costs the time to connect to the new primary, which the deadline must leave room for |
//! | slots of a cluster move | each bucket is counted in one place, before and after; a request that is the first at a server waits for the connection |
//! | a slot of a cluster has no server | the outage policy decides for its buckets; for all buckets, while the cluster says `CLUSTERDOWN`: see `cluster-require-full-coverage` |
//!
//! # What a failover does not cover: limits
//!
//! Replication is asynchronous. **What the new primary has not heard of is not counted**: of each bucket, at most what the old primary
//! admitted since the replica fell behind, so at most one more burst, and the refill of that time. Each loss admits as much once more.
//! The same holds for a server that restarts without its data.
//!
//! If a replica is promoted while the old primary still runs, both count until the old one knows: processes that reach different ones
//! admit up to the limit at each. `min-replicas-to-write 1` on the primary ends that after `min-replicas-max-lag`: it then refuses,
//! and the outage policy decides.
//!
//! A process that has seen an empty bucket refuses its requests without asking for as long as they would not fit, also after a
//! loss, but for a minute at most.
//!
//! # What a failover does not cover: changes
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
