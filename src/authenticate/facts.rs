//! What an authentication layer was set up with, and what it makes of the answer of a method.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};

use super::authenticator::{AuthOutcome, Authenticator};
use crate::{
    Anonymous, Clock, ConfigError, Rejection, RequestHead,
    base::{
        challenge, credential,
        protocol::is_preflight,
        time_limit::{self, TimeLimit},
    },
    context::identity::Identity,
    gate::{IdentityPolicy, Outcome, Vary},
};

/// Tells which requests nobody is asked about.
pub(super) type Open = Arc<dyn Fn(&RequestHead<'_>) -> bool + Send + Sync>;

/// What an [`AuthLayer`](crate::AuthLayer) was told.
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

/// The same, prepared once for all requests.
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
    /// The refusal of those who bring nothing, made once.
    pub(super) missing: Rejection,
    /// What a 400 says to a client of RFC 6750, where that is spoken.
    pub(super) invalid_request: Option<HeaderValue>,
    pub(super) fault: Option<ConfigError>,
}

/// What was found out about a request, and a header for the response.
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
        let policy = Arc::new(IdentityPolicy {
            // Shared caches keep what `Authorization` opened to themselves; what they were given without it they would give
            // to those who come with it too.
            vary: Vary::on(
                credentials.iter().filter(|name| optional || report_only || !credential::is_authorization(name)),
            ),
            credentials: credentials.into(),
            strip,
            remove: remove.into(),
            challenge: challenge::join(methods.iter().map(Authenticator::challenge)).map(Arc::new),
        });
        let fault = methods.iter().find_map(|method| method.check_config().err());
        let limit = TimeLimit::new(clock.unwrap_or_default(), decision_timeout.unwrap_or(time_limit::DEFAULT));
        let read = || credentials_of(&methods);
        let shared = read().enumerate().any(|(place, name)| read().skip(place + 1).any(|other| other == name));
        let bearer = methods.iter().map(Authenticator::challenge).find(|offer| offer.starts_with("Bearer "));
        let invalid_request =
            bearer.and_then(|offer| HeaderValue::try_from(format!("{offer}, error=\"invalid_request\"")).ok());
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
            missing,
            invalid_request,
            fault,
        }
    }
}

/// Places of methods; there are never more than a few.
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
    /// Whether this method does not recognise what stands in a header that a later one reads too, and the later one does.
    pub(super) fn is_anothers(&self, place: usize, head: &RequestHead<'_>) -> bool {
        // More methods than that are never passed over.
        place < 64 && (place + 1..self.methods.len()).any(|later| self.takes_over(later, place, head).is_some())
    }

    /// The header that this method took over from one that was passed over.
    pub(super) fn taken_over<'a>(
        &'a self,
        place: usize,
        passed: Places,
        head: &RequestHead<'_>,
    ) -> Option<&'a HeaderName> {
        (0..place).filter(|earlier| passed.contains(*earlier)).find_map(|earlier| self.takes_over(place, earlier, head))
    }

    /// The header that both methods read, and in which only the later one recognises what stands there.
    pub(super) fn takes_over<'a>(
        &'a self,
        later: usize,
        earlier: usize,
        head: &RequestHead<'_>,
    ) -> Option<&'a HeaderName> {
        let (later, earlier) = (&self.methods[later], &self.methods[earlier]);
        let shared = later.credential_headers().iter().filter(|name| earlier.credential_headers().contains(name));
        let recognizes = |method: &dyn Authenticator, name| method.recognizes(&head.only(Some(name)));
        shared
            .filter(|name| credential::presents(head.headers(), name))
            .find(|name| !recognizes(&**earlier, name) && recognizes(&**later, name))
    }

    /// What a method that has words of its own offers, and what the others offer.
    pub(super) fn offer(&self, place: usize, own: &HeaderValue) -> Option<Arc<HeaderValue>> {
        let mine = self.methods[place].challenge();
        let others = self.methods.iter().map(Authenticator::challenge).filter(|offer| *offer != mine);
        challenge::join([own.to_str().unwrap_or_default()].into_iter().chain(others)).map(Arc::new)
    }

    #[inline]
    pub(super) fn conclude(&self, found: AuthOutcome, place: usize, header: ResponseHeader) -> Found {
        match found {
            // Everybody without a name would be one and the same.
            AuthOutcome::Authenticated(principal) if principal.subject().trim().is_empty() => {
                Err(Rejection::internal(NAMELESS))
            }
            AuthOutcome::Authenticated(principal) => Ok(Settled { identity: Identity::Principal(principal), header }),
            AuthOutcome::NoCredential if self.optional => Ok(Settled { identity: self.nobody(), header: None }),
            AuthOutcome::NoCredential => Err(self.missing.clone()),
            AuthOutcome::Rejected(rejection) => Err(self.offering(rejection, place)),
        }
    }

    /// A 401 with the challenges on offer.
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

    /// The outcome without asking a method, if this request is one that needs none, or why it cannot be asked about.
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
        // Also of a method that would not be asked: the one that decides may not be the one that is repeated.
        if let Some(header) = credential::repeated(headers, &self.policy.credentials) {
            let bearer = credential::is_authorization(header);
            return Some(Err(self.malformed(header, bearer, "a credential header is repeated")));
        }
        if self.reject_ambiguous
            && let Some(header) = credential::second(headers, &self.policy.credentials)
        {
            return Some(Err(self.malformed(header, true, "the request carries more than one credential")));
        }
        None
    }
}

const NAMELESS: &str =
    "a method of authentication has found a principal with an empty subject; a subject names one caller";

fn credentials_of(methods: &[Arc<dyn Authenticator>]) -> impl Iterator<Item = &HeaderName> {
    methods.iter().flat_map(Authenticator::credential_headers)
}

/// The name of a header as documents write it: `X-Api-Key`.
fn as_written(name: &HeaderName) -> String {
    let word = |word: &str| {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        first.to_ascii_uppercase() + rest
    };
    name.as_str().split('-').map(word).collect::<Vec<_>>().join("-")
}
