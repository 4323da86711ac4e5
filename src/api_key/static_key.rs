use crate::{KeyDigests, KeyRecord, KeyScheme, KeyStore, Secret, StoreFuture, key::Fingerprint};

/// The store of one key that never changes.
pub(super) struct StaticKey {
    key: Fingerprint,
    record: KeyRecord,
}

impl StaticKey {
    /// Returns `None` if the key does not have the format of the scheme.
    pub(super) fn new(scheme: &KeyScheme, key: &Secret, record: KeyRecord) -> Option<Self> {
        let digests = scheme.digests(key.expose().as_bytes())?;
        let record = record.hint(scheme.format().hint(key.expose()));
        Some(Self { key: *digests.fingerprint(), record })
    }
}

impl KeyStore for StaticKey {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Ok((*key.fingerprint() == self.key).then(|| self.record.clone())))
    }
}
