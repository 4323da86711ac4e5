use super::{Actor, Change, Entry, KeyFilter, KeyRegistry, RegistryError};
use crate::ConfigError;

/// How many keys depend on one pepper.
///
/// ```
/// use tower_auth::registry::PepperUse;
///
/// fn advice(pepper: &PepperUse) -> &'static str {
///     match pepper {
///         PepperUse { accepted: false, .. } => "its keys are refused: accept the pepper again",
///         PepperUse { may_go: true, .. } => "no key needs it: take it away",
///         _ => "keep it",
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PepperUse {
    /// The version; `None` for keys that are stored as plain SHA-256.
    pub version: Option<u32>,
    /// The number of keys. Deleted keys count until they are purged.
    pub keys: u64,
    /// Whether the scheme of the registry accepts it. Keys of other peppers are unknown to the guards.
    pub accepted: bool,
    /// Whether it is accepted, is not the current one, and no key needs it. Take the pepper away only when every process has
    /// the current one in front. A key that was purged under the old pepper is recognised by its digest under that pepper
    /// only: without the pepper, somebody who may import keys and has that key could import it again.
    pub may_go: bool,
}

/// The peppers of the keys.
impl KeyRegistry {
    /// Counts the keys by the pepper of their digests: first those that the scheme accepts, the current one in front, then
    /// others that the store knows. A pepper [may go](PepperUse::may_go) when no key needs it.
    ///
    /// # Errors
    /// If the store does not answer.
    ///
    /// ```
    /// use tower_auth::{KeyFormat, KeyRegistry, KeyScheme, MemoryKeyStore, NewKey, Peppers, Principal};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let peppers = Peppers::new(2, [7; 32])?.accept(1, [9; 32])?;
    /// let keys = KeyRegistry::new(KeyScheme::new(KeyFormat::prefixed("ak", 40)?, peppers), MemoryKeyStore::new());
    /// let admin = Principal::builder("alice").build();
    /// keys.create(&admin, NewKey::named("ci").account("acme")).await?;
    ///
    /// let used = keys.peppers(&admin).await?;
    /// assert_eq!((used[0].version, used[0].keys, used[0].may_go), (Some(2), 1, false));
    /// assert_eq!((used[1].version, used[1].keys, used[1].may_go), (Some(1), 0, true));
    /// # Ok::<_, tower_auth::BoxError>(())
    /// # }).unwrap();
    /// ```
    pub async fn peppers(&self, _actor: impl Into<Actor> + Send) -> Result<Vec<PepperUse>, RegistryError> {
        let counted = self.answer(self.store.count_by_pepper()).await?;
        let current = self.scheme.current_version();
        let accepted: Vec<Option<u32>> = self.scheme.versions().collect();
        let others = counted.iter().map(|(version, _)| *version).filter(|version| !accepted.contains(version));
        let of = |version: Option<u32>, is_accepted: bool| {
            let keys = counted.iter().find(|(known, _)| *known == version).map_or(0, |(_, keys)| *keys);
            PepperUse { version, keys, accepted: is_accepted, may_go: is_accepted && version != current && keys == 0 }
        };
        let ours = accepted.iter().map(|version| of(*version, true));
        Ok(ours.chain(others.map(|version| of(version, false))).collect())
    }

    /// Moves all keys that are stored as plain SHA-256 under the current pepper, and returns how many it has moved. No key is
    /// re-issued. The scheme must accept both meanwhile ([`KeyScheme::accept_sha256`](crate::KeyScheme::accept_sha256)), in
    /// every process. The audit log gets no row, because nothing changes that a holder or an administrator can see.
    ///
    /// # Errors
    /// If the scheme has no pepper, or the store does not answer. Some keys may be moved then; repeat the call.
    pub async fn move_under_pepper(&self, actor: impl Into<Actor> + Send) -> Result<usize, RegistryError> {
        let Some(version) = self.scheme.current_version() else {
            return Err(RegistryError::Unavailable(ConfigError::new(
                "the scheme of the registry has no pepper, so no key can be moved under one",
                "create the registry with KeyScheme::new(format, peppers).accept_sha256()",
            )));
        };
        let scheme = self.scheme.clone();
        let moved = move |entry: &Entry| {
            let digest = scheme.move_under_pepper(entry.digest()).filter(|_| entry.pepper().is_none())?;
            Some(Change::Update(Entry::new(entry.key().clone(), digest, Some(version))))
        };
        let filter = KeyFilter::all().with_deleted().not_under(Some(version));
        self.each(actor.into(), filter, move |_, entry| Ok(moved(entry).into_iter().collect())).await
    }
}
