//! What is needed to end a key that somebody else has found.

use super::{Actor, Change, Entry, KeyAction, KeyRegistry, RegistryError, lifecycle::Deciding};
use crate::{KeyScheme, base::time_limit::TimeLimit};

impl KeyRegistry {
    /// Revokes a key, and returns whether this call did: of several calls at once, one does.
    pub(crate) async fn revoke_once(&self, actor: Actor, id: &str) -> Result<bool, RegistryError> {
        let decide = |it: &Deciding<'_>, entries: &[Entry]| {
            let entry = entries.first().ok_or(RegistryError::NotFound)?;
            Ok(it.end(entry, KeyAction::Revoked))
        };
        let changes = self.transact(actor, vec![id.to_owned()], decide).await?;
        Ok(changes.iter().any(|change| matches!(change, Change::Update(_))))
    }

    pub(crate) const fn scheme(&self) -> &KeyScheme {
        &self.scheme
    }

    pub(crate) const fn time_limit(&self) -> &TimeLimit {
        &self.limit
    }
}
