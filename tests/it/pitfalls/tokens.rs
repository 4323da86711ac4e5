//! Tokens and key sets (p79 to p81), and what the log says of a token that is refused (p84).

mod causes;
mod fetches;
mod lenient;
mod outages;
mod pems;

use std::{future::Future, sync::Arc, task::Poll, thread, time::Duration};

use bytes::Bytes;
use tokio::runtime::{Builder, Runtime};
use tower_auth::{
    BoxError, Clock, MaybeReady, TokenVerifier,
    token::{KeySource, TokenError, TokenVerifierBuilder},
};

use crate::key_sets::{
    AUDIENCE, COOLDOWN, Desk, FRESH, Fate, ISSUER, NEW, OLD, SECOND, STRANGER, at_once, key_set, source::Does,
};

/// A source that does what a closure does.
struct Asks<F>(F);

impl<F: Fn() -> MaybeReady<Result<Bytes, BoxError>> + Send + Sync + 'static> KeySource for Asks<F> {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        (self.0)()
    }
}

/// A verifier of keys that a closure fetches.
fn asking<F>(fetch: F) -> TokenVerifierBuilder
where
    F: Fn() -> MaybeReady<Result<Bytes, BoxError>> + Send + Sync + 'static,
{
    TokenVerifier::source(ISSUER, Asks(fetch)).audience(AUDIENCE)
}

fn good() -> MaybeReady<Result<Bytes, BoxError>> {
    MaybeReady::ready(Ok(key_set(&[&OLD])))
}

/// A runtime of one thread, which runs only while something is blocked on.
fn runtime(change: impl FnOnce(&mut Builder) -> &mut Builder) -> Runtime {
    change(&mut Builder::new_current_thread()).build().unwrap()
}
