//! The life of keys: created once, shown once, rotated with overlap, paused, replaced, revoked at once.
//!
//! ```
//! use std::time::Duration;
//! use tower_auth::*;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?), MemoryKeyStore::new());
//! let keys = KeyRegistry::new(scheme.clone(), store.clone()); // one scheme for both: what is minted here is read there
//! let layer = ApiKeyLayer::new(scheme, store);
//!
//! let admin = Principal::builder("alice").build();
//! let new = NewKey::named("ci").account("acme").scopes(["read"]).expires_in(Duration::from_secs(90 * 86_400));
//! let issued = keys.create(&admin, new).await?;
//! println!("your key, which is shown only now: {}", issued.secret.expose());
//!
//! let successor = keys.rotate(&admin, issued.key.id(), Duration::from_secs(3_600)).await?; // both are good for an hour
//! keys.revoke(&admin, successor.key.id()).await?; // for the very next request, and for good
//! # Ok::<_, BoxError>(())
//! # }).unwrap();
//! ```
//!
//! | call | what becomes of the key | can be undone |
//! |---|---|---|
//! | [`create`](KeyRegistry::create), [`import`](KeyRegistry::import) | it is good at once | |
//! | [`pause`](KeyRegistry::pause), [`deactivate`](KeyRegistry::deactivate) | it is refused at once | [`resume`](KeyRegistry::resume), [`activate`](KeyRegistry::activate) |
//! | [`rotate`](KeyRegistry::rotate) | it is good until exactly now + overlap, and not past its own end; its successor is good at once | no |
//! | [`replace`](KeyRegistry::replace) | it is revoked, and its successor is good, in one step | no |
//! | [`revoke`](KeyRegistry::revoke), [`delete`](KeyRegistry::delete) | it is refused at once and for good | no |
//!
//! Of a key and its successors two are good at a time at the most: rotating the successor while its predecessor is still
//! good revokes the predecessor, and a key that has a successor is not rotated again. A successor is counted in the bucket of
//! the key that came first, so that rotating refills no limit.
//!
//! Every call takes the actor, and every change leaves a line in the log: who, what, which key; never the secret. The actor is
//! asked nothing: who may do what to whose keys is for the routes to say, by a permission and by the key's account or
//! organisation.
//!
//! # When not to use it
//!
//! It keeps the keys of one process in its memory. A handful of static keys need no registry.

mod error;
mod info;
mod key_registry;
mod new_key;

pub use self::{
    error::RegistryError,
    info::{IssuedKey, KeyFilter, KeyInfo},
    key_registry::KeyRegistry,
    new_key::{KeyUpdate, NewKey},
};
