//! Whose rules look at a key, and what they are.

use std::sync::Arc;

use super::{AlertError, AlertRule, Alerts, StoredRules};
use crate::{Principal, registry::Holder};

/// The number of holders whose rules are read at once.
const AT_ONCE: usize = 500;

impl Alerts {
    /// Reads the rules of the owners of these callers, as far as they are not known.
    pub(super) async fn learn_rules(&self, callers: impl Iterator<Item = &Principal>) -> Result<(), AlertError> {
        let now = self.clock().elapsed();
        for some in self.known.unknown(callers.flat_map(owners), now).chunks(AT_ONCE) {
            let stored = self.answer(self.store.rules(some)).await?;
            let rules = |holder: &Holder| stored.iter().find(|rules| rules.holder == *holder).map(StoredRules::known);
            self.known.learn(some.iter().map(|holder| (holder.clone(), rules(holder).unwrap_or_default())), now);
        }
        Ok(())
    }

    /// Returns the rules that look at the keys of a caller, as they were [learned](Self::learn_rules).
    pub(super) fn rules_about(&self, who: &Principal) -> Vec<(Holder, Arc<[AlertRule]>)> {
        owners(who).filter_map(|holder| self.known.of(&holder).map(|rules| (holder, rules))).collect()
    }
}

/// Returns the account and the organisation that own the key of a caller.
fn owners(who: &Principal) -> impl Iterator<Item = Holder> {
    let organization = who.organizations().first().map(Holder::organization);
    who.account().map(Holder::account).into_iter().chain(organization)
}
