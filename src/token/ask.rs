//! Verifies a token with the keys in memory, and fetches newer keys if it needs them.

use std::{sync::Arc, time::SystemTime};

use super::{
    cache::Cache,
    claims::Claims,
    directory::Directory,
    error::TokenError,
    key_set::KeySet,
    keys::{Fetched, Slept},
    verifier::{Keys, TokenVerifier, Verifier, VerifyFuture},
};
use crate::{Clock, MaybeReady};

/// The result of verification with the keys in memory, and these keys.
struct Found {
    outcome: Result<Claims, TokenError>,
    set: Option<KeySet>,
}

impl TokenVerifier {
    pub(crate) fn verify_bytes(&self, token: &[u8], clock: &Clock) -> VerifyFuture {
        let now = clock.now();
        let named;
        let keys = match &self.0.keys {
            Keys::Fixed(keys) => return MaybeReady::ready(self.0.verify(token, keys, now)),
            Keys::Fetched(keys) => keys,
            Keys::Asked(asked) => {
                let introspected = self.introspected(asked, token, clock, false);
                return introspected.map(|outcome| outcome.map_err(|refused| refused.error));
            }
            Keys::Single(all) => {
                if let Some(outcome) = self.0.verify_beside(token, now) {
                    return MaybeReady::ready(outcome);
                }
                match self.0.named(all, token, now) {
                    Ok(keys) => named = keys,
                    Err(error) => return MaybeReady::ready(Err(error)),
                }
                &named
            }
        };
        if let Some(outcome) = self.0.verify_beside(token, now) {
            return MaybeReady::ready(outcome);
        }
        let (set, due) = keys.current(now);
        let found = Found { outcome: self.0.verify_by(token, set.as_ref(), now), set };
        match &found.outcome {
            // The token is valid, so the answer does not wait for the fetch.
            Ok(_) if due && keys.needs_push(now) => self.pushed(keys, token, clock, found),
            Err(error) if due || self.0.is_of_no_known_key(token, error, found.set.as_ref()) => {
                self.with_newer_keys(keys, token, clock, found)
            }
            _ => MaybeReady::ready(found.outcome),
        }
    }

    /// Answers for a valid token and begins a fetch, because its keys are due. The fetch begins at the first poll of
    /// the answer, because only a poll runs inside a runtime. The answer does not wait for the fetch.
    fn pushed(&self, keys: &Arc<Fetched>, token: &[u8], clock: &Clock, found: Found) -> VerifyFuture {
        let (this, keys, token, clock) = (self.clone(), Arc::clone(keys), token.to_vec(), clock.clone());
        MaybeReady::boxed(async move {
            keys.push(&clock);
            this.0.judge_again(&keys, &token, clock.now(), found)
        })
    }

    /// Verifies a token again with newer keys: an unknown key may not have been fetched yet.
    fn with_newer_keys(&self, keys: &Arc<Fetched>, token: &[u8], clock: &Clock, found: Found) -> VerifyFuture {
        let now = clock.now();
        // A token that no key can make valid causes no fetch.
        if let Err(why) = self.0.could_be_good(token, now) {
            return MaybeReady::ready(match (&found.set, why) {
                // A malformed token is reported as such even if there are no keys.
                (None, malformed @ TokenError::Malformed(_)) => Err(malformed),
                _ => found.outcome,
            });
        }
        if !keys.can_fetch(now) {
            return MaybeReady::ready(self.0.judge_again(keys, token, now, found));
        }
        let (this, keys, token, clock) = (self.clone(), Arc::clone(keys), token.to_vec(), clock.clone());
        MaybeReady::boxed(async move {
            let _ = keys.fetch(&clock, Slept::default()).await;
            this.0.judge_again(&keys, &token, clock.now(), found)
        })
    }

    /// Returns the claims of a token if they are in the cache and still valid. Never waits: a task fetches keys that
    /// are due. What an introspector has said earlier is not `fresh`.
    pub(crate) fn remembered(&self, token: &[u8], clock: &Clock, fresh: bool) -> Option<Claims> {
        if let Keys::Asked(asked) = &self.0.keys {
            return if fresh { None } else { self.confirmed(asked, token, clock) };
        }
        let cache = self.0.cache.as_ref()?;
        let now = clock.now();
        let place = Cache::place(token, self.0.max_token_len);
        let claims = match &self.0.keys {
            Keys::Asked(_) => return None,
            Keys::Fixed(keys) => cache.get(&place, keys)?,
            Keys::Fetched(keys) => {
                if let Some(claims) = self.0.beside.as_ref().and_then(|beside| cache.get(&place, beside)) {
                    return self.0.terms.again(claims, now).ok();
                }
                let (set, due) = keys.current(now);
                let claims = cache.get(&place, &set?)?;
                if due && tokio::runtime::Handle::try_current().is_ok() && keys.needs_push(now) {
                    keys.push(clock);
                    cache.get(&place, &keys.current(now).0?)?
                } else {
                    claims
                }
            }
            Keys::Single(all) => {
                let (_, header) = self.0.look(token).ok()?;
                cache.get(&place, &all.known(header.kid.as_deref()?)?.current(now).0?)?
            }
        };
        self.0.terms.again(claims, now).ok()
    }
}

impl Verifier {
    /// Returns the key that a token names. A token that no key can make valid adds no id to those that are known.
    fn named(&self, all: &Directory, token: &[u8], now: SystemTime) -> Result<Arc<Fetched>, TokenError> {
        let (_, header) = self.look(token)?;
        let id = header.kid.as_deref().filter(|id| Directory::is_id(id) && header.algorithm == all.algorithm);
        let id = id.ok_or(TokenError::UnknownKey)?;
        if let Some(known) = all.known(id) {
            return Ok(known);
        }
        self.could_be_good(token, now).map_err(|error| match error {
            malformed @ TokenError::Malformed(_) => malformed,
            // The rest would be said of content that nobody has signed.
            _ => TokenError::UnknownKey,
        })?;
        all.place_for(id, now).map_err(TokenError::Unavailable)
    }

    fn verify_by(&self, token: &[u8], set: Option<&KeySet>, now: SystemTime) -> Result<Claims, TokenError> {
        match set {
            Some(set) => self.verify(token, set, now),
            None => self.look(token).and(Err(TokenError::UnknownKey)),
        }
    }

    /// Returns whether the token may be signed by a key that the set does not have yet.
    fn is_of_no_known_key(&self, token: &[u8], error: &TokenError, set: Option<&KeySet>) -> bool {
        match error {
            TokenError::UnknownKey => true,
            // True if the token has no `kid`, or if no key has an id.
            TokenError::BadSignature => {
                let named = self.look(token).is_ok_and(|(_, header)| header.kid.is_some());
                !named || set.is_some_and(KeySet::is_nameless)
            }
            _ => false,
        }
    }

    /// Returns the final result for a token after a fetch was tried or is not possible now.
    fn judge_again(&self, keys: &Fetched, token: &[u8], now: SystemTime, found: Found) -> Result<Claims, TokenError> {
        let (set, _) = keys.current(now);
        let same = matches!((&set, &found.set), (Some(new), Some(old)) if new.is_same(old));
        let outcome = if same { found.outcome } else { self.verify_by(token, set.as_ref(), now) };
        let Err(error) = outcome else { return outcome };
        if !self.is_of_no_known_key(token, &error, set.as_ref()) {
            return Err(error);
        }
        // The issuer may have the key, but its keys could not be fetched, so the result is unknown.
        Err(match set {
            None => TokenError::Unavailable(keys.failure()),
            Some(_) => keys.trouble().map_or(error, TokenError::Unavailable),
        })
    }
}
