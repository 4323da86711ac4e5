use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header, header::Entry};

use super::guard::{Answered, Charge, ChargedBy, IdentityPolicy, LIMITS, Outcome, Vary};
use crate::{
    AuthMethod, Principal, Rejection, RejectionKind,
    base::{challenge, credential, maybe_ready::BoxFuture, protocol::Protocol, vary},
    context::{
        attempts::{Allowed, Attempts, UnderWay},
        identity::Identity,
        late_refusal::GateEnd,
        request::RequestContext,
    },
};

/// What the gate does with the response, for a refusal of the gate and for a response from further in.
#[derive(Default)]
pub(crate) struct Effects {
    policy: Option<Arc<IdentityPolicy>>,
    /// Whether the request was authenticated by a credential.
    identified: bool,
    /// Whether the request claims to be gRPC. No cache stores gRPC responses, and gRPC clients show every header as
    /// metadata. Only the response shows whether the service speaks gRPC.
    grpc: bool,
    /// Whether the caller has presented a token, and whether it was presented with a proof (RFC 9449).
    by_token: bool,
    by_dpop: bool,
    /// The caller, if outer layers read it or a failure may be charged.
    principal: Option<Principal>,
    expose: bool,
    /// The first charge, and the place of its guard. Most gates have one guard that charges.
    charge: Option<(usize, Charge)>,
    /// All further charges.
    more: Vec<(usize, Charge)>,
    /// The budget that is charged for a failure.
    attempts: Option<Attempts>,
    under_way: Option<Box<UnderWay>>,
    /// A response header that the source of the credential requires.
    header: Option<Box<(HeaderName, HeaderValue)>>,
    late_refusal: Option<GateEnd>,
}

impl Effects {
    /// Applies the outcome of a guard to the request, and records what it requires of the response. The outcome is
    /// empty afterwards, for the next guard.
    #[inline]
    pub(super) fn absorb<B>(&mut self, outcome: &mut Outcome, place: usize, request: &mut Request<B>, expose: bool) {
        if let Some(charge) = outcome.charge.take() {
            if self.charge.is_none() {
                self.charge = Some((place, charge));
            } else {
                self.more.push((place, charge));
            }
        }
        if let Some(attempts) = outcome.attempts.take() {
            self.under_way = outcome.under_way.take();
            let context = RequestContext::of_mut(request.extensions_mut());
            // If the handler checks the credential, the budget is checked already: no guard further in checks it again.
            if self.under_way.is_none() {
                context.attempts = Some(attempts.clone());
            }
            // An authentication layer further out may have authenticated the caller.
            if let Some(who) = context.principal() {
                self.principal.get_or_insert_with(|| who.clone());
            }
            self.attempts = Some(attempts);
        }
        if let Some(policy) = outcome.policy.take() {
            self.hide_credentials(policy, request);
        }
        if let Some(identity) = outcome.identity.take() {
            if let Identity::Principal(principal) = &identity {
                self.identified = true;
                self.by_token = *principal.method() == AuthMethod::Token;
                self.expose = expose;
                // A 403 from further in is charged to the authenticated caller.
                self.principal = (expose || self.attempts.is_some()).then(|| principal.clone());
            }
            RequestContext::of_mut(request.extensions_mut()).set_identity(identity);
        }
        if let Some(header) = outcome.response_header.take() {
            self.header = Some(header);
        }
    }

    #[inline]
    fn hide_credentials<B>(&mut self, policy: Arc<IdentityPolicy>, request: &mut Request<B>) {
        let protocol = Protocol::of(request.method(), request.version(), request.headers());
        self.grpc = policy.vary.is_some() && protocol != Protocol::Http;
        let headers = request.headers_mut();
        self.by_dpop = policy.tokens.dpop && credential::has_scheme(headers, "DPoP");
        if policy.strip {
            credential::strip(headers, &policy.credentials, &policy.parts);
        } else {
            credential::strip_offers(headers, &policy.parts);
            credential::mark_sensitive(headers, &policy.credentials);
        }
        credential::strip(headers, &policy.remove, &credential::Parts::default());
        self.policy = Some(policy);
    }

    /// Puts a handle into the request, with which the handler can refuse it.
    #[cold]
    pub(super) fn accept_late_refusal<B>(&mut self, request: &mut Request<B>) {
        let end = GateEnd::new();
        RequestContext::of_mut(request.extensions_mut()).late_refusal = Some(end.handle());
        self.late_refusal = Some(end);
    }

    /// Returns the handler's late refusal, if there is one, and closes the handle.
    #[inline]
    pub(super) fn late_refusal(&mut self) -> Option<Rejection> {
        self.late_refusal.take()?.close()
    }

