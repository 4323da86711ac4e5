use serde_json::{Value, json};

use crate::ConfigError;

/// What the owner of keys is alerted of. A rule belongs to an account or an organisation, and looks at its keys.
///
/// ```
/// use tower_auth::alerts::AlertRule;
///
/// let rule = AlertRule::LimitUsed { percent: 80 };
/// assert_eq!(rule.to_json().to_string(), r#"{"type":"limit_used","percent":80}"#);
/// assert_eq!(AlertRule::from_json(&rule.to_json())?, rule);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlertRule {
    /// So much of a window of the plan is used, or it has refused a request: once in each period of the window. Windows that are full again in less than an
    /// hour are left out.
    LimitUsed {
        /// From 1 to 100.
        percent: u8,
    },
    /// A key expires soon: once for each expiry.
    Expiring {
        /// How many days before, from 1 to 365.
        days: u16,
    },
    /// A key that was rotated is still used: once for each rotation.
    OldKeyUsed {
        /// How many hours after the rotation, from 1 to 8760.
        hours: u16,
    },
    /// A key is used from a network for the first time: once for each network. The networks of the very first uses raise no
    /// alert; those of a key that was not used for 90 days are forgotten, so that it begins anew. Up to 100 networks are kept for a key. A network is the /24 of an IPv4 address, or the /48 of an IPv6 address.
    NewNetwork,
    /// Many requests with a key are refused: once in each hour.
    Refusals {
        /// The number of refused requests in one hour of UTC from which on there is an alert, at least 1.
        per_hour: u32,
    },
    /// A key is not used any more: once after each last use. A key that was never used counts from its creation.
    Idle {
        /// For how many days, from 1 to 3650.
        days: u16,
    },
}

impl AlertRule {
    /// Returns the rules that most owners want: a limit used by 80 and by 100 percent, a key that expires in 14 days, an old key
    /// used 24 hours after its rotation, a new network, 100 refused requests in an hour, and 90 idle days.
    #[must_use]
    pub fn recommended() -> Vec<Self> {
        vec![
            Self::LimitUsed { percent: 80 },
            Self::LimitUsed { percent: 100 },
            Self::Expiring { days: 14 },
            Self::OldKeyUsed { hours: 24 },
            Self::NewNetwork,
            Self::Refusals { per_hour: 100 },
            Self::Idle { days: 90 },
        ]
    }

    /// Returns the name of the kind, as alerts and JSON show it, such as `limit_used`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::LimitUsed { .. } => "limit_used",
            Self::Expiring { .. } => "expiring",
            Self::OldKeyUsed { .. } => "old_key_used",
            Self::NewNetwork => "new_network",
            Self::Refusals { .. } => "refusals",
            Self::Idle { .. } => "idle",
        }
    }

    /// Returns the rule as JSON: its `type`, and its number by the name of the field.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::LimitUsed { percent } => json!({ "type": self.kind(), "percent": percent }),
            Self::Expiring { days } | Self::Idle { days } => json!({ "type": self.kind(), "days": days }),
            Self::OldKeyUsed { hours } => json!({ "type": self.kind(), "hours": hours }),
            Self::NewNetwork => json!({ "type": self.kind() }),
            Self::Refusals { per_hour } => json!({ "type": self.kind(), "per_hour": per_hour }),
        }
    }

    /// Reads a rule that [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    /// If this version does not know the type or a member, or a number is missing or out of its range. The text can be shown to
    /// the author of the JSON.
    pub fn from_json(json: &Value) -> Result<Self, ConfigError> {
        let kind = json.get("type").and_then(Value::as_str).unwrap_or_default();
        let (field, range) = match kind {
            "limit_used" => ("percent", 1..=100),
            "expiring" => ("days", 1..=365),
            "old_key_used" => ("hours", 1..=8_760),
            "new_network" => ("", 0..=0),
            "refusals" => ("per_hour", 1..=u32::MAX),
            "idle" => ("days", 1..=3_650),
            _ => {
                return Err(wrong(
                    format!("an alert rule has the type {kind:?}"),
                    "use limit_used, expiring, old_key_used, new_network, refusals or idle",
                ));
            }
        };
        let members = json.as_object().into_iter().flatten();
        if let Some((name, _)) = members.into_iter().find(|(name, _)| *name != "type" && *name != field) {
            return Err(wrong(
                format!("an alert rule of the type {kind} has the unknown member {name:?}"),
                "remove it",
            ));
        }
        let number = json.get(field).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok());
        let Some(number) = number.filter(|number| range.contains(number)).or(field.is_empty().then_some(0)) else {
            let (first, last) = range.into_inner();
            return Err(wrong(
                format!("an alert rule of the type {kind} has no valid {field}"),
                format!("set {field} to a whole number from {first} to {last}"),
            ));
        };
        // The ranges fit.
        let short = u16::try_from(number).unwrap_or(u16::MAX);
        Ok(match kind {
            "limit_used" => Self::LimitUsed { percent: u8::try_from(number).unwrap_or(u8::MAX) },
            "expiring" => Self::Expiring { days: short },
            "old_key_used" => Self::OldKeyUsed { hours: short },
            "new_network" => Self::NewNetwork,
            "refusals" => Self::Refusals { per_hour: number },
            _ => Self::Idle { days: short },
        })
    }
}

fn wrong(what: String, advice: impl Into<String>) -> ConfigError {
    ConfigError::new(what, advice.into())
}
