//! The routes whose requests are authenticated without a cache.

use http::Method;

use super::{
    path::{ambiguity, is_encoded},
    pattern::Pattern,
    segments::Segments,
};
use crate::ConfigError;

/// A set of patterns. Their order has no meaning.
#[derive(Clone, Default)]
pub(super) struct FreshRoutes(Vec<Pattern>);

impl FreshRoutes {
    pub(super) fn add(&mut self, pattern: Pattern) -> Result<(), ConfigError> {
        if let Some(wider) = self.0.iter().find(|earlier| earlier.covers(&pattern)) {
            return Err(ConfigError::new(
                format!("the fresh route {:?} is part of the fresh route {:?}", pattern.written(), wider.written()),
                "delete it",
            ));
        }
        self.0.push(pattern);
        Ok(())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pattern> {
        self.0.iter()
    }

    /// Returns whether a request matches. A path that two parsers could read differently counts as a match, because a
    /// fresh answer is never less safe.
    pub(super) fn matches(&self, method: &Method, path: &str) -> bool {
        let Some(asked) = Segments::of(path) else { return true };
        ambiguity(path).is_some()
            || self.0.iter().any(|pattern| {
                pattern.matches(method, &asked) || (is_encoded(path) && pattern.matches_decoded(method, &asked))
            })
    }

    /// Refuses a pattern none of whose requests is judged by a policy, such as one that is misspelt: it would have no effect.
    pub(super) fn check(&self, is_judged: impl Fn(&Pattern) -> bool) -> Result<(), ConfigError> {
        match self.0.iter().find(|fresh| !is_judged(fresh)) {
            None => Ok(()),
            Some(fresh) => Err(ConfigError::new(
                format!(
                    "the fresh route {:?} has no effect: no rule with a policy matches its requests",
                    fresh.written()
                ),
                "correct its method and path, or delete it; requests to public routes are not authenticated at all",
            )),
        }
    }
}
