//! Calls that concern all keys of an account or an organisation.

use std::time::SystemTime;

use super::{
    Actor, Change, Entry, Forget, Holder, KeyAction, KeyFilter, KeyRegistry, RegistryError, lifecycle::Deciding,
};

/// The number of keys that one transaction changes.
const BATCH: usize = 200;
/// The number of rows that are forgotten in one transaction.
const FORGET: usize = 1_000;

/// Calls that concern all keys of an account or an organisation.
impl KeyRegistry {
    /// Suspends an account or an organisation: all of its keys are refused from the next request on, also those that are
    /// created later. Nothing of the keys is changed. Idempotent; two calls at once may both be in the audit log.
    ///
    /// # Errors
    /// If the store does not answer.
    ///
    /// ```
    /// use tower_auth::{KeyRegistry, Principal, RegistryError, registry::Holder};
    ///
    /// async fn unpaid(keys: &KeyRegistry, admin: &Principal) -> Result<(), RegistryError> {
    ///     keys.suspend(admin, Holder::account("acme")).await
    /// }
    /// ```
    pub async fn suspend(&self, actor: impl Into<Actor> + Send, holder: Holder) -> Result<(), RegistryError> {
        if self.suspended_since(&holder).await?.is_some() {
            return self.repeat(actor.into()).await;
        }
        self.transact(actor.into(), Vec::new(), move |it, _| Ok(it.suspend(&holder))).await.map(drop)
    }

    /// Ends the suspension of an account or an organisation. Idempotent.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn reinstate(&self, actor: impl Into<Actor> + Send, holder: Holder) -> Result<(), RegistryError> {
        if self.suspended_since(&holder).await?.is_none() {
            return self.repeat(actor.into()).await;
        }
        self.transact(actor.into(), Vec::new(), move |it, _| Ok(it.reinstate(&holder))).await.map(drop)
    }

    /// A call was made before. If it has failed after it had made its change, not every cache has heard of the change: a
    /// transaction without a change tells them.
    async fn repeat(&self, actor: Actor) -> Result<(), RegistryError> {
        self.transact(actor, Vec::new(), |_, _| Ok(Vec::new())).await.map(drop)
    }

    /// Returns since when an account or an organisation is suspended; `None` if it is not.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn suspended_since(&self, holder: &Holder) -> Result<Option<SystemTime>, RegistryError> {
        let suspended = self.answer(self.store.suspended(std::slice::from_ref(holder))).await?;
        Ok(suspended.into_iter().find(|(found, _)| found == holder).map(|(_, since)| since))
    }

    /// Revokes all keys of an account that exist now, in several transactions, and returns how many it has revoked. Keys that
    /// are created meanwhile may be missed: [`suspend`](Self::suspend) the account first.
    ///
    /// # Errors
    /// If the store does not answer. Some keys may be revoked then; repeat the call.
    pub async fn revoke_all(&self, actor: impl Into<Actor> + Send, account: &str) -> Result<usize, RegistryError> {
        self.each(actor.into(), KeyFilter::account(account), |it, entry| Ok(it.end(entry, KeyAction::Revoked))).await
    }

    /// Removes the keys that were deleted before this time, and returns how many it has removed. Only their digests are
    /// kept, so that none of them can ever be used again. `start` (feature `tokio`) does this at regular intervals.
    ///
    /// # Errors
    /// If the store does not answer. Some keys may be removed then; repeat the call.
    pub async fn purge(
        &self,
        actor: impl Into<Actor> + Send,
        deleted_before: SystemTime,
    ) -> Result<usize, RegistryError> {
        let filter = KeyFilter::all().deleted_before(deleted_before);
        self.each(actor.into(), filter, move |it, entry| Ok(it.purge(entry, deleted_before))).await
    }

    /// Erases an account: removes all of its keys, and every name, address and value from its rows of the audit log, also
    /// from rows of its keys that others have caused. The digests of the keys are kept, so that none of them can ever be used
    /// again.
    ///
    /// The row of the audit log that says so is written first. Then the account is erased in many transactions, and other
    /// changes go on between them. Keys that are created meanwhile may be missed: [`suspend`](Self::suspend) the account
    /// first.
    ///
    /// A suspension stays, and with it the name of the account in the list of suspended holders: without it, a token of the
    /// account would be admitted again. To remove the name, [`reinstate`](Self::reinstate) the account, and erase it
    /// once more: the audit log has a row of the reinstatement.
    ///
    /// # Errors
    /// If the store does not answer. A part of the account may be erased then, as after a crash or when the future is
    /// dropped: repeat the call, which goes on with the rest.
    pub async fn erase_account(&self, actor: impl Into<Actor> + Send, account: &str) -> Result<(), RegistryError> {
        let what = Forget::Account { account: account.to_owned() };
        let account = account.to_owned();
        self.transact(actor.into(), Vec::new(), move |it, _| Ok(it.erase(&account))).await?;
        while self.forget(&what).await? > 0 {}
        Ok(())
    }

    /// Removes one batch of what is to be forgotten, and returns its size.
    pub(super) async fn forget(&self, what: &Forget) -> Result<usize, RegistryError> {
        self.answer(self.store.forget(what, FORGET)).await
    }

    /// Decides about each selected key, a batch of them in one transaction, and returns how many were changed.
    pub(super) async fn each(
        &self,
        actor: Actor,
        filter: KeyFilter,
        decide: impl Fn(&Deciding<'_>, &Entry) -> Result<Vec<Change>, RegistryError> + Clone + Send + 'static,
    ) -> Result<usize, RegistryError> {
        let (mut filter, mut count) = (filter.limit(BATCH), 0);
        loop {
            let page = self.answer(self.store.list(&filter)).await?;
            let ids: Vec<String> = page.items.iter().map(|entry| entry.key().id().to_owned()).collect();
            if !ids.is_empty() {
                let decide = decide.clone();
                let all = move |it: &Deciding<'_>, entries: &[Entry]| {
                    let mut all = Vec::new();
                    for entry in entries {
                        all.extend(decide(it, entry)?);
                    }
                    Ok(all)
                };
                let changes = self.transact(actor.clone(), ids, all).await?;
                count += changes.iter().filter(|change| is_of_key(change)).count();
            }
            match page.next {
                Some(next) => filter = filter.after(next),
                None => return Ok(count),
            }
        }
    }
}

const fn is_of_key(change: &Change) -> bool {
    matches!(change, Change::Update(_) | Change::Remove { .. })
}
