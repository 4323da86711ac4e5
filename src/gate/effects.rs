use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, header::Entry};

use super::{
    guard::{Answered, Charge, ChargedBy, IdentityPolicy, LIMITS, Outcome, Vary},
    in_gate::InGate,
};
use crate::{
    Principal, Rejection, RejectionKind,
    base::{challenge, credential, maybe_ready::BoxFuture, protocol::Protocol, vary},
    context::{
        attempts::{Allowed, Attempts, UnderWay},
        identity::Identity,
        late_refusal::LateRefusal,
    },
};

/// What is left to be done with the response, whoever makes it.
#[derive(Default)]
pub(crate) struct Effects {
    policy: Option<Arc<IdentityPolicy>>,
    /// Whether somebody was identified by a credential.
    identified: bool,
    /// gRPC is cached by nobody, and its clients show every header as metadata. The request claims to be gRPC; whether
    /// the service speaks it is seen in its answer.
    grpc: bool,
    /// Who is calling, where outer layers are to read it or a failure may have to be charged.
    principal: Option<Principal>,
    expose: bool,
    /// What guards have charged, and the place of the guard. Most gates have one that does.
    charge: Option<(usize, Charge)>,
    more: Vec<(usize, Charge)>,
    /// The budget that is charged for a failure.
    attempts: Option<Attempts>,
    under_way: Option<Box<UnderWay>>,
    /// What the source of the credential asks for.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    late_refusal: Option<LateRefusal>,
}

/// A response gets at most this many headers here and in an envelope around it: room for them is made once.
const HEADERS: usize = 6;

impl Effects {
    /// Does to the request what a guard wants, and records what is to be done with the response. It leaves the outcome empty
    /// for the next guard.
    #[inline]
    pub(super) fn absorb<B>(&mut self, outcome: &mut Outcome, place: usize, gate: &mut InGate<'_, B>, expose: bool) {
        if let Some(charge) = outcome.charge.take() {
            if self.charge.is_none() {
                self.charge = Some((place, charge));
            } else {
                self.more.push((place, charge));
            }
        }
        if let Some(attempts) = outcome.attempts.take() {
            self.under_way = outcome.under_way.take();
            let context = gate.context_mut();
            // Where the handler is what looks at the credential, no guard behind asks the budget once more.
            if self.under_way.is_none() {
                context.attempts = Some(attempts.clone());
            }
            // An authentication further out has proved who is calling.
            if let Some(who) = context.principal() {
                self.principal.get_or_insert_with(|| who.clone());
            }
            self.attempts = Some(attempts);
        }
        if let Some(policy) = outcome.policy.take() {
            self.hide_credentials(policy, gate);
        }
        if let Some(identity) = outcome.identity.take() {
            if let Identity::Principal(principal) = &identity {
                self.identified = true;
                self.expose = expose;
                // A 403 from further in is charged to whoever was proved.
                self.principal = (expose || self.attempts.is_some()).then(|| principal.clone());
            }
            gate.context_mut().set_identity(identity);
        }
        if let Some(header) = outcome.response_header.take() {
            self.header = Some(header);
        }
    }

    #[inline]
    fn hide_credentials<B>(&mut self, policy: Arc<IdentityPolicy>, gate: &mut InGate<'_, B>) {
        let protocol = Protocol::of(gate.request.method(), gate.request.version(), gate.request.headers());
        self.grpc = policy.vary.is_some() && protocol != Protocol::Http;
        let headers = gate.request.headers_mut();
        if policy.strip {
            credential::strip(headers, &policy.credentials);
        } else {
            credential::mark_sensitive(headers, &policy.credentials);
        }
        credential::strip(headers, &policy.remove);
        self.policy = Some(policy);
    }

    /// Lets the handler hand in a refusal.
    #[cold]
    pub(super) fn accept_late_refusal<B>(&mut self, gate: &mut InGate<'_, B>) {
        let handle = LateRefusal::new();
        gate.context_mut().late_refusal = Some(handle.clone());
        self.late_refusal = Some(handle);
    }

    /// The refusal that the handler has handed in, now that the head of the response is known.
    #[inline]
    pub(super) fn late_refusal(&mut self) -> Option<Rejection> {
        self.late_refusal.take()?.close()
    }

