use super::{Actor, Change, Entry, KeyFilter, KeyRegistry, PepperCount, RegistryError};
use crate::ConfigError;

/// How many keys depend on one pepper.
///
/// ```
/// use tower_auth::registry::PepperUse;
///
/// fn advice(pepper: &PepperUse) -> &'static str {
///     match pepper {
///         PepperUse { accepted: false, keys: 1.., .. } => "its keys are refused: accept the pepper again",
///         PepperUse { accepted: false, .. } => "it is gone already",
///         PepperUse { may_go: true, removed: 0, .. } => "nothing needs it: take it away",
///         PepperUse { may_go: true, .. } => "take it away, or keep it where keys are imported",
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
    /// The number of removed keys (purged, or of an erased account) that are recognised under this pepper only. Without the
    /// pepper, somebody who may import keys and has such a key could import it again. Guards refuse it either way.
    ///
    /// A removed key never moves to another pepper, because only its digest is left, so this number does not fall. It
    /// therefore does not keep a pepper from going ([`may_go`](Self::may_go)). To refuse such imports for longer, keep the
    /// pepper accepted in the scheme of the registries that import keys, and take it away from the guards.
    pub removed: u64,
    /// Whether it is accepted, is not the current one, and no key needs it. Take the pepper away only when every process has
    /// the current one in front, and keep it for `SessionPolicy::idle` after the order was changed, if sessions are used:
    /// refresh tokens that were made under it are not counted here, and are refused without it. What is lost with it is the
    /// memory of the [removed](Self::removed) keys.
    pub may_go: bool,
}

/// The peppers of the keys.
impl KeyRegistry {
    /// Counts the keys by the pepper of their digests: first those that the scheme accepts, the current one in front, then
    /// others that the store knows. A pepper [may go](PepperUse::may_go) when no key needs it. [Removed](PepperUse::removed)
    /// keys are counted apart.
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
        let others = counted.iter().map(|count| count.version).filter(|version| !accepted.contains(version));
        let of = |version: Option<u32>, is_accepted: bool| {
            let known = counted.iter().find(|count| count.version == version).copied();
            let PepperCount { keys, removed, .. } = known.unwrap_or(PepperCount::new(version));
            let may_go = is_accepted && version != current && keys == 0;
            PepperUse { version, keys, accepted: is_accepted, removed, may_go }
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
