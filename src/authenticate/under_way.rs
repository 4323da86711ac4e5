//! The pending check of a credential.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::authenticator::AuthOutcome;
use crate::{
    Principal, Rejection, RejectionKind,
    base::maybe_ready::BoxFuture,
    context::attempts::{Attempts, Runtime, Slot, current_runtime},
};

/// A pending check, which counts as in progress for its address. If the client disconnects, the check still runs to its
/// end, because only the result shows whether the attempt failed. If no runtime can run it, it is charged as failed.
pub(super) struct UnderWay {
    check: Option<BoxFuture<AuthOutcome>>,
    attempts: Attempts,
    slot: Option<Slot>,
    /// Whether the check was polled, and in which runtime.
    begun: bool,
    runtime: Option<Runtime>,
}

impl UnderWay {
    pub(super) const fn new(check: BoxFuture<AuthOutcome>, attempts: Attempts, slot: Option<Slot>) -> Self {
        Self { check: Some(check), attempts, slot, begun: false, runtime: None }
    }
}

impl Future for UnderWay {
    /// The outcome, and the slot. The slot is kept until a failure is charged.
    type Output = (AuthOutcome, Option<Slot>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // After completion, a further poll stays pending instead of panicking.
        let Some(check) = &mut this.check else { return Poll::Pending };
        if !this.begun {
            (this.begun, this.runtime) = (true, current_runtime());
        }
        let found = ready!(check.as_mut().poll(cx));
        this.check = None;
        Poll::Ready((found, this.slot.take()))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(check) = self.check.take().filter(|_| self.begun) else { return };
        let (slot, attempts) = (self.slot.take(), self.attempts.downgrade());
        let carried = self.runtime.take().is_some_and(|runtime| {
            let to_its_end = async move {
                let found = check.await;
                if let Some(failed) = failed(&found)
                    && let Some(attempts) = attempts()
                {
                    let _ = attempts.charge(holder(failed), Some(failed)).await;
                }
                drop(slot);
            };
            self.attempts.carry_on(Box::pin(to_its_end), &runtime).is_ok()
        });
        if !carried {
            self.attempts.charge_unheard();
        }
    }
}

/// Returns the refusal, if it must be charged. A missing credential is not charged, and neither is what is no guess.
pub(super) fn failed(found: &AuthOutcome) -> Option<&Rejection> {
    match found {
        AuthOutcome::Rejected(rejection)
            if rejection.status() == http::StatusCode::UNAUTHORIZED
                && rejection.kind() != RejectionKind::MissingCredential
                && !rejection.is_no_guess() =>
        {
            Some(rejection)
        }
        _ => None,
    }
}

/// Returns the principal that proved possession of the refused credential.
pub(super) fn holder(refused: &Rejection) -> Option<&Principal> {
    refused.principal()
}
