//! The tables of keys.

use std::collections::{HashMap, hash_map::Entry};

use toml::Spanned;

use super::{
    document::{Document, KeyTable},
    place::{self, Text},
    plans,
};
use crate::{ConfigError, KeyDigests, KeyRecord, KeyState, Restrictions};

/// The keys of a file, by digest.
pub(super) struct Keys(HashMap<[u8; 32], KeyRecord>);

impl Keys {
    pub(super) fn read(text: Text<'_>, document: Document) -> Result<Self, ConfigError> {
        let mut keys = HashMap::with_capacity(document.keys.len());
        for (id, table) in document.keys {
            if let Some(plan) = &table.plan {
                plans::refuse_unknown(text, plan, &document.plans)?;
            }
            let (at, digest) = (table.digest.span(), table.digest.get_ref().0);
            let record = record(text, &id, table)?;
            match keys.entry(digest) {
                Entry::Vacant(place) => drop(place.insert(record)),
                Entry::Occupied(other) => {
                    let (one, other) = (place::name(other.get().id()), place::name(id.get_ref()));
                    return Err(text.wrong(&at, format!("the keys {one} and {other} have the same digest")));
                }
            }
        }
        Ok(Self(keys))
    }

    pub(super) fn find(&self, key: &KeyDigests) -> Option<KeyRecord> {
        key.iter().find_map(|digest| self.0.get(digest.as_bytes())).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn record(text: Text<'_>, id: &Spanned<String>, table: KeyTable) -> Result<KeyRecord, ConfigError> {
    let mut record = KeyRecord::new(id.get_ref(), &table.account)
        .state(state(&table))
        .account_suspended(table.account_suspended)
        .organization_suspended(table.organization_suspended)
        .restrictions(restrictions(text, &table)?);
    if let Some(limits) = &table.limits {
        record = record.limits(plans::limits(text, limits)?);
    }
    let record = with_the_rest(record, table);
    match record.nameless() {
        Some(what) => {
            let name = place::name(id.get_ref());
            Err(text.wrong(&id.span(), format!("the {what} of the key {name} is empty")))
        }
        None => Ok(record),
    }
}

const fn state(table: &KeyTable) -> KeyState {
    match (table.revoked, table.active, table.paused) {
        (true, ..) => KeyState::Revoked,
        (_, Some(false), _) => KeyState::Deactivated,
        (.., true) => KeyState::Paused,
        _ => KeyState::Active,
    }
}

fn restrictions(text: Text<'_>, table: &KeyTable) -> Result<Restrictions, ConfigError> {
    let mut all = Restrictions::new();
    if let Some(networks) = &table.networks {
        all = all.networks(networks.get_ref()).map_err(|error| text.at(&networks.span(), error))?;
    }
    if let Some(origins) = &table.origins {
        all = all.origins(origins.get_ref()).map_err(|error| text.at(&origins.span(), error))?;
    }
    Ok(all)
}

/// Adds what cannot be wrong.
fn with_the_rest(record: KeyRecord, table: KeyTable) -> KeyRecord {
    let record = record.organizations(table.organizations).scopes(table.scopes).roles(table.roles);
    let record = given(record, table.subject, KeyRecord::subject);
    let record = given(record, table.plan.map(Spanned::into_inner), KeyRecord::plan);
    let record = given(record, table.first_id, KeyRecord::first_id);
    let record = given(record, table.hint, KeyRecord::hint);
    let record = given(record, table.environment, KeyRecord::environment);
    let record = given(record, table.not_before, |record, time| record.not_before(time.0));
    let record = given(record, table.expires_at, |record, time| record.expires_at(time.0));
    given(record, table.pepper, |record, version| record.pepper(Some(version)))
}

fn given<T>(record: KeyRecord, value: Option<T>, set: impl FnOnce(KeyRecord, T) -> KeyRecord) -> KeyRecord {
    match value {
        Some(value) => set(record, value),
        None => record,
    }
}
