//! Lookups of tokens through the cache, and what ends sessions.

use std::{sync::Arc, time::SystemTime};

use super::{
    Announcement, CachedKeyStore, Changed,
    answers::Looked,
    core::{Ask, Core},
    telling::Telling,
    tokens::{Facts, Marks, Token},
};
use crate::{
    BoxError,
    base::maybe_ready::BoxFuture,
    session::{
        CutOff, Findings, Outdated, Session, SessionEnd, SessionFilter, SessionFuture, SessionStore, TokenFacts,
    },
};

/// Only [`look`](SessionStore::look) is answered from the cache.
impl<S: SessionStore> SessionStore for CachedKeyStore<S> {
    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        let core = &*self.core;
        if let Some(answer) = core.tokens.known.get(&Facts(token))
            && answer.is_good(&core.freshness)
        {
            core.counts.hits.add();
            return SessionFuture::ready(Ok(answer.value));
        }
        SessionFuture::boxed(self.clone().look_up_token(Token::of(token), Ask::Missed))
    }

    fn look_fresh(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        SessionFuture::boxed(self.clone().look_up_token(Token::of(token), Ask::Fresh))
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        self.told(Changed::Session(id), self.store.end(id, at, why))
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        let changed = match whose {
            CutOff::Subject(subject) => Changed::Subject(subject),
            CutOff::Everyone => Changed::Everything,
        };
        self.told(changed, self.store.cut_off(whose, at))
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.told(Changed::Token(token), self.store.deny(token, until))
    }

    fn create(&self, session: &Session) -> SessionFuture<()> {
        self.store.create(session)
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        self.store.find(id)
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        self.store.rotate(next)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        self.store.list(filter)
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        self.store.forget(what, limit)
    }
}

impl<S> CachedKeyStore<S> {
    fn told<T: Send + 'static>(&self, changed: Changed<'_>, change: SessionFuture<T>) -> SessionFuture<T> {
        Telling::new(&self.core, vec![Announcement::from(changed)]).after(change)
    }
}

impl<S: SessionStore> CachedKeyStore<S> {
    async fn look_up_token(self, token: Token, how: Ask) -> Result<Findings, BoxError> {
        let core = Arc::clone(&self.core);
        let look = {
            let token = token.clone();
            move || self.clone().look_flight(token.clone())
        };
        let found = core.ask(&core.tokens.known, &token, how, look).await?;
        found.ok_or_else(|| "the store has answered nothing about a token".into())
    }

    /// One lookup. It begins when it is polled first.
    fn look_flight(self, token: Token) -> BoxFuture<Looked<Findings, Marks>> {
        Box::pin(async move {
            let core: &Core = &self.core;
            let begun = core.freshness.begin();
            let found = core.answer(async { self.store.look_fresh(&token.facts()).await }).await;
            Looked { begun, found: found.map(|found| Some(core.tokens.keep(&core.freshness, &token, begun, found))) }
        })
    }
}
