//! The stores of the crate: all checks.

use tower_auth::testing::conformance;

use super::*;

#[tokio::test]
async fn the_store_in_memory_passes_all_checks() {
    conformance::check_budgets(async || MemoryKeyStore::new()).await;
}
