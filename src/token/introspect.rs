//! Verifies a token by what its authorization server says about it.

use std::sync::Arc;

use futures_util::FutureExt as _;

use super::{
    answer::{self, No},
    asked::{Asked, Place},
    claims::Claims,
    error::TokenError,
    explain::Refused,
    verifier::{Keys, TokenVerifier},
};
use crate::{Clock, MaybeReady, key::sha256};

impl TokenVerifier {
    /// Returns whether this verifier asks an introspector.
    pub(crate) fn introspects(&self) -> bool {
        matches!(self.0.keys, Keys::Asked(_))
    }

    /// Verifies a token as [`verify`](Self::verify) does, with an explanation in the error. If the answer must be `fresh`, good
    /// answers in memory are passed over.
    pub(super) fn introspected(
        &self,
        asked: &Arc<Asked>,
        token: &[u8],
        clock: &Clock,
        fresh: bool,
    ) -> MaybeReady<Result<Claims, Refused>> {
        let text = match self.presentable(token) {
            Ok(text) => text,
            Err(error) => return MaybeReady::ready(Err(Refused::from(error))),
        };
        let (now, place) = (clock.now(), sha256(token));
        if !fresh && let Some(claims) = asked.known_good(&place, now) {
            let holder = claims.principal().clone();
            let judged = self.0.terms.again(claims, now);
            return MaybeReady::ready(judged.map_err(|error| Refused::of(holder, error)));
        }
        // A refusal also answers who wants a fresh answer: it is a few seconds old, and admits nobody.
        if let Some(no) = asked.known_bad(&place, now) {
            return MaybeReady::ready(Err(Refused::from(&*no)));
        }
        let asking = self.asking(asked, text.to_owned(), place, clock);
        // A question that is under way may have been answered before this request came.
        let answer = if fresh { asking.boxed() } else { asked.question(place, || asking.boxed()).boxed() };
        MaybeReady::bounded(answer.map(|outcome| outcome.map_err(|no| Refused::from(&*no))))
    }

    /// Returns the claims of a token that an introspector has confirmed, if they are in memory.
    pub(super) fn confirmed(&self, asked: &Asked, token: &[u8], clock: &Clock) -> Option<Claims> {
        let (now, place) = (clock.now(), sha256(self.presentable(token).ok()?.as_bytes()));
        self.0.terms.again(asked.known_good(&place, now)?, now).ok()
    }

    fn asking(
        &self,
        asked: &Arc<Asked>,
        token: String,
        place: Place,
        clock: &Clock,
    ) -> impl Future<Output = Result<Claims, Arc<No>>> + Send + 'static {
        let (this, asked, clock) = (self.clone(), Arc::clone(asked), clock.clone());
        async move {
            let (terms, reading) = (&this.0.terms, asked.settings.reading);
            asked.ask(&token, place, &clock, |answer, now| answer::judge(answer, terms, reading, now)).await
        }
    }

    /// Returns the token as text, if a server can know it: it is not too long, and visible ASCII (RFC 6749, appendix A.12).
    fn presentable<'a>(&self, token: &'a [u8]) -> Result<&'a str, TokenError> {
        if token.len() > self.0.max_token_len {
            return Err(TokenError::Malformed("it is too long"));
        }
        let visible = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
        let text = str::from_utf8(token).ok().filter(|_| visible);
        text.ok_or(TokenError::Malformed("it has other characters than visible ASCII"))
    }
}

impl From<&No> for Refused {
    fn from(no: &No) -> Self {
        Self::told(no.error.clone(), no.holder.clone(), no.told.clone())
    }
}
