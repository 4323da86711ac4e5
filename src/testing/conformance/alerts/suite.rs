use super::{delivery, forgotten, networks, raised, rules};
use crate::alerts::AlertStore;

/// Runs all checks of an [`AlertStore`], each on a store of its own that `fresh` creates: empty, and with its schema.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_alerts(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_alerts<S: AlertStore>(fresh: impl AsyncFn() -> S) {
    rules::rules_are_replaced(&fresh().await).await;
    rules::all_rules_are_listed_in_pages(&fresh().await).await;
    raised::an_alert_is_raised_once(&fresh().await).await;
    raised::alerts_that_several_raise_at_once_are_raised_once(&fresh().await).await;
    raised::the_latest_alerts_of_a_holder_are_listed(&fresh().await).await;
    raised::any_text_comes_back(&fresh().await).await;
    delivery::due_alerts_are_claimed_in_their_order(&fresh().await).await;
    delivery::several_claim_each_alert_once(&fresh().await).await;
    delivery::what_became_of_an_alert_is_kept(&fresh().await).await;
    networks::networks_of_keys_are_kept(&fresh().await).await;
    networks::the_later_use_of_a_network_is_kept(&fresh().await).await;
    networks::several_note_networks_at_once(&fresh().await).await;
    forgotten::what_is_old_is_forgotten(&fresh().await).await;
    forgotten::what_is_of_a_holder_is_forgotten(&fresh().await).await;
    forgotten::what_is_of_a_key_is_forgotten(&fresh().await).await;
}
