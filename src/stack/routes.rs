//! What the guards of a stack ask its rules about a request.

use std::sync::Arc;

use crate::{
    RequestHead, RequireLayer, Rules,
    gate::{Guards, WantsFresh},
};

/// Returns the question for fresh answers. Without such routes there is none, so that no request pays for it.
pub(super) fn fresh(rules: &Rules) -> Option<WantsFresh> {
    let rules = rules.has_fresh().then(|| rules.clone())?;
    Some(Arc::new(move |request| rules.is_fresh(request)))
}

/// Lets refusals name all scopes that a request needs: those of its rule, and those that every request needs.
pub(super) fn naming_scopes(guards: Guards, rules: &[Rules], require: &[RequireLayer]) -> Guards {
    let always: Vec<String> = require.iter().flat_map(|layer| layer.requirement().scopes().to_vec()).collect();
    let rules = rules.first().cloned();
    let tells_anyone = rules.as_ref().is_some_and(Rules::tells_scopes);
    let all = move |request: &RequestHead<'_>| {
        let mut all = rules.as_ref().map(|rules| rules.scopes_of(request)).unwrap_or_default();
        all.extend(always.iter().cloned());
        all
    };
    guards.with_scopes(Arc::new(all), tells_anyone)
}
