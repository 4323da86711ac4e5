//! The keys that sign the tokens of this service, and their rotation.
//!
//! [`SigningKeys`] has the private keys, in a store that several processes share. It publishes each key before it signs, replaces it
//! after a month, and keeps the old key published until its tokens have expired.
//!
//! ```
//! use tower_auth::{Clock, MemoryKeyStore, Peppers, TokenVerifier, session::signing::{SigningKeys, SigningPolicy}};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! // In a service: the database of its keys, and its peppers.
//! let (store, peppers) = (MemoryKeyStore::new(), Peppers::ephemeral()?);
//! let clock = Clock::system();
//! let keys = SigningKeys::open(store, &peppers, SigningPolicy::new(), clock.clone()).await?;
//! let upkeep = keys.start(); // while the service runs
//!
//! let key = keys.current(clock.now())?;
//! let signature = key.sign(b"the header and the claims of a token")?;
//!
//! // The answer of /.well-known/jwks.json, and a verifier in this process that needs no request for it.
//! let document = keys.key_set_json();
//! let tokens = TokenVerifier::source("https://id.example.com/", keys.clone())
//!     .audience("https://api.example.com")
//!     .build()?;
//! # assert!(document.starts_with(b"{\"keys\":[{\"kty\":\"EC\""));
//! # drop((upkeep, signature, tokens));
//! # Ok::<_, tower_auth::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # The life of a key
//!
//! | at (by default) | a key is |
//! |---|---|
//! | 1 day before its time | made, stored and published ([`publish_ahead`](SigningPolicy::publish_ahead)) |
//! | its time | used to sign, by every process |
//! | 30 days later | replaced by the next key ([`period`](SigningPolicy::period)) |
//! | 2 days after that | removed ([`keep`](SigningPolicy::keep)) |
//!
//! - The first key signs at once. Any other key is published for the whole time before, also if no process ran when it was due: the old
//!   key then signs for longer.
//! - Processes need no leader. Each looks every minute, and the store lets one of them add the next key ([`SigningKeyStore`]).
//! - Clocks of processes may differ by a minute: see [wrong clocks](#wrong-clocks).
//! - While the store does not answer, the keys in memory sign and verify, for longer than planned if need be.
//!
//! # Wrong clocks
//!
//! A process adds and removes no key, and is [`Degraded`](crate::Health::Degraded), while
//!
//! - a change is due, and its clock differs by more than two minutes from that of the store
//!   ([`store_time`](SigningKeyStore::store_time); PostgreSQL has a clock of its own, and the processes on one SQLite file share
//!   that of their machine). So a process with a wrong clock harms no other,
//! - or the newest key signs later than any process can have planned it, or no key has begun to sign. Then this clock is behind, or
//!   another was ahead when it made the key. The key in use goes on signing.
//!
//! Set the clock that is wrong. A key that a wrong clock has planned too far ahead stays, and keeps others from being added until
//! its time has come. Set its time to the present, or to tomorrow if the key was made today and another one signs. The
//! log has its id:
//!
//! ```sql
//! UPDATE tower_auth.signing_keys SET signs_from = now() WHERE id = 'the id'; -- PostgreSQL
//! UPDATE signing_keys SET signs_from = unixepoch() * 1000000 WHERE id = 'the id'; -- SQLite
//! ```
//!
//! Never delete the row of the newest key while a process may sign with it. What the two rules do not prevent:
//!
//! - Tokens that a process with a wrong clock issues carry its time, and verifiers refuse them.
//! - If the clock of the store is wrong too, as that of a machine which runs the store and a process, or a shared store returns no
//!   time, a clock that is ahead by more than [`keep`](SigningPolicy::keep) removes the key in use. Other processes sign with
//!   the next key from then on, also if it was published just before, and tokens of the removed key are refused. It makes one key for each
//!   [`period`](SigningPolicy::period) by which its clock is ahead or goes on, and not more.
//!
//! # At rest
//!
//! A private key is encrypted with XChaCha20-Poly1305, under a secret that is derived from the current pepper ([`Peppers`](crate::Peppers)) for
//! this purpose alone. The id and the algorithm of the key are authenticated with it. A stolen table is useless without the peppers.
//!
//! The public part is in the table too, unencrypted: a process publishes a key that it cannot decrypt, because another process may sign with
//! it. So whoever can *write* the table can have a key published, and sign tokens with it.
//!
//! To replace a pepper, follow the steps of [the peppers of API keys](crate::key#rotate-a-pepper). A process encrypts each key once under its
//! current pepper, when it first reads the key, so no key needs the old pepper a minute after the last process has started with the new
//! order. Keep it for [`SessionPolicy::idle`](crate::session::SessionPolicy::idle) after the order was changed, if sessions are used:
//! refresh tokens that were made under it need it.
//!
//! A key that cannot be decrypted, because its pepper is lost or its row was changed, is logged and not used. If it is the key in use, a new
//! key is made that signs at once. Verifiers that have not read the key set again refuse the tokens of the new key until they do.
//! Tokens of the lost key can still be verified.
//!
//! # When not to use it
//!
//! If an identity provider issues the tokens: verify them with [`TokenVerifier::discover`](https://docs.rs/tower-auth/latest/tower_auth/struct.TokenVerifier.html).

mod chain;
mod keys;
mod policy;
mod published;
mod rotate;
mod schedule;
mod sealer;
mod source;
mod store;
mod upkeep;

pub(crate) use self::chain::Chain;
pub use self::{
    keys::SigningKeys,
    policy::SigningPolicy,
    store::{SigningFuture, SigningKeyStore, StoredSigningKey},
};
