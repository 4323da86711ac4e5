//! Key stores: the [`KeyStore`] trait, the records that it returns, and a store in memory.
//!
//! A store is queried by [`KeyDigests`](crate::KeyDigests) and returns a [`KeyRecord`] or `None`. The trait does not
//! administer keys, so a store on your own table takes ten lines:
//!
//! ```
//! use std::{collections::HashMap, sync::Arc};
//! use tower_auth::{KeyDigests, KeyRecord, KeyState, KeyStore, StoreFuture};
//!
//! /// Stands for a connection pool.
//! #[derive(Clone)]
//! struct Pool(Arc<HashMap<String, (String, String, bool)>>);
//!
//! struct ApiTokens(Pool);
//!
//! impl KeyStore for ApiTokens {
//!     fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
//!         let (pool, key) = (self.0.clone(), key.clone());
//!         StoreFuture::boxed(async move {
//!             // SELECT id, customer, disabled FROM api_tokens WHERE sha256 = ANY($1)
//!             let row = key.iter().find_map(|digest| pool.0.get(&digest.to_hex()));
//!             Ok(row.map(|(id, customer, disabled)| {
//!                 KeyRecord::new(id, customer).state(if *disabled { KeyState::Revoked } else { KeyState::Active })
//!             }))
//!         })
//!     }
//! }
//! ```
//!
//! # Restrictions
//!
//! A record may say where, by whom and for how long the key may be used: [`Restrictions`], stored as one JSON object.
//! They are checked after possession of the key is proved and the key is active, and only the holder is told which one
//! refuses.
//!
//! | restriction | checked | refused with |
//! |---|---|---|
//! | [`networks`](Restrictions::networks) | the address of the client, as [`ClientIp`](crate::ClientIp) finds it, is in one of them | 403 `IP_NOT_ALLOWED`; 500 if no `ClientIp` is set or the address of the connection is unknown |
//! | [`origins`](Restrictions::origins) | the request has one `Origin`, and it is one of them | 403 `ORIGIN_NOT_ALLOWED` |
//! | [`idle_after`](Restrictions::idle_after) | less time has passed since [`last_used_at`](KeyRecord::last_used_at) | as an expired key; 500 if the record has no last use |
//! | a stored member that this version does not know or cannot read | never | 403 `RESTRICTION_UNKNOWN` |
//! | [`environment`](KeyRecord::environment) of the record | it is that of the [layer](crate::ApiKeyLayer::environment) | 401, as an unknown key |
//!
//! The store updates the last use, for example once an hour: with every request is not necessary.
//!
//! ```
//! use std::time::SystemTime;
//! use tower_auth::{BoxError, KeyRecord, Restrictions};
//!
//! /// SELECT id, customer, environment, restrictions, coalesce(last_used_at, created_at) FROM api_tokens ...
//! struct Row { id: String, customer: String, environment: Option<String>, restrictions: String, last_used_at: SystemTime }
//!
//! fn record(row: Row) -> Result<KeyRecord, BoxError> {
//!     Ok(KeyRecord::new(row.id, row.customer)
//!         .environment(row.environment.unwrap_or_else(|| "live".to_owned()))
//!         .restrictions(Restrictions::from_json(&row.restrictions)?)
//!         .last_used_at(row.last_used_at))
//! }
//!
//! let row = Row {
//!     id: "key_1".to_owned(),
//!     customer: "acme".to_owned(),
//!     environment: None,
//!     restrictions: r#"{"networks":["192.0.2.0/24"],"idle_after":2592000}"#.to_owned(),
//!     last_used_at: SystemTime::now(),
//! };
//! let record = record(row)?;
//! assert!(record.current_restrictions().allowed_networks().eq(["192.0.2.0/24"]));
//! # Ok::<_, BoxError>(())
//! ```
//!
//! # Errors
//!
//! An error of the store is answered 503 and not 401, so that no client discards a valid key because a database was
//! restarted.

mod key_store;
mod record;
mod record_limits;
mod restrictions;

pub use self::{
    key_store::{KeyStore, StoreFuture},
    record::{KeyRecord, KeyState, KeyStatus},
    restrictions::Restrictions,
};
