//! Calls that return when no cache admits the key any longer.

use std::time::Duration;

use super::{Actor, Holder, KeyInfo, KeyRegistry, RegistryError};

/// Clocks of different machines run at slightly different rates. A cache may measure its bound by a clock that is slower by
/// this part than the clock of the registry.
const DRIFT: u32 = 1_000;

/// Calls that wait for the caches of the store.
impl KeyRegistry {
    /// [Revokes](Self::revoke) a key, and returns when no cache of any process admits it any longer. The wait is as long as the
    /// caches of the store promise ([`RegistryStore::staleness`](super::RegistryStore::staleness)), and a thousandth more for
    /// clocks that differ. It is not limited by [`timeout`](Self::timeout). A store without a cache does not wait. Caches that the
    /// store does not know of are waited for only if [`caches_within`](Self::caches_within) says so.
    ///
    /// Requests that were admitted before may still run. If the future is dropped while it waits, the key stays revoked.
    /// Idempotent: a key that was revoked before is waited for too.
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, Principal, RegistryError};
    ///
    /// async fn dismiss(keys: &KeyRegistry, admin: &Principal, key: &str) -> Result<(), RegistryError> {
    ///     keys.revoke_strict(admin, key).await?;
    ///     println!("no cache admits {key} any longer");
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`revoke`](Self::revoke). [`NotAwaited`](RegistryError::NotAwaited) if the key is revoked, but the bound of the caches
    /// cannot be read, or the clock of the registry has no [timer](crate::Clock::timer): repeat the call.
    pub async fn revoke_strict(&self, actor: impl Into<Actor> + Send, id: &str) -> Result<KeyInfo, RegistryError> {
        let key = self.revoke(actor, id).await?;
        self.outwait_caches("the key is revoked").await?;
        Ok(key)
    }

    /// [Suspends](Self::suspend) an account or an organisation, and returns when no cache of any process admits its keys and
    /// tokens any longer, as [`revoke_strict`](Self::revoke_strict) does.
    ///
    /// # Errors
    /// As [`suspend`](Self::suspend). [`NotAwaited`](RegistryError::NotAwaited) if the holder is suspended, but the caches
    /// cannot be waited for: repeat the call.
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, Principal, RegistryError, registry::Holder};
    ///
    /// async fn stolen(keys: &KeyRegistry, admin: &Principal) -> Result<usize, RegistryError> {
    ///     keys.suspend_strict(admin, Holder::account("acme")).await?;
    ///     keys.revoke_all(admin, "acme").await
    /// }
    /// ```
    pub async fn suspend_strict(&self, actor: impl Into<Actor> + Send, holder: Holder) -> Result<(), RegistryError> {
        self.suspend(actor, holder).await?;
        self.outwait_caches("the holder is suspended").await
    }

    /// Says that no cache uses an answer for longer than this after a change: for caches of other processes that the store does
    /// not know of, such as those of
    /// [`CachedKeyStore::ttl`](https://docs.rs/tower-auth/latest/tower_auth/struct.CachedKeyStore.html#method.ttl).
    /// [`revoke_strict`](Self::revoke_strict) and [`suspend_strict`](Self::suspend_strict) wait for so long at least.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::KeyRegistry;
    ///
    /// fn patient(keys: KeyRegistry) -> KeyRegistry {
    ///     keys.caches_within(Duration::from_secs(5))
    /// }
    /// ```
    #[must_use]
    pub fn caches_within(self, bound: Duration) -> Self {
        Self { caches_within: bound, ..self }
    }

    /// Waits until every cached answer is younger than what has returned before this call. `done` says what that is.
    async fn outwait_caches(&self, done: &'static str) -> Result<(), RegistryError> {
        let not_awaited = |why: String| RegistryError::NotAwaited { done, why: why.into() };
        // The bound is read after the change: a cache that began later has never seen the state before it.
        let known = self.answer(self.store.staleness()).await.map_err(|error| not_awaited(error.to_string()))?;
        let bound = known.max(self.caches_within);
        if bound.is_zero() {
            return Ok(());
        }
        let clock = self.limit.clock();
        if !clock.has_timer() {
            return Err(not_awaited("the clock of the registry has no timer; set one with Clock::timer".to_owned()));
        }
        clock.sleep(with_drift(bound)).await;
        Ok(())
    }
}

fn with_drift(bound: Duration) -> Duration {
    // The division rounds down.
    bound.saturating_add(bound / DRIFT).saturating_add(Duration::from_nanos(1))
}
