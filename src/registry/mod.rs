//! The lifecycle of keys: create, rotate with overlap, pause, replace, revoke. A secret is shown only once.
//!
//! ```
//! use std::time::Duration;
//! use tower_auth::*;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?), MemoryKeyStore::new());
//! let keys = KeyRegistry::new(scheme.clone(), store.clone()); // the same scheme for both: the layer accepts what the registry mints
//! let layer = ApiKeyLayer::new(scheme, store);
//!
//! let admin = Principal::builder("alice").build();
//! let new = NewKey::named("ci").account("acme").scopes(["read"]).expires_in(Duration::from_secs(90 * 86_400));
//! let issued = keys.create(&admin, new).await?;
//! println!("your key, which is shown only now: {}", issued.secret.expose());
//!
//! let successor = keys.rotate(&admin, issued.key.id(), Duration::from_secs(3_600)).await?; // both are valid for an hour
//! keys.revoke(&admin, successor.key.id()).await?; // refused from the next request on
//! # Ok::<_, BoxError>(())
//! # }).unwrap();
//! ```
//!
//! | call | effect on the key | undone by |
//! |---|---|---|
//! | [`create`](KeyRegistry::create), [`import`](KeyRegistry::import), [`import_digest`](KeyRegistry::import_digest) | valid at once | |
//! | [`pause`](KeyRegistry::pause), [`deactivate`](KeyRegistry::deactivate) | refused at once | [`resume`](KeyRegistry::resume), [`activate`](KeyRegistry::activate) |
//! | [`rotate`](KeyRegistry::rotate) | valid until now + overlap, but not beyond its own expiry; its successor is valid at once | nothing |
//! | [`replace`](KeyRegistry::replace) | revoked, and its successor valid, in one atomic step | nothing |
//! | [`revoke`](KeyRegistry::revoke), [`delete`](KeyRegistry::delete) | refused at once, cannot be restored | nothing |
//!
//! At most two keys of a line of successors are valid at a time: rotating a successor revokes its predecessor, if the
//! predecessor is still valid. A key that has a successor cannot be rotated again. All successors share the bucket of
//! the first key, so a rotation does not refill a limit.
//!
//! Every call takes the [`Actor`]: the principal that makes the call, and where it came from. Every change is written to the
//! audit log in the same transaction, and logged: the actor, the change and the id and hint of the key, never the secret.
//! The registry does not authorize the actor: the routes of the service must check a permission, and the account or
//! organisation of the key.
//!
//! # Where keys are kept
//!
//! The registry decides by pure functions, and a [`RegistryStore`] carries the changes out: a
//! [`MemoryKeyStore`](crate::MemoryKeyStore), which forgets when the process ends, or a database. All of them obey the
//! same rules.
//!
//! To move to another store, copy every [entry](RegistryStore::list), [holder](RegistryStore::holders),
//! [removed digest](RegistryStore::removed) and [audit row](RegistryStore::audit). The example `keys` is a command line that
//! does this (`keys copy`), and creates, lists, rotates, revokes and imports keys beside running services.
//!
//! # What is left of a key
//!
//! A revoked key stays revoked. A deleted key is no longer listed; after the time of the
//! [`KeyPolicy`](KeyPolicy::purge_after), its entry is removed and only its digest stays, so that nobody can import the key
//! again.
//!
//! # When not to use it
//!
//! A few static keys need no registry.

mod actor;
mod audit;
mod change;
mod entry;
mod error;
mod event;
mod filter;
mod holders;
mod import_digest;
mod info;
mod key_registry;
mod lifecycle;
mod new_key;
mod notes;
mod page;
mod peppers;
mod policy;
mod registry_store;
mod row;
mod stored;
#[cfg(feature = "tokio")]
mod upkeep;
mod watched;

pub use self::{
    actor::Actor,
    audit::{AuditFilter, AuditRow, KeyAction},
    change::{Change, Holder},
    entry::Entry,
    error::RegistryError,
    event::KeyEvent,
    filter::KeyFilter,
    info::{IssuedKey, KeyInfo},
    key_registry::KeyRegistry,
    new_key::{KeyUpdate, NewKey},
    page::{Cursor, Page},
    peppers::PepperUse,
    policy::KeyPolicy,
    registry_store::{Decide, RegistryFuture, RegistryStore},
    row::{KeyRow, micros, time},
    watched::WatchedKeyStore,
};
