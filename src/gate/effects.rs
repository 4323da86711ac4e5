use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header, request::Parts};

use super::guard::{Answered, Charge, ChargedBy, IdentityPolicy, LIMITS, Outcome, Vary};
use crate::{Principal, Rejection, challenge, credential, identity::Identity, protocol::Protocol, vary};

/// What is left to be done with the response, whoever makes it.
#[derive(Default)]
pub(crate) struct Effects {
    policy: Option<Arc<IdentityPolicy>>,
    /// Whether somebody was identified by a credential.
    identified: bool,
    /// gRPC is cached by nobody, and its clients show every header as metadata.
    grpc: bool,
    /// Who is calling, where an observer or outer layers are to read it.
    principal: Option<Principal>,
    expose: bool,
    /// What guards have charged, and the place of the guard. Most gates have one that does.
    charge: Option<(usize, Charge)>,
    more: Vec<(usize, Charge)>,
}

impl Effects {
    /// Does to the request what a guard wants, and notes what is to be done with the response.
    #[inline]
    pub(super) fn absorb(&mut self, outcome: Outcome, place: usize, request: &mut Parts, readers: Readers) {
        if let Some(charge) = outcome.charge {
            if self.charge.is_none() {
                self.charge = Some((place, charge));
            } else {
                self.more.push((place, charge));
            }
        }
        if let Some(attempts) = outcome.attempts {
            request.extensions.insert(attempts);
        }
        if let Some(policy) = outcome.policy {
            if policy.strip {
                credential::strip(&mut request.headers, &policy.credentials);
            } else {
                credential::mark_sensitive(&mut request.headers, &policy.credentials);
            }
            credential::strip(&mut request.headers, &policy.remove);
            self.grpc = policy.vary.is_some() && Protocol::of(&request.method, &request.headers) != Protocol::Http;
            self.policy = Some(policy);
        }
        if let Some(identity) = outcome.identity {
            if let Identity::Principal(principal) = &identity {
                self.identified = true;
                self.expose = readers.outer_layers;
                self.principal = (readers.outer_layers || readers.watch).then(|| principal.clone());
            }
            request.extensions.insert(identity);
        }
    }

    /// Keeps what a key opened out of shared caches, completes a 401, and shows the principal to outer layers.
    #[inline]
    pub(super) fn apply<B>(&self, response: &mut Response<B>, settle: impl FnMut(usize, &Charge, &mut Answered<'_>)) {
        if self.charge.is_some() {
            self.settle(response, settle);
        }
        if let Some(policy) = &self.policy {
            if let Some(vary) = policy.vary.as_ref().filter(|_| !self.grpc) {
                add_vary(response.headers_mut(), vary);
                if self.identified {
                    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(PRIVATE);
                }
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                complete_challenge(response, policy);
            }
        }
        if let Some(principal) = self.principal.as_ref().filter(|_| self.expose) {
            response.extensions_mut().insert(principal.clone());
        }
    }

    /// From the inside out: the limit that stands furthest in is the one that headers tell of.
    fn settle<B>(&self, response: &mut Response<B>, mut settle: impl FnMut(usize, &Charge, &mut Answered<'_>)) {
        let refusal = Rejection::of(response);
        let kind = refusal.map(Rejection::kind);
        let limited = refusal.is_some_and(|refusal| refusal.layer() == Some(LIMITS));
        // Over gRPC a refusal is HTTP 200.
        let status = refusal.map_or(response.status(), Rejection::status);
        let before = response.extensions().get().map(|charged: &ChargedBy| charged.0);
        let mut charged = before.or_else(|| refusal.and_then(Rejection::charged_by));
        for (place, charge) in self.more.iter().rev().chain(&self.charge) {
            let mut answered = Answered { status, refusal: kind, limited, charged, headers: response.headers_mut() };
            settle(*place, charge, &mut answered);
            charged = answered.charged;
        }
        if let Some(budget) = charged.filter(|_| charged != before) {
            response.extensions_mut().insert(ChargedBy(budget));
        }
    }

    /// Whether guards have to be asked about the response.
    pub(super) const fn is_charged(&self) -> bool {
        self.charge.is_some()
    }

    pub(super) const fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }
}

/// Who, besides the inner service, is to learn who is calling.
#[derive(Clone, Copy, Default)]
pub(super) struct Readers {
    pub(super) outer_layers: bool,
    pub(super) watch: bool,
}

/// RFC 9111 protects what `Authorization` opened; of other headers a shared cache has to be told (section 3.5).
const PRIVATE: HeaderValue = HeaderValue::from_static("private");

/// A 401 from further in that offers nothing of its own offers what this gate accepts.
fn complete_challenge<B>(response: &mut Response<B>, policy: &IdentityPolicy) {
    let unaware = Rejection::of(response).is_some_and(|rejection| !rejection.has_challenge());
    let fallback = challenge::FALLBACK;
    let offer = policy.challenge.as_deref().unwrap_or(&fallback);
    challenge::complete(response.headers_mut(), unaware, offer);
}

/// Most responses have no `Vary` yet, and then all names stand in one line that was made once.
fn add_vary(headers: &mut HeaderMap, vary: &Vary) {
    if headers.contains_key(header::VARY) {
        vary.names.iter().for_each(|name| vary::add(headers, name));
    } else {
        headers.insert(header::VARY, vary.value.clone());
    }
}
