//! Where keys are known: the [`KeyStore`] trait, what it answers, and a store in memory.
//!
//! A store is asked for [`KeyDigests`](crate::KeyDigests) and answers a [`KeyRecord`] or nothing. Administration is
//! not its business, so one over a table of one's own is ten lines:
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
//! An error is never "no such key": it is answered 503, so that no client throws a good key away because a
//! database was restarted.

mod key_store;
mod memory;
mod record;

pub use self::{
    key_store::{KeyStore, StoreFuture},
    memory::MemoryKeyStore,
    record::{KeyRecord, KeyState, KeyStatus},
};
