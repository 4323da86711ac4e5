//! Alerts.

mod alert;
mod alert_store;
mod error;
mod rule;
mod stored_rules;

pub(crate) use self::alert_store::unsupported;
pub use self::{
    alert::Alert,
    alert_store::{AlertFuture, AlertRecord, AlertStore, ForgetAlerts, NetworkUse, Settled},
    error::AlertError,
    rule::AlertRule,
    stored_rules::StoredRules,
};
