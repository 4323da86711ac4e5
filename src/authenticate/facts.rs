//! The settings of an authentication layer, and how it turns the answer of a method into an outcome.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::authenticator::{AuthOutcome, Authenticator};
use crate::{
    Anonymous, Clock, ConfigError, Rejection, RequestHead,
    base::{
        challenge,
        credential::{self, Parts},
        protocol::is_preflight,
        subprotocol::Subprotocol,
        time_limit::{self, TimeLimit},
    },
    context::identity::Identity,
    gate::{IdentityPolicy, Outcome, TokenOffer, Vary},
};

/// Returns whether a request needs no authentication.
pub(super) type Open = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// The settings of an [`AuthLayer`](crate::AuthLayer).
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) methods: Vec<Arc<dyn Authenticator>>,
    pub(super) optional: bool,
    pub(super) allow_preflight: bool,
    pub(super) strip: bool,
    pub(super) report_only: bool,
    pub(super) reject_ambiguous: bool,
    pub(super) disclose_header: bool,
    pub(super) open: Option<Open>,
    pub(super) remove: Vec<HeaderName>,
    pub(super) clock: Option<Clock>,
    pub(super) decision_timeout: Option<Duration>,
}

/// The settings, prepared once for all requests.
pub(super) struct Facts {
    pub(super) methods: Box<[Arc<dyn Authenticator>]>,
    /// Whether two methods read the same header.
    pub(super) shared: bool,
    pub(super) optional: bool,
    pub(super) allow_preflight: bool,
    pub(super) report_only: bool,
    pub(super) reject_ambiguous: bool,
    pub(super) open: Option<Open>,
    pub(super) limit: TimeLimit,
    pub(super) policy: Arc<IdentityPolicy>,
    /// The headers that contain credentials.
    credentials: Box<[HeaderName]>,
    /// The cookies and subprotocols that contain credentials.
    parts: Parts,
    /// The refusal of a request without a credential, built once.
    pub(super) missing: Rejection,
    /// The challenge of a 400 if a method reads bearer tokens (RFC 6750, section 3).
    pub(super) invalid_request: Option<HeaderValue>,
    pub(super) fault: Option<ConfigError>,
}

/// The outcome for a request, and a header for the response.
pub(super) struct Settled {
    pub(super) identity: Identity,
    pub(super) header: ResponseHeader,
}

pub(super) type Found = Result<Settled, Rejection>;
pub(super) type ResponseHeader = Option<Box<(HeaderName, HeaderValue)>>;

impl Facts {
    pub(super) fn new(settings: Settings) -> Self {
        let Settings {
            methods,
            optional,
            allow_preflight,
            strip,
            report_only,
            reject_ambiguous,
            disclose_header,
            open,
            remove,
            clock,
            decision_timeout,
        } = settings;
        let told = credentials_of(&methods).next().filter(|_| disclose_header).map(as_written);
        let mut credentials: Vec<HeaderName> = Vec::new();
        for header in credentials_of(&methods) {
            if !credentials.contains(header) {
                credentials.push(header.clone());
            }
        }
        let proofs = methods.iter().flat_map(Authenticator::proof_headers).filter(|name| !credentials.contains(name));
        let hidden: Vec<HeaderName> = credentials.iter().chain(proofs).cloned().collect();
        let parts = Parts { cookies: cookies_of(&methods), subprotocols: subprotocols_of(&methods) };
        let challenge = challenge::join(methods.iter().map(Authenticator::challenge)).map(Arc::new);
        let policy = Arc::new(IdentityPolicy {
            // Shared caches do not store a response to a request with `Authorization`. They may store one to an
            // anonymous request, and without `Vary` they would serve it to requests with `Authorization` too.
            vary: Vary::on(
                credentials.iter().filter(|name| optional || report_only || !credential::is_authorization(name)),
            ),
            credentials: hidden.into(),
            parts: Parts {
                cookies: with_companions(&parts.cookies, &methods),
                subprotocols: parts.subprotocols.clone(),
            },
            strip,
            remove: remove.into(),
            tokens: TokenOffer::of(challenge.as_deref()),
            challenge,
        });
        let fault = methods.iter().find_map(|method| method.check_config().err());
        let limit = TimeLimit::new(clock.unwrap_or_default(), decision_timeout.unwrap_or(time_limit::DEFAULT));
        let mut pairs = methods
            .iter()
            .enumerate()
            .flat_map(|(place, one)| methods[place + 1..].iter().map(move |other| (one, other)));
        let shared = pairs.any(|(one, other)| shared_headers(&**one, &**other).next().is_some());
        // A key that may also come as a bearer token is no token of RFC 6750.
        let mut offers = methods.iter().map(Authenticator::challenge).filter(|offer| offer.starts_with("Bearer "));
        let bearer = offers.find_map(|offer| challenge::with_error(offer, "Bearer", "invalid_request"));
        let invalid_request = bearer.and_then(|offer| HeaderValue::try_from(offer).ok());
        let mut missing = Rejection::missing_credential(policy.challenge.clone());
        if let Some(header) = told {
            missing = missing.detail("header", header);
        }
        let methods = methods.into();
        Self {
            methods,
            shared,
            optional,
            allow_preflight,
            report_only,
            reject_ambiguous,
            open,
            limit,
            policy,
            credentials: credentials.into(),
            parts,
            missing,
            invalid_request,
            fault,
        }
    }
}

