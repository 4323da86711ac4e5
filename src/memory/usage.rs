use std::sync::Arc;

use super::MemoryKeyStore;
use crate::usage::{
    Forget, KeyUse, RefusedRequest, UsageBatch, UsageCount, UsageFuture, UsageQuery, UsageStore, unsupported,
};

/// All calls answer at once. The usage is lost when the process ends.
impl UsageStore for MemoryKeyStore {
    fn add(&self, batch: Arc<UsageBatch>) -> UsageFuture<()> {
        self.usage().add(&batch);
        UsageFuture::ready(Ok(()))
    }

    fn counts(&self, query: &UsageQuery) -> UsageFuture<Vec<UsageCount>> {
        UsageFuture::ready(Ok(self.usage().counts(query)))
    }

    fn last_uses(&self, keys: &[String]) -> UsageFuture<Vec<KeyUse>> {
        UsageFuture::ready(Ok(self.usage().last_uses(keys)))
    }

    fn refusals(&self, key: &str, limit: usize) -> UsageFuture<Vec<RefusedRequest>> {
        UsageFuture::ready(Ok(self.usage().refusals(key, limit)))
    }

    fn forget(&self, what: &Forget, _limit: usize) -> UsageFuture<usize> {
        let forgotten = self.usage().forget(what);
        UsageFuture::ready(forgotten.ok_or_else(|| unsupported(what)))
    }
}
