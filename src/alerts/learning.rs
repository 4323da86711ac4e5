//! Whose rules look at a key, and what they are.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use super::{AlertError, AlertRule, Alerts, StoredRules};
use crate::{Principal, registry::Holder};

/// The number of holders whose rules are read at once.
const AT_ONCE: usize = 500;

/// The rules of some holders, for one look.
pub(super) struct Rules(HashMap<Holder, Arc<[AlertRule]>>);

impl Alerts {
    /// Returns the rules of the owners of these callers. Those that are not known are read.
    pub(super) async fn rules_of(&self, callers: impl Iterator<Item = &Principal>) -> Result<Rules, AlertError> {
        let (now, version) = (self.clock().elapsed(), self.known.version());
        let holders: BTreeSet<Holder> = callers.flat_map(owners).collect();
        let unknown = self.known.unknown(holders.iter().cloned(), now);
        let known = holders.iter().filter_map(|holder| Some((holder.clone(), self.known.of(holder)?)));
        let mut all: HashMap<Holder, Arc<[AlertRule]>> = known.collect();
        for some in unknown.chunks(AT_ONCE) {
            let stored = self.answer(self.store.rules(some)).await?;
            let rules = |holder: &Holder| stored.iter().find(|rules| rules.holder == *holder).map(StoredRules::known);
            let read = |holder: &Holder| (holder.clone(), Arc::from(rules(holder).unwrap_or_default()));
            let read: Vec<_> = some.iter().map(read).collect();
            self.known.learn(&read, now, version);
            all.extend(read);
        }
        all.retain(|_, rules| !rules.is_empty());
        Ok(Rules(all))
    }
}

impl Rules {
    /// Returns the rules that look at the key of a caller.
    pub(super) fn about(&self, who: &Principal) -> impl Iterator<Item = (&Holder, &[AlertRule])> {
        owners(who).filter_map(|holder| self.0.get_key_value(&holder)).map(|(holder, rules)| (holder, &**rules))
    }
}

/// Returns the account and the organisation that own the key of a caller.
fn owners(who: &Principal) -> impl Iterator<Item = Holder> {
    let organization = who.organizations().first().map(Holder::organization);
    who.account().map(Holder::account).into_iter().chain(organization)
}