    /// Keeps what a key opened out of shared caches, completes a 401, and shows the principal to outer layers.
    #[inline]
    pub(super) fn apply<B>(&self, response: &mut Response<B>, settle: impl FnMut(usize, &Charge, &mut Answered<'_>)) {
        if self.charge.is_some() {
            response.headers_mut().reserve(HEADERS);
            self.settle(response, settle);
        }
        if let Some(policy) = &self.policy {
            let in_grpc = self.grpc && Protocol::is_grpc_answer(response.headers());
            if let Some(vary) = policy.vary.as_ref().filter(|_| !in_grpc) {
                add_vary(response.headers_mut(), vary);
                if self.identified {
                    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(PRIVATE);
                }
            }
            if response.status() == StatusCode::UNAUTHORIZED {
                complete_challenge(response, policy);
            }
        }
        if let Some((name, value)) = self.header.as_deref()
            && Rejection::of(response).is_none()
        {
            response.headers_mut().entry(name).or_insert_with(|| value.clone());
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
        for (place, charge) in self.more.iter().rev().chain(&self.charge) {
            let mut answered = Answered { status, refusal: kind, limited, headers: response.headers_mut() };
            settle(*place, charge, &mut answered);
        }
    }

    /// Charges the budget of failed attempts for an answer that says who may not, wherever it comes from, and if it was
    /// not charged already.
    #[inline]
    pub(super) fn charge_failure<B>(&mut self, response: &mut Response<B>) -> Charging {
        if let Some(under_way) = &mut self.under_way {
            under_way.answered();
        }
        match &self.attempts {
            Some(attempts) => self.charge(attempts, response),
            None => Charging::Done,
        }
    }

    fn charge<B>(&self, attempts: &Attempts, response: &mut Response<B>) -> Charging {
        let refusal = Rejection::of(response);
        let status = refusal.map_or_else(|| status(response, attempts.is_grpc()), Rejection::status);
        // Who brings nothing has guessed nothing; what an envelope has made of somebody else's 401 may have been a guess.
        let nothing = |refusal: &Rejection| refusal.kind() == RejectionKind::MissingCredential && !refusal.is_adopted();
        let forbidden = status == StatusCode::FORBIDDEN;
        if !(forbidden || status == StatusCode::UNAUTHORIZED) || refusal.is_some_and(nothing) {
            return Charging::Done;
        }
        let budget = attempts.budget();
        let before = response.extensions().get().map(|charged: &ChargedBy| charged.0);
        if before.or_else(|| refusal.and_then(Rejection::charged_by)) == Some(budget) {
            return Charging::Done;
        }
        let holder = refusal.and_then(Rejection::principal).or_else(|| self.principal.as_ref().filter(|_| forbidden));
        let of_address = holder.is_none();
        // What the handler has found out is told: only a holder is refused instead.
        let charging = attempts.charge(holder, refusal).map(move |allowed| if of_address { Ok(()) } else { allowed });
        match charging.now() {
            Ok(Ok(())) => {
                response.extensions_mut().insert(ChargedBy(budget));
                Charging::Done
            }
            Ok(Err(refusal)) => Charging::Spent(refusal.charged(budget)),
            Err(answer) => Charging::Waiting(budget, answer),
        }
    }

    /// The handler has not answered: who goes away now may have guessed.
    #[inline]
    pub(super) fn called(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.called();
        }
    }

    /// Nobody can go away before it is polled again.
    pub(super) fn answered(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.answered();
        }
    }

    /// Whether guards have to be asked about the response.
    pub(super) const fn is_charged(&self) -> bool {
        self.charge.is_some()
    }
}

/// How far the charging of a failure has come.
pub(super) enum Charging {
    /// There was nothing to charge, or it is charged.
    Done,
    /// The holder has failed too often, and is answered this instead.
    Spent(Rejection),
    /// The limiter of this budget has to be waited for.
    Waiting(u64, BoxFuture<Allowed>),
}

/// What an answer says in this crate's terms: over gRPC without a body, the status stands in a header.
fn status<B>(response: &Response<B>, grpc: bool) -> StatusCode {
    let code = if grpc { response.headers().get("grpc-status") } else { None };
    match code.map(HeaderValue::as_bytes) {
        Some(b"16") => StatusCode::UNAUTHORIZED,
        Some(b"7") => StatusCode::FORBIDDEN,
        _ => response.status(),
    }
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
    match headers.entry(header::VARY) {
        Entry::Vacant(place) => drop(place.insert(vary.value.clone())),
        Entry::Occupied(_) => vary.names.iter().for_each(|name| vary::add(headers, name)),
    }
}
