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
//! | [`revoke_strict`](KeyRegistry::revoke_strict) | the same, and returns when no cache admits it | nothing |
//!
//! At most two keys of a line of successors are valid at a time: rotating a successor revokes its predecessor, if the
//! predecessor is still valid. A key that has a successor cannot be rotated again. All successors share the bucket of
//! the first key, so a rotation does not refill a limit.
//!
//! Every call takes the [`Actor`]: the principal that makes the call, and where it came from. Every change is written to the
//! audit log in the same transaction, and logged: the actor, the change and the id and hint of the key, never the secret.
//! Digests that move under another pepper and notes of a key's last use are no changes, and are not in the audit log.
//! The registry does not authorize the actor: the routes of the service must check a permission, and the account or
//! organisation of the key.
//!
//! # Where keys are kept
//!
//! The registry decides every change in pure functions. A [`RegistryStore`] carries the changes out, in one transaction:
//!
//! | store | keys survive a restart | processes on the same keys |
//! |---|---|---|
//! | [`MemoryKeyStore`](crate::MemoryKeyStore) | no | one |
//! | `SqliteKeyStore` (feature `sqlite`) | yes | several, on one machine |
//! | `PostgresKeyStore` (feature `postgres`) | yes | several, on several machines |
//! | your own | as you implement it; `testing::conformance` checks it | as you implement it |
//!
//! The same rules hold for all stores. `examples/keys` is a command line for them.
//!
//! # What a key can say
//!
//! A [`NewKey`] has a name, an account, organisations, scopes, roles, a plan or limits of its own, an expiry or a start, an
//! environment, [`Restrictions`](crate::Restrictions) (networks, origins, idle expiry) and notes of its owner. A
//! [`KeyPolicy`] limits the lifetime of all keys.
//!
//! # Accounts and organisations
//!
//! [`suspend`](KeyRegistry::suspend) refuses all keys of an account or organisation, and changes none of them;
//! [`reinstate`](KeyRegistry::reinstate) ends that. [`revoke_all`](KeyRegistry::revoke_all) revokes the keys of an account.
//! [`erase_account`](KeyRegistry::erase_account) removes its keys, and its personal data from the audit log.
//!
//! # Background work
//!
//! [`watch`](KeyRegistry::watch) wraps the store of the layer, and `KeyRegistry::start` (feature `tokio`) starts a task. The
//! task writes when keys with an idle expiry were used, moves keys of an old pepper to the current one when they are used,
//! removes what is old, and reports keys that expire soon to [`on_event`](KeyRegistry::on_event).
//!
//! ```
//! use tower_auth::{ApiKeyLayer, KeyRegistry, KeyScheme, KeyStore, registry::{KeyAction, RegistryStore}};
//!
//! fn set_up<S: KeyStore + RegistryStore + Clone>(scheme: KeyScheme, store: S) -> (ApiKeyLayer, KeyRegistry) {
//!     let keys = KeyRegistry::new(scheme.clone(), store.clone()).on_event(|event| {
//!         if event.row.action == KeyAction::Expiring {
//!             println!("expires soon: {:?}", event.row.key);
//!         }
//!     });
//!     // While the service runs, keep the task: `let upkeep = keys.start();`
//!     (ApiKeyLayer::new(scheme, keys.watch(store)), keys)
//! }
//! # drop(set_up::<tower_auth::MemoryKeyStore>);
//! ```
//!
//! # Peppers
//!
//! To [rotate a pepper](crate::key#rotate-a-pepper), put the new one in front, and let the task move the keys as they are
//! used. [`peppers`](KeyRegistry::peppers) counts the keys of each pepper, and says when an old one
//! [may go](PepperUse::may_go). A table of plain SHA-256 digests moves under a pepper with
//! [`move_under_pepper`](KeyRegistry::move_under_pepper); no key is issued again.
//!
//! To move to another store, copy every [entry](RegistryStore::list), [holder](RegistryStore::holders),
//! [removed digest](RegistryStore::removed) and [audit row](RegistryStore::audit). The example `keys` is a command line that
//! does this (`keys copy`), and creates, lists, rotates, revokes and imports keys beside running services.
//!
//! # What is left of a key
//!
//! A revoked key stays revoked. A deleted key is no longer listed. After
//! [`KeyPolicy::purge_after`], its entry is removed and only its digest is kept, so that the key cannot be imported again while its pepper is accepted
//! ([`PepperUse::removed`]).
//!
//! # When not to use it
//!
//! A few static keys need no registry. Keys in a file that people edit need none either: see `FileKeyStore` (feature `file`).

mod actor;
mod audit;
mod change;
mod entry;
mod error;
mod event;
mod filter;
mod forget;
mod holders;
mod import_digest;
mod info;
mod key_registry;
#[cfg(all(feature = "strict-body", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod leaked;
mod lifecycle;
mod new_key;
mod notes;
mod page;
mod pepper_count;
mod peppers;
mod policy;
mod registry_store;
mod row;
mod stored;
mod strict;
#[cfg(feature = "tokio")]
mod upkeep;
mod watched;

pub use self::{
    actor::Actor,
    audit::{AuditFilter, AuditRow, KeyAction},
    change::{Change, Holder, Tombstone},
    entry::Entry,
    error::RegistryError,
    event::KeyEvent,
    filter::KeyFilter,
    forget::Forget,
    info::{IssuedKey, KeyInfo},
    key_registry::KeyRegistry,
    new_key::{KeyUpdate, NewKey},
    page::{Cursor, Page},
    pepper_count::PepperCount,
    peppers::PepperUse,
    policy::KeyPolicy,
    registry_store::{Decide, RegistryFuture, RegistryStore},
    row::{KeyRow, micros, time},
    watched::WatchedKeyStore,
};
