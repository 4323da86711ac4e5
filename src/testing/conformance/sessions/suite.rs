use super::{ended, forgotten, keys, listed, looked, replaced, stored, together};
use crate::{
    KeyStore,
    registry::RegistryStore,
    session::SessionStore,
    testing::conformance::trial::{Secrets, Trial},
};

/// Runs all checks of a [`SessionStore`], each on a store of its own that `fresh` creates: empty, and with its schema.
/// [`check_sessions_of_keys`] checks what it says of keys and of suspended accounts.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_sessions(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_sessions<S: SessionStore>(fresh: impl AsyncFn() -> S) {
    stored::a_session_comes_back_as_it_was(&fresh().await).await;
    stored::a_session_stays_bound_to_its_key(&fresh().await).await;
    stored::an_id_is_that_of_one_session(&fresh().await).await;
    stored::any_text_comes_back_or_is_refused(&fresh().await).await;
    replaced::a_session_is_replaced_by_its_next_generation(&fresh().await).await;
    replaced::no_other_generation_replaces_a_session(&fresh().await).await;
    replaced::an_ended_session_is_not_replaced(&fresh().await).await;
    looked::a_look_finds_what_there_is(&fresh().await).await;
    looked::the_later_cut_off_counts(&fresh().await).await;
    looked::a_denied_token_is_found_by_its_id_only(&fresh().await).await;
    ended::a_session_ends_once(&fresh().await).await;
    ended::all_sessions_of_a_subject_end(&fresh().await).await;
    ended::a_cut_off_of_everyone_is_that_of_each_subject(&fresh().await).await;
    ended::a_cut_off_is_never_earlier_than_another(&fresh().await).await;
    ended::a_session_of_a_clock_that_is_ahead_is_cut_off(&fresh().await).await;
    listed::sessions_are_listed_the_newest_first(&fresh().await).await;
    listed::selections_add_up(&fresh().await).await;
    forgotten::old_sessions_are_forgotten(&fresh().await).await;
    forgotten::denials_are_forgotten_when_the_token_has_expired(&fresh().await).await;
    forgotten::cut_offs_have_a_time_of_their_own(&fresh().await).await;
    forgotten::a_cut_off_stays_while_it_voids_a_session(&fresh().await).await;
    forgotten::much_is_forgotten_in_batches(&fresh().await).await;
    together::one_of_many_rotations_wins(&fresh().await).await;
    together::a_session_is_created_once(&fresh().await).await;
    together::a_session_that_ends_is_replaced_before_or_not_at_all(&fresh().await).await;
    together::all_sessions_end_while_they_are_replaced(&fresh().await).await;
    together::the_latest_of_many_times_is_kept(&fresh().await).await;
    together::a_call_that_is_dropped_leaves_everything_or_nothing(&fresh().await).await;
}

/// Runs the checks of a [`SessionStore`] that also keeps keys: what it says of the key of a token and of suspended accounts,
/// and that an erased account leaves no session.
///
/// All traits must be implemented by one type.
///
/// # Panics
/// At the first check that fails, with what was expected.
///
/// ```
/// use tower_auth::{MemoryKeyStore, testing::conformance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// conformance::check_sessions_of_keys(async || MemoryKeyStore::new()).await;
/// # });
/// ```
pub async fn check_sessions_of_keys<S>(fresh: impl AsyncFn() -> S)
where
    S: SessionStore + KeyStore + RegistryStore + Clone,
{
    let secrets = Secrets::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {
            $($check(&Trial::new(stringify!($check), fresh().await, &secrets)).await;)*
        };
    }
    run!(
        keys::a_look_finds_a_key_as_guards_do,
        keys::the_state_of_a_key_holds_for_the_next_look,
        keys::a_suspended_account_or_organization_is_found,
        keys::an_erased_account_leaves_no_session,
    );
}
