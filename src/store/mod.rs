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
//! An error of the store is answered 503 and not 401, so that no client discards a valid key because a database was
//! restarted.

mod key_store;
mod memory;
mod record;
mod restrictions;

pub use self::{
    key_store::{KeyStore, StoreFuture},
    memory::MemoryKeyStore,
    record::{KeyRecord, KeyState, KeyStatus},
    restrictions::Restrictions,
};
