//! A source of keys that the test controls, and that counts how often it is asked.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::Notify, task::yield_now, time::sleep};
use tower_auth::{BoxError, MaybeReady, token::KeySource};

use super::{Signer, key_set};

/// What a source does when it is asked.
#[derive(Clone)]
pub(crate) enum Does {
    Answer(Bytes),
    Fail(&'static str),
    /// Fails until it was asked so often.
    FailUntil(usize, Bytes),
    Hang,
    /// Answers after twice this time: it looks up twice from its work.
    Dawdle(Duration, Bytes),
    /// Answers when the test lets it.
    Wait(Arc<Notify>, Bytes),
}

impl Does {
    pub(crate) fn publish(signers: &[&Signer]) -> Self {
        Self::Answer(key_set(signers))
    }
}

pub(crate) struct Script {
    does: Mutex<Does>,
    boxed: AtomicBool,
    fetches: AtomicUsize,
}

impl Script {
    pub(crate) fn new(does: Does) -> Arc<Self> {
        Arc::new(Self { does: Mutex::new(does), boxed: AtomicBool::new(false), fetches: AtomicUsize::new(0) })
    }

    /// From now on it does this.
    pub(crate) fn now(&self, does: Does) {
        *self.does.lock().unwrap() = does;
    }

    /// From now on no answer is ready when it is asked for.
    pub(crate) fn boxed(&self) {
        self.boxed.store(true, Ordering::SeqCst);
    }

    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl KeySource for Script {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let before = self.fetches.fetch_add(1, Ordering::SeqCst);
        let answer = match self.does.lock().unwrap().clone() {
            Does::Answer(document) => Ok(document),
            Does::Fail(why) => Err(why.into()),
            Does::FailUntil(enough, document) if before >= enough => Ok(document),
            Does::FailUntil(..) => Err("not yet".into()),
            Does::Hang => return MaybeReady::boxed(std::future::pending()),
            Does::Dawdle(time, document) => {
                return MaybeReady::boxed(async move {
                    sleep(time).await;
                    sleep(time).await;
                    Ok(document)
                });
            }
            Does::Wait(gate, document) => {
                return MaybeReady::boxed(async move {
                    gate.notified().await;
                    Ok(document)
                });
            }
        };
        if !self.boxed.load(Ordering::SeqCst) {
            return MaybeReady::ready(answer);
        }
        MaybeReady::boxed(async move {
            yield_now().await;
            answer
        })
    }
}
