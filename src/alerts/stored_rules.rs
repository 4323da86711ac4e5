use std::time::SystemTime;

use serde_json::Value;

use super::AlertRule;
use crate::{ConfigError, registry::Holder};

/// The rules of one account or organisation, as an [`AlertStore`](super::AlertStore) keeps them.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::{alerts::{AlertRule, StoredRules}, registry::Holder};
///
/// let stored = StoredRules::new(Holder::organization("org_1"), &[AlertRule::NewNetwork], SystemTime::now(), "ops");
/// assert_eq!(stored.rules, r#"[{"type":"new_network"}]"#);
/// assert_eq!(stored.known(), [AlertRule::NewNetwork]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRules {
    /// Whose rules.
    pub holder: Holder,
    /// The rules, as the text of a JSON array. An empty array is no rules.
    pub rules: String,
    /// When they were set.
    pub changed_at: SystemTime,
    /// Who has set them.
    pub changed_by: String,
}

/// The largest number of rules of a holder.
const MOST_RULES: usize = 32;

impl StoredRules {
    /// Creates the value from rules.
    pub fn new(holder: Holder, rules: &[AlertRule], changed_at: SystemTime, changed_by: impl Into<String>) -> Self {
        let rules: Vec<Value> = rules.iter().map(AlertRule::to_json).collect();
        Self::of_text(holder, Value::from(rules).to_string(), changed_at, changed_by)
    }

    /// Creates the value from a column of a table.
    pub fn of_text(
        holder: Holder,
        rules: impl Into<String>,
        changed_at: SystemTime,
        changed_by: impl Into<String>,
    ) -> Self {
        Self { holder, rules: rules.into(), changed_at, changed_by: changed_by.into() }
    }

    /// Returns the rules that this version knows. Those of a newer version are left out.
    #[must_use]
    pub fn known(&self) -> Vec<AlertRule> {
        let all: Vec<Value> = serde_json::from_str(&self.rules).unwrap_or_default();
        all.iter().filter_map(|rule| AlertRule::from_json(rule).ok()).collect()
    }
}

/// Rejects rules that an owner cannot have meant.
pub(super) fn check(rules: &[AlertRule]) -> Result<(), ConfigError> {
    if rules.len() > MOST_RULES {
        return Err(ConfigError::new(
            format!("there are {} alert rules", rules.len()),
            format!("set at most {MOST_RULES} rules"),
        ));
    }
    for (place, rule) in rules.iter().enumerate() {
        // A number out of its range could not be read again.
        AlertRule::from_json(&rule.to_json())?;
        if rules[place + 1..].contains(rule) {
            return Err(ConfigError::new(
                format!("the alert rule {} stands there twice", rule.to_json()),
                "remove one",
            ));
        }
    }
    Ok(())
}