/// A set of method indices below 64.
#[derive(Clone, Copy, Default)]
pub(super) struct Places(u64);

impl Places {
    pub(super) const fn insert(&mut self, place: usize) {
        if place < 64 {
            self.0 |= 1 << place;
        }
    }

    pub(super) const fn contains(self, place: usize) -> bool {
        place < 64 && self.0 & (1 << place) != 0
    }

    pub(super) const fn take_first(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let place = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(place)
    }
}

impl Facts {
    /// Returns whether a later method takes a header over from this method.
    pub(super) fn is_anothers(&self, place: usize, head: &RequestHead<'_>) -> bool {
        // A method beyond the first 64 is never skipped.
        place < 64 && (place + 1..self.methods.len()).any(|later| self.takes_over(later, place, head).is_some())
    }

    /// Returns the header that this method takes over from a skipped method.
    pub(super) fn taken_over<'a>(
        &'a self,
        place: usize,
        passed: Places,
        head: &RequestHead<'_>,
    ) -> Option<&'a HeaderName> {
        (0..place).filter(|earlier| passed.contains(*earlier)).find_map(|earlier| self.takes_over(place, earlier, head))
    }

    /// Returns the header that both methods read, if only the later method recognises the credential in it.
    pub(super) fn takes_over<'a>(
        &'a self,
        later: usize,
        earlier: usize,
        head: &RequestHead<'_>,
    ) -> Option<&'a HeaderName> {
        let (later, earlier) = (&self.methods[later], &self.methods[earlier]);
        let shared = shared_headers(&**later, &**earlier);
        let recognizes = |method: &dyn Authenticator, name| method.recognizes(&head.only(Some(name)));
        shared
            .filter(|name| credential::presents(head.headers(), name))
            .find(|name| !recognizes(&**earlier, name) && recognizes(&**later, name))
    }

    /// Joins a method's own challenge with the challenges of the other methods.
    pub(super) fn offer(&self, place: usize, own: &HeaderValue) -> Option<Arc<HeaderValue>> {
        let mine = self.methods[place].challenge();
        let others = self.methods.iter().map(Authenticator::challenge).filter(|offer| *offer != mine);
        challenge::join([own.to_str().unwrap_or_default()].into_iter().chain(others)).map(Arc::new)
    }

    #[inline]
    pub(super) fn conclude(&self, found: AuthOutcome, place: usize, header: ResponseHeader) -> Found {
        match found {
            // All callers with an empty subject would share one identity.
            AuthOutcome::Authenticated(principal) if principal.subject().trim().is_empty() => {
                Err(Rejection::internal(NAMELESS))
            }
            AuthOutcome::Authenticated(principal) => Ok(Settled { identity: Identity::Principal(principal), header }),
            AuthOutcome::NoCredential if self.optional => Ok(Settled { identity: self.nobody(), header: None }),
            AuthOutcome::NoCredential => Err(self.missing.clone()),
            AuthOutcome::Rejected(rejection) => Err(self.offering(rejection, place)),
        }
    }

    /// Adds the challenges of all methods to a 401.
    pub(super) fn offering(&self, rejection: Rejection, place: usize) -> Rejection {
        if rejection.status() != StatusCode::UNAUTHORIZED {
            return rejection;
        }
        match rejection.own_challenge() {
            Some(own) if self.methods.len() > 1 => {
                let offer = self.offer(place, own);
                rejection.offering(offer)
            }
            _ => rejection.challenge(self.policy.challenge.clone()),
        }
    }

    pub(super) fn malformed(&self, header: &HeaderName, bearer: bool, why: &'static str) -> Rejection {
        let rejection = Rejection::malformed_header(header.as_str(), why);
        match &self.invalid_request {
            Some(challenge) if bearer => rejection.header(header::WWW_AUTHENTICATE, challenge.clone()),
            _ => rejection,
        }
    }

    pub(super) fn nobody(&self) -> Identity {
        Identity::Anonymous(Anonymous::new(self.policy.challenge.clone()))
    }

    #[inline]
    pub(super) fn write(&self, settled: Settled, outcome: &mut Outcome) {
        outcome.identity = Some(settled.identity);
        outcome.response_header = settled.header;
        outcome.policy = Some(Arc::clone(&self.policy));
    }

    /// Returns the outcome of a request that needs no authentication, or that is refused before any method is asked.
    #[inline]
    pub(super) fn unasked(&self, request: &RequestHead<'_>) -> Option<Found> {
        if let Some(fault) = &self.fault {
            return Some(Err(Rejection::internal(fault.clone())));
        }
        let (method, headers) = (request.method(), request.headers());
        if self.allow_preflight && is_preflight(method, headers) {
            let nobody = Anonymous::preflight(self.policy.challenge.clone());
            return Some(Ok(Settled { identity: Identity::Anonymous(nobody), header: None }));
        }
        if self.open.as_ref().is_some_and(|open| open(request)) {
            return Some(Ok(Settled { identity: self.nobody(), header: None }));
        }
        // This covers the headers of all methods, because an earlier method could decide by a header that is not
        // repeated.
        if let Some(header) = credential::repeated(headers, &self.credentials) {
            let bearer = credential::is_authorization(header);
            return Some(Err(self.malformed(header, bearer, "a credential header is repeated")));
        }
        if self.reject_ambiguous
            && let Some(header) = credential::second(headers, &self.credentials, &self.parts)
        {
            return Some(Err(self.malformed(header, true, "the request carries more than one credential")));
        }
        None
    }
}

