//! Stores with one fault each: the suite has to find it.

mod fault;
mod keys;
mod store;

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tower_auth::testing::conformance;

use self::{fault::Fault, store::Broken};

async fn conforms(fault: Fault) -> bool {
    let checked = async {
        conformance::check_sessions(async || Broken::new(fault)).await;
        conformance::check_sessions_of_keys(async || Broken::new(fault)).await;
    };
    AssertUnwindSafe(checked).catch_unwind().await.is_ok()
}

#[tokio::test]
async fn the_suite_finds_each_fault() {
    assert!(conforms(Fault::None).await, "the wrapper itself is a store");
    let mut missed = Vec::new();
    for fault in Fault::all() {
        if conforms(fault).await {
            missed.push(fault);
        }
    }
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
