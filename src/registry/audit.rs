use super::info::KeyInfo;
use crate::Principal;

/// Logs who changed which key, and how.
pub(super) fn audit(actor: &Principal, what: &'static str, key: &KeyInfo) {
    tracing::info!(
        target: "tower_auth",
        actor = actor.subject(),
        key_id = key.id(),
        key_hint = key.hint(),
        account = key.principal().account(),
        what,
        "key changed"
    );
}