    /// Settles the charges, keeps authenticated responses out of shared caches, adds the challenge to a 401, and
    /// exposes the principal to outer layers.
    #[inline]
    pub(super) fn apply<B>(&self, response: &mut Response<B>, settle: impl FnMut(usize, &Charge, &mut Answered<'_>)) {
        if self.charge.is_some() {
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
            // A gRPC client reads the details instead.
            if response.status().is_client_error() {
                self.demand(response, policy);
            }
        }
        if let Some((name, value)) = self.header.as_deref()
            && Rejection::of(response).is_none()
            && !(response.status().is_client_error() || response.status().is_server_error())
        {
            add_own(response.headers_mut(), name, value);
        }
        if let Some(principal) = self.principal.as_ref().filter(|_| self.expose) {
            response.extensions_mut().insert(principal.clone());
        }
    }

    /// Tells the client of a refused token which token would do. A challenge of the handler stays.
    fn demand<B>(&self, response: &mut Response<B>, policy: &IdentityPolicy) {
        let Some(refusal) = Rejection::of(response).filter(|refusal| !refusal.has_challenge()) else { return };
        let Some(demand) = refusal.demand() else { return };
        let written = match response.headers().get(header::WWW_AUTHENTICATE) {
            // The refusal has written its own, which lacks the metadata.
            Some(own) => demand.step_up.is_some() && *own == demand.challenge(BEARER, None),
            // No scope helps who has presented no token.
            None => demand.step_up.is_some() || self.by_token,
        };
        if written {
            let offer = &policy.tokens;
            let scheme = match offer.other.as_deref().filter(|_| !offer.bearer) {
                _ if self.by_dpop => DPOP,
                Some(other) => other,
                None if offer.dpop && !offer.bearer => DPOP,
                None => BEARER,
            };
            let challenge = demand.challenge(scheme, offer.metadata.as_deref());
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
    }

    /// Settles the charges from the inside out, because the headers describe the innermost limit.
    fn settle<B>(&self, response: &mut Response<B>, mut settle: impl FnMut(usize, &Charge, &mut Answered<'_>)) {
        let refusal = Rejection::of(response);
        let kind = refusal.map(Rejection::kind);
        let limited = refusal.is_some_and(|refusal| refusal.layer() == Some(LIMITS));
        // A gRPC refusal has HTTP status 200.
        let status = refusal.map_or(response.status(), Rejection::status);
        for (place, charge) in self.more.iter().rev().chain(&self.charge) {
            let mut answered = Answered { status, refusal: kind, limited, headers: response.headers_mut() };
            settle(*place, charge, &mut answered);
        }
    }

    /// Charges the budget of failed attempts for a 401 or 403, of this gate or from further in, unless it was charged
    /// already.
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
        // A request without a credential is not a guess. A foreign 401 that an envelope has adopted may be one.
        let missing = |refusal: &Rejection| refusal.kind() == RejectionKind::MissingCredential && !refusal.is_adopted();
        let nothing = |refusal: &Rejection| missing(refusal) || refusal.is_no_guess();
        let forbidden = status == StatusCode::FORBIDDEN;
        // The caller is known, and has to log in again.
        let step_up = refusal.is_some_and(|refusal| refusal.kind() == RejectionKind::InsufficientAuthentication);
        if !(forbidden || status == StatusCode::UNAUTHORIZED) || refusal.is_some_and(nothing) {
            return Charging::Done;
        }
        let budget = attempts.budget();
        let before = response.extensions().get().map(|charged: &ChargedBy| charged.0);
        if before.or_else(|| refusal.and_then(Rejection::charged_by)) == Some(budget) {
            return Charging::Done;
        }
        let holder =
            refusal.and_then(Rejection::principal).or_else(|| self.principal.as_ref().filter(|_| forbidden || step_up));
        let of_address = holder.is_none();
        if of_address && step_up {
            return Charging::Done;
        }
        // A spent budget of an address does not replace the answer; a spent budget of a credential does.
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

    /// Records that the handler is pending: if the client disconnects now, the attempt is charged as a guess.
    #[inline]
    pub(super) fn called(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.called();
        }
    }

    /// Records that the handler is not pending: until it is polled again, the client cannot disconnect unnoticed.
    pub(super) fn answered(&mut self) {
        if let Some(under_way) = &mut self.under_way {
            under_way.answered();
        }
    }

    /// Returns whether guards have charges to settle.
    pub(super) const fn is_charged(&self) -> bool {
        self.charge.is_some()
    }
}

/// The result of charging a failure.
pub(super) enum Charging {
    /// The failure is charged, or there was nothing to charge.
    Done,
    /// The budget of the credential is spent. This refusal replaces the answer.
    Spent(Rejection),
    /// The limiter of the budget with this id has to be awaited.
    Waiting(u64, BoxFuture<Allowed>),
}

/// Returns the HTTP status of an answer. A gRPC answer without a body has its status in a header.
fn status<B>(response: &Response<B>, grpc: bool) -> StatusCode {
    let code = if grpc { response.headers().get("grpc-status") } else { None };
    match code.map(HeaderValue::as_bytes) {
        Some(b"16") => StatusCode::UNAUTHORIZED,
        Some(b"7") => StatusCode::FORBIDDEN,
        _ => response.status(),
    }
}

/// A shared cache does not store a response to a request with `Authorization` (RFC 9111, section 3.5). For other
/// credential headers, `Cache-Control` must forbid it.
const PRIVATE: HeaderValue = HeaderValue::from_static("private");

const BEARER: &str = "Bearer";
const DPOP: &str = "DPoP";

/// Adds the challenges of this gate to a 401 that has none.
fn complete_challenge<B>(response: &mut Response<B>, policy: &IdentityPolicy) {
    let unaware = Rejection::of(response).is_some_and(|rejection| !rejection.has_challenge());
    let fallback = challenge::FALLBACK;
    let offer = policy.challenge.as_deref().unwrap_or(&fallback);
    challenge::complete(response.headers_mut(), unaware, offer);
}

/// Adds the names to `Vary`. Most responses have no `Vary` yet, and get a value that was prepared once.
fn add_vary(headers: &mut HeaderMap, vary: &Vary) {
    match headers.entry(header::VARY) {
        Entry::Vacant(place) => drop(place.insert(vary.value.clone())),
        Entry::Occupied(_) => vary.names.iter().for_each(|name| vary::add(headers, name)),
    }
}

/// Adds the header that the source of the credential asks for. A header of the handler stays; cookies stand beside each
/// other.
fn add_own(headers: &mut HeaderMap, name: &HeaderName, value: &HeaderValue) {
    if *name == header::SET_COOKIE {
        headers.append(name, value.clone());
    } else {
        headers.entry(name).or_insert_with(|| value.clone());
    }
}
