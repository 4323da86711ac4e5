use super::MemoryKeyStore;
use crate::session::signing::{SigningFuture, SigningKeyStore, StoredSigningKey};

/// All calls answer at once. The keys are lost when the process ends.
impl SigningKeyStore for MemoryKeyStore {
    fn signing_keys(&self) -> SigningFuture<Vec<StoredSigningKey>> {
        SigningFuture::ready(Ok(self.chain().keys()))
    }

    fn add_signing_key(&self, key: StoredSigningKey) -> SigningFuture<bool> {
        SigningFuture::ready(Ok(self.chain().add(key)))
    }

    fn reseal_signing_key(&self, id: &str, sealed: Vec<u8>) -> SigningFuture<()> {
        self.chain().reseal(id, sealed);
        SigningFuture::ready(Ok(()))
    }

    fn remove_signing_key(&self, id: &str) -> SigningFuture<()> {
        self.chain().remove(id);
        SigningFuture::ready(Ok(()))
    }
}
