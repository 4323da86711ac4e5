//! A cache in front of a store, with a promise: how long a revoked key can still be used.
//!
//! A store on another machine costs a round trip for every request. [`CachedKeyStore`] answers from memory instead, and says by
//! how much an answer can be out of date:
//!
//! > No request is admitted from the cache more than the bound after a change has returned, whatever fails meanwhile.
//!
//! A change is what ends or restricts a credential: a key that is revoked, paused, changed or rotated; a suspended account or
//! organisation; a session that has ended; a token that was denied. "Returned" is the return of the call that made it, such as
//! [`KeyRegistry::revoke`](crate::KeyRegistry::revoke), in any process.
//!
//! ```no_run
//! use std::time::Duration;
//! use tower_auth::*;
//!
//! # async fn start(store: PostgresKeyStore, direct_url: &str, scheme: KeyScheme) -> Result<(), BoxError> {
//! let changes = store.changes(direct_url)?;
//! let keys = CachedKeyStore::leased(store, changes, Duration::from_millis(250));
//! keys.check().await?; // fails now, and not at night
//! let lease = keys.start(); // keep it: when it is dropped, every lookup asks the store
//!
//! let registry = KeyRegistry::new(scheme.clone(), keys.clone());
//! let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys.clone())).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Which cache
//!
//! | the store | constructor | bound |
//! |---|---|---|
//! | PostgreSQL | [`leased`](CachedKeyStore::leased)`(store.clone(), store.changes(url)?, 250 ms)`: the tables announce their changes themselves, also changes by hand | as given; usually a few milliseconds |
//! | any, with Redis or Valkey beside it (feature `redis`) | [`leased`](CachedKeyStore::leased)`(store, RedisChanges::new(config), 250 ms)`: every program that changes keys must do so through a [`CachedKeyStore`] with the same Redis, or call [`changed`](CachedKeyStore::changed) | as given; usually less than a millisecond |
//! | your own table, without either | [`ttl`](CachedKeyStore::ttl)`(store, 5 s)` | as given, and usually half of it |
//! | SQLite on this machine | [`local`](CachedKeyStore::local)`(store)` | zero |
//! | your own way to announce changes | [`leased`](CachedKeyStore::leased) with your own [`Changes`] | as given |
//!
//! # When not to use it
//!
//! In front of a [`MemoryKeyStore`](crate::MemoryKeyStore) or a file, which answer from memory themselves. In front of a replica
//! of a database: it lags, and what it says after a change is not the change. Without a cache, a change counts for the
//! next request of every process; if a round trip for each request is affordable, that is simpler. For a few routes where even the
//! bound is too long, ask for fresh answers: [`Rules::fresh`](crate::Rules::fresh),
//! [`ApiKeyLayer::fresh`](crate::ApiKeyLayer::fresh).
//!
//! # How it holds
//!
//! Each process has one connection on which changes are announced. Four times in each bound, it asks the other side of this
//! connection for an answer. Announcements and answers arrive in order, so the answer proves that everything was heard that was
//! announced before the question was sent. Cached answers may then be used until the bound has passed since *the question was
//! sent*: that is the lease. If a request is admitted from the cache, the last question was sent less than the bound ago, and
//! every change that returned before it was heard.
//!
//! - The connection is killed, black-holed, or slow: the lease ends, and every lookup asks the store. When the connection is
//!   back, the cache is emptied before the next lease begins.
//! - The store does not answer: a cached answer is used as long as the lease is held. Then requests are refused with 503, unless
//!   [`admit_stale_in_outage`](CachedKeyStore::admit_stale_in_outage) says otherwise.
//! - The process is stopped and continued: the clock is read after everything else, so the lease has ended.
//! - A lookup was under way when the change was made: its answer is used for the requests that had begun before, and is not
//!   put into the cache.
//! - A change was not announced, because the process that made it was killed between both: its call has not returned, so nothing
//!   is promised. The answer is used for at most [60 seconds](CachedKeyStore::longest). PostgreSQL announces with the commit
//!   itself, so there is no such gap.
//!
//! The time is that of the monotonic clock of one machine, and the bound holds at the moment at which the cache decides. On Linux and
//! macOS, this clock stands still while the machine is suspended. So does the service; but in the first moments after a resume, an
//! answer can be older than the bound by the time of the suspension. Do not suspend machines that run a service, or use
//! [`Clock::from_fns`](crate::Clock::from_fns) with a clock that counts it.
//!
//! # Measured
//!
//! From the return of `revoke` to the last admission from the cache, in milliseconds, with a bound of 100 ms: 2,000 revocations a
//! row by another process, under load, on two processes with caches that share one PostgreSQL. `tests/promise.rs` measures it,
//! and fails if any admission began later than the bound; it also checks that it notices a promise that is broken on purpose.
//!
//! | changes over | what fails, again and again | 99 % | worst | leases lost |
//! |---|---|---|---|---|
//! | PostgreSQL | nothing | 1.2 | 14.2 | 0 |
//! | PostgreSQL | the connection for changes is closed by the server | 3.3 | 64.0 | 87 |
//! | PostgreSQL | the connection for changes is reset by the network | 27.7 | 81.7 | 75 |
//! | PostgreSQL | the connection for changes carries nothing for longer than the bound | 66.1 | 97.0 | 198 |
//! | PostgreSQL | the connection for changes is delayed by less than the bound | 79.2 | 90.3 | 45 |
//! | PostgreSQL | PostgreSQL is stopped for longer than the bound, and goes on | 3.2 | 93.2 | 151 |
//! | PostgreSQL | PostgreSQL crashes, or is stopped, and starts again | 1.7 | 82.1 | 51 |
//! | PostgreSQL | a process with a cache is stopped for longer than the bound, and goes on | 2.7 | 72.5 | 37 |
//! | PostgreSQL | nothing; the caches are too small | 2.3 | 8.4 | 0 |
//! | PostgreSQL | no connection carries anything for longer than the bound | 63.5 | 93.9 | 86 |
//! | PostgreSQL | nothing; `revoke_strict` | 0.0 | 0.0 | 0 |
//! | PostgreSQL | no connection carries anything; `revoke_strict` | 0.0 | 0.0 | 93 |
//! | Redis | nothing | 0.2 | 2.3 | 0 |
//! | Redis | the connection for changes is closed by the server | 0.2 | 2.3 | 108 |
//! | Redis | the connection for changes is reset by the network | 0.3 | 6.6 | 64 |
//! | Redis | the connection for changes carries nothing for longer than the bound | 57.2 | 87.4 | 158 |
//! | Redis | the connection for changes is delayed by less than the bound | 80.0 | 90.2 | 48 |
//! | Redis | Redis is stopped for longer than the bound, and goes on | 0.3 | 3.6 | 134 |
//! | Redis | Redis crashes, and is empty when it starts again | 0.2 | 4.5 | 46 |
//! | Redis | a process with a cache is stopped for longer than the bound, and goes on | 0.2 | 10.7 | 29 |
//!
//! In the rows with `revoke_strict`, the time counts from its return, and no request was admitted.
//!
//! # Exactly zero
//!
//! [`KeyRegistry::revoke_strict`](crate::KeyRegistry::revoke_strict) returns only when no process can admit the key any more: it
//! waits for the bound that all processes share. It is stored where changes are announced, and a process with a larger one
//! is refused: it asks the store for every lookup, and says why in its log and its health. Caches by
//! [`ttl`](CachedKeyStore::ttl) share nothing: tell the registry of the longest one
//! ([`KeyRegistry::caches_within`](crate::KeyRegistry::caches_within)). A request whose lookup was under way already may still
//! be admitted by it.
//!
//! # Unknown keys
//!
//! That a key is unknown is remembered for two seconds, apart from the keys that exist, and forgotten when a key is created. So
//! random keys displace nothing, and a key that was created a moment ago is found.
//!
//! # Many at once
//!
//! All requests with one key wait for one lookup. If it fails, all of them are refused; the store is not asked once for
//! each. Without a lease, a request waits for a lookup that begins after it has arrived, so at most two lookups of a
//! key are under way.

mod announcing;
mod answers;
mod changed;
mod changes;
mod core;
mod counters;
mod epochs;
mod flights;
mod freshness;
mod health;
mod heartbeat;
mod keys;
mod known;
mod lease;
mod outbox;
mod registry;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod sessions;
mod settings;
mod store;
mod sync;
mod telling;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tokens;
mod versioned;

pub use self::{
    changed::{Announcement, Changed},
    changes::{ChangeSink, Changes, ChangesFuture, Heard, Subscription},
    health::CacheHealth,
    store::CachedKeyStore,
    versioned::Versioned,
};
