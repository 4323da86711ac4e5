use std::time::SystemTime;

use super::{AuditRow, Entry};
use crate::{KeyDigest, KeyDigests};

/// One change that a [`RegistryStore`](super::RegistryStore) carries out. The registry has decided it already; a store
/// adds no rule of its own, except that no two keys share an id or a digest.
///
/// ```
/// use tower_auth::registry::{Change, RegistryError};
///
/// /// A store of your own answers for what it does not know yet.
/// fn apply(change: &Change) -> Result<(), RegistryError> {
///     match change {
///         Change::Update(entry) => Ok(println!("UPDATE keys SET .. WHERE id = {}", entry.key().id())),
///         other => Err(RegistryError::unsupported(other)),
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Change {
    /// Adds a key.
    Create {
        /// The new key. If its id is in use, the change fails with [`AlreadyExists`](super::RegistryError::AlreadyExists).
        entry: Entry,
        /// All digests of the key, if the registry has seen the key itself. If any of them is in use, the change fails with
        /// [`AlreadyExists`](super::RegistryError::AlreadyExists); if any belongs to a removed key, with
        /// [`Revoked`](super::RegistryError::Revoked). Without them, the digest of the entry is compared.
        digests: Option<KeyDigests>,
    },
    /// Replaces the entry with the same id, except its last use. A [moved](Tombstone::moved) tombstone of its digest is
    /// removed: a process with an older order of peppers has moved the key back.
    Update(Entry),
    /// Notes that keys were used. A time that is earlier than the known one changes nothing, and a key that is gone is
    /// skipped. The change may be lost in a crash: it need not wait for the disk.
    Used(Vec<(String, SystemTime)>),
    /// Removes a key. Its digest is kept, so that the key can never be created again.
    Remove {
        /// The id of the key.
        id: String,
    },
    /// Keeps a digest as [`Remove`](Self::Remove) does: for the old digest of a key that has moved to another pepper, and
    /// for a copy of the keys that were removed from another store. A key that has this digest now is left as it is. A
    /// digest has one tombstone: that of a removed key stays, or takes the place of that of a [moved](Tombstone::moved) one.
    Bury(Tombstone),
    /// Suspends an account or an organisation: all of its keys are refused, also keys that are created later. A holder
    /// that is suspended already keeps its time.
    Suspend {
        /// The account or the organisation.
        holder: Holder,
        /// Since when.
        at: SystemTime,
    },
    /// Ends the suspension of an account or an organisation, if it is suspended.
    Reinstate {
        /// The account or the organisation.
        holder: Holder,
    },
    /// Appends a row to the audit log.
    Audit(AuditRow),
}

/// What a store keeps for ever of a digest that no key may have again.
///
/// ```
/// use tower_auth::{KeyDigest, registry::{Change, Tombstone}};
///
/// // A digest that another store has kept.
/// let change = Change::Bury(Tombstone::new(KeyDigest::from_bytes([7; 32]), Some(1)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tombstone {
    /// The digest.
    pub digest: KeyDigest,
    /// The version of the pepper of the digest; `None` for a plain SHA-256.
    pub pepper: Option<u32>,
    /// Whether the key got another digest instead of being removed. If the key is removed later, its last digest gets a
    /// tombstone of its own, so this one is not needed once its pepper is gone. If the key gets this digest back, the
    /// tombstone is removed.
    pub moved: bool,
}

impl Tombstone {
    /// Creates the tombstone of a removed key, whose digest was made with this version of the peppers.
    #[must_use]
    pub const fn new(digest: KeyDigest, pepper: Option<u32>) -> Self {
        Self { digest, pepper, moved: false }
    }

    /// Sets that the key was not removed: it has another digest now.
    #[must_use]
    pub const fn moved(self) -> Self {
        Self { moved: true, ..self }
    }
}

/// An account or an organisation: the owner of keys.
///
/// ```
/// use tower_auth::registry::Holder;
///
/// assert_eq!(Holder::account("acme").to_string(), "account acme");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Holder {
    /// An account ([`Principal::account`](crate::Principal::account)).
    Account(String),
    /// An organisation. It owns the keys whose first organisation it is
    /// ([`Principal::organizations`](crate::Principal::organizations)).
    Organization(String),
}

impl Holder {
    /// Returns the account of this name.
    pub fn account(id: impl Into<String>) -> Self {
        Self::Account(id.into())
    }

    /// Returns the organisation of this name.
    pub fn organization(id: impl Into<String>) -> Self {
        Self::Organization(id.into())
    }

    /// Returns the kind for a column of a table: `account` or `organization`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Account(_) => "account",
            Self::Organization(_) => "organization",
        }
    }

    /// Returns the name of the account or organisation.
    #[must_use]
    pub fn id(&self) -> &str {
        let (Self::Account(id) | Self::Organization(id)) = self;
        id
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}
