//! The conformance suite on every store, and whether it sees a store that does not conform.

mod broken;
mod switched;

pub(crate) use self::switched::Switched;
use tower_auth::{MemoryKeyStore, testing::conformance};

#[tokio::test]
async fn the_memory_store_conforms() {
    let secrets = conformance::check(async || MemoryKeyStore::new()).await;
    assert!(secrets.len() > 50, "{secrets:?}");
    secrets.assert_absent_from(format!("{secrets:?}").as_bytes());
}
