use std::{fmt, sync::Arc};

use super::{AuditRow, Change, KeyInfo};

/// The argument of [`KeyRegistry::on_event`](super::KeyRegistry::on_event) after a change: its audit row, and the key as it is
/// now.
///
/// ```
/// use tower_auth::registry::{KeyAction, KeyEvent};
///
/// fn notify(event: &KeyEvent<'_>) {
///     if let (KeyAction::Expiring, Some(key)) = (&event.row.action, event.key) {
///         println!("{} expires at {:?}", key.hint(), key.expires_at());
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyEvent<'a> {
    /// Who did what, when, and from where.
    pub row: &'a AuditRow,
    /// The key; `None` if it was removed, or if it was done to an account or organisation.
    pub key: Option<&'a KeyInfo>,
}

/// The function that is called after a change.
#[derive(Clone, Default)]
pub(super) struct Observer(Option<Arc<Told>>);

type Told = dyn Fn(&KeyEvent<'_>) + Send + Sync;

impl Observer {
    pub(super) fn new(told: impl Fn(&KeyEvent<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(told)))
    }

    /// Logs and tells each change that was carried out.
    pub(super) fn tell_all(&self, changes: &[Change]) {
        let rows = changes.iter().filter_map(|change| match change {
            Change::Audit(row) => Some(row),
            _ => None,
        });
        for row in rows {
            let key = changes.iter().filter_map(key_of).find(|key| Some(key.id()) == row.key.as_deref());
            tracing::info!(
                target: "tower_auth",
                actor = row.actor,
                key_id = row.key,
                key_hint = key.map(KeyInfo::hint),
                account = row.account,
                organization = row.organization,
                what = row.action.as_str(),
                "key changed"
            );
            self.tell(&KeyEvent { row, key });
        }
    }

    pub(super) fn tell(&self, event: &KeyEvent<'_>) {
        if let Some(told) = &self.0 {
            told(event);
        }
    }
}

fn key_of(change: &Change) -> Option<&KeyInfo> {
    match change {
        Change::Create { entry, .. } | Change::Update(entry) => Some(entry.key()),
        _ => None,
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Observer(..)" } else { "Observer" })
    }
}
