use std::time::SystemTime;

/// What a [`RegistryStore`](super::RegistryStore) removes in batches
/// ([`RegistryStore::forget`](super::RegistryStore::forget)), because it can be many rows.
///
/// ```
/// use tower_auth::registry::{Forget, RegistryError};
///
/// /// A store of your own answers for what it does not know yet.
/// fn statement(what: &Forget) -> Result<&'static str, RegistryError> {
///     match what {
///         Forget::Audit { .. } => Ok("DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE at < $1 LIMIT $2)"),
///         other => Err(RegistryError::unsupported(other)),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Forget {
    /// Removes the audit rows that are older.
    Audit {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// Removes the addresses from the audit rows that are older.
    Addresses {
        /// The first moment to keep.
        before: SystemTime,
    },
    /// Removes every key of an account, as [`Change::Remove`](super::Change::Remove) does, and every name, address and value
    /// from the audit rows of the account and of its keys ([`AuditRow::erased`](super::AuditRow::erased)). The audit rows
    /// of a key are erased before or with the key: the key tells which rows they are.
    ///
    /// Also removes what the store keeps of the account for other traits, such as its sessions. The time from which tokens of a
    /// subject are valid stays until it is outdated: without it, a token without a session could be valid again.
    Account {
        /// The account.
        account: String,
    },
}
