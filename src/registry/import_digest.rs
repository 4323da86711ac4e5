use super::{Actor, KeyInfo, KeyRegistry, RegistryError, lifecycle::Minted};
use crate::{KeyDigest, KeyRecord};

impl KeyRegistry {
    /// Imports an existing key of which only the digest is known, from a table of another system. `pepper` is the version of
    /// the pepper under which the digest was made. It is `None` for a plain SHA-256, which is moved under the current pepper,
    /// if the scheme has one.
    ///
    /// The format of the key cannot be checked: a guard refuses a key that has not the format of the scheme. The hint is that of
    /// the record.
    ///
    /// # Errors
    /// If the scheme does not accept this pepper, if the digest or the id is in use, if the key was revoked, or if the record
    /// has an empty id, account or subject. Of a digest under a pepper, only that digest is compared: a key that is stored
    /// under another pepper cannot be recognised.
    ///
    /// ```
    /// use tower_auth::{KeyDigest, KeyFormat, KeyRecord, KeyRegistry, KeyScheme, MemoryKeyStore, Principal};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let keys = KeyRegistry::new(KeyScheme::ephemeral(KeyFormat::opaque(20)), MemoryKeyStore::new());
    /// let admin = Principal::builder("alice").build();
    /// let sha256 = KeyDigest::from_bytes([7; 32]); // as the other table holds it
    /// let key = keys.import_digest(&admin, "ci", sha256, None, KeyRecord::new("key_1", "acme").hint("ak_…x9Yz")).await?;
    /// assert_eq!((key.name(), key.hint()), ("ci", "ak_…x9Yz"));
    /// # Ok::<_, tower_auth::RegistryError>(())
    /// # }).unwrap();
    /// ```
    pub async fn import_digest(
        &self,
        actor: impl Into<Actor> + Send,
        name: impl Into<String> + Send,
        digest: KeyDigest,
        pepper: Option<u32>,
        record: KeyRecord,
    ) -> Result<KeyInfo, RegistryError> {
        let minted = Minted::by_digest(record.id().to_owned(), digest, pepper, &self.scheme)?;
        let name = name.into();
        self.run(actor, Vec::new(), move |it, _| it.import(name, record, minted)).await
    }
}