const NAMELESS: &str =
    "an authentication method returned a principal with an empty subject; give each caller its own subject";

fn credentials_of(methods: &[Arc<dyn Authenticator>]) -> impl Iterator<Item = &HeaderName> {
    methods.iter().flat_map(Authenticator::credential_headers)
}

/// Returns the cookies that contain credentials; none if a method reads `Cookie` and does not name its cookies.
fn cookies_of(methods: &[Arc<dyn Authenticator>]) -> Box<[String]> {
    let mut all: Vec<String> = Vec::new();
    for method in methods.iter().filter(|method| method.credential_headers().iter().any(credential::is_cookie)) {
        let cookies = method.credential_cookies();
        if cookies.is_empty() {
            return Box::default();
        }
        all.extend(cookies.iter().filter(|cookie| !all.contains(cookie)).cloned().collect::<Vec<_>>());
    }
    all.into()
}

/// Returns the forms of subprotocols that contain credentials; none if a method reads the header and does not name its forms.
fn subprotocols_of(methods: &[Arc<dyn Authenticator>]) -> Box<[Subprotocol]> {
    let reads =
        |method: &&Arc<dyn Authenticator>| method.credential_headers().contains(&header::SEC_WEBSOCKET_PROTOCOL);
    let mut all: Vec<Subprotocol> = Vec::new();
    for method in methods.iter().filter(reads) {
        let forms = method.credential_subprotocols();
        if forms.is_empty() {
            return Box::default();
        }
        all.extend(forms.iter().filter(|form| !all.contains(form)).cloned().collect::<Vec<_>>());
    }
    all.into()
}

/// Adds the cookies that are removed together with these.
fn with_companions(cookies: &[String], methods: &[Arc<dyn Authenticator>]) -> Box<[String]> {
    let companions = methods.iter().flat_map(Authenticator::companion_cookies).filter(|_| !cookies.is_empty());
    cookies.iter().chain(companions).cloned().collect()
}

/// Returns the headers that both methods read. Methods that name different cookies do not share `Cookie`.
fn shared_headers<'a>(
    one: &'a dyn Authenticator,
    other: &'a dyn Authenticator,
) -> impl Iterator<Item = &'a HeaderName> {
    let (ones, others) = (one.credential_cookies(), other.credential_cookies());
    let apart = !ones.is_empty() && !others.is_empty() && !ones.iter().any(|cookie| others.contains(cookie));
    let both = one.credential_headers().iter().filter(|name| other.credential_headers().contains(name));
    both.filter(move |name| !(apart && credential::is_cookie(name)))
}

/// Returns the name of a header as documentation writes it: `X-Api-Key`.
fn as_written(name: &HeaderName) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}
