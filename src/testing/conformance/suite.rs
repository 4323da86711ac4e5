use super::{
    audit, fields, forgotten, holders, lines, moving, pages, peppers, refusals, removed, states, together,
    trial::{Secrets, Trial},
};
use crate::{KeyStore, registry::RegistryStore};

/// Runs all checks, each on a store of its own that `fresh` creates: empty, and with its schema. Returns the keys that were
/// created, to be searched for in the raw files of the stores.
///
/// Both traits must be implemented by one type. If yours are two, wrap them into one.
///
/// # Panics
/// At the first check that fails, with what was expected.
pub async fn check<S: KeyStore + RegistryStore + Clone>(fresh: impl AsyncFn() -> S) -> Secrets {
    let secrets = Secrets::default();
    macro_rules! run {
        ($($check:path),* $(,)?) => {
            $($check(&Trial::new(stringify!($check), fresh().await, &secrets)).await;)*
        };
    }
    run!(
        states::a_new_key_is_found_and_an_unknown_one_is_not,
        states::each_state_holds_for_the_next_look_up,
        states::a_revoked_key_stays_revoked,
        states::times_are_kept_to_the_microsecond,
        states::the_first_reason_of_the_list_counts,
        lines::a_rotated_key_ends_with_the_overlap,
        lines::a_third_key_revokes_the_first,
        lines::a_replaced_key_is_revoked_in_the_same_step,
        fields::every_field_comes_back,
        fields::an_update_changes_what_it_names,
        fields::restrictions_of_a_newer_version_are_kept,
        fields::limits_of_a_newer_version_are_kept,
        fields::calendar_limits_come_back,
        fields::a_use_is_noted_and_never_goes_back,
        refusals::what_is_refused_changes_nothing,
        refusals::no_two_keys_share_an_id_or_a_digest,
        refusals::a_transaction_is_all_or_nothing,
        pages::keys_are_listed_in_pages_in_their_order,
        pages::filters_select_keys,
        holders::a_suspended_holder_stops_all_of_its_keys,
        audit::each_change_has_its_row,
        audit::rows_are_filtered_and_listed_in_pages,
        removed::a_purged_key_can_never_come_back,
        forgotten::rows_and_addresses_are_forgotten,
        forgotten::an_erased_account_leaves_no_name,
        forgotten::an_erasure_that_was_interrupted_is_repeated,
        forgotten::the_suspension_of_an_erased_account_stays,
        moving::what_was_removed_can_be_moved,
        moving::suspended_holders_are_listed,
        moving::lists_go_on_after_a_place,
        peppers::keys_of_an_old_pepper_are_found_counted_and_moved,
        peppers::removed_keys_are_counted_by_their_pepper,
        peppers::a_key_that_moves_back_leaves_one_tombstone,
        peppers::a_table_of_sha256_moves_under_a_pepper,
        together::no_change_is_lost,
        together::one_of_many_rotations_wins,
        together::changes_of_all_kinds_leave_no_half,
    );
    secrets
}
