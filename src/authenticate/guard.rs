use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};

use super::{
    authenticator::{AuthOutcome, Authenticator, RequestHead},
    under_way::{UnderWay, failed, holder},
};
use crate::{
    Anonymous, Clock, ConfigError, MaybeReady, Rejection,
    base::{
        challenge, credential,
        maybe_ready::BoxFuture,
        protocol::is_preflight,
        time_limit::{self, TimeLimit},
    },
    context::{attempts::Attempts, identity::Identity},
    gate::{Guard, IdentityPolicy, Outcome, Vary, Verdict},
};

/// Tells which requests nobody is asked about.
pub(super) type Open = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

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

/// Asks the methods in their order, and decides what the outcome is.
#[derive(Clone)]
pub(super) struct AuthGuard(Arc<Facts>);

struct Facts {
    methods: Box<[Arc<dyn Authenticator>]>,
    /// Whether two methods read the same header.
    shared: bool,
    optional: bool,
    allow_preflight: bool,
    report_only: bool,
    reject_ambiguous: bool,
    open: Option<Open>,
    limit: TimeLimit,
    policy: Arc<IdentityPolicy>,
    /// The refusal of those who bring nothing, made once.
    missing: Rejection,
    /// What a 400 says to a client of RFC 6750, where that is spoken.
    invalid_request: Option<HeaderValue>,
    fault: Option<ConfigError>,
}

impl AuthGuard {
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
        Self(Arc::new(Facts {
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
        }))
    }

    /// Asks the methods from this place on. Those in `passed` were passed over for another one.
    fn ask(&self, request: &Parts, from: usize, mut passed: Places) -> MaybeReady<Verdict> {
        let facts = &*self.0;
        for (place, method) in facts.methods.iter().enumerate().skip(from) {
            let asked = OnceLock::new();
            let head = RequestHead::new(request, &facts.limit, &asked);
            let header = if facts.shared { facts.taken_over(place, passed, &head) } else { None };
            if facts.shared && facts.is_anothers(place, &head) {
                passed.insert(place);
                continue;
            }
            // It is to look in that header alone, and not to find another credential elsewhere.
            let alone =
                header.filter(|_| method.credential_headers().len() > 1).map(|kept| alone(request, method, kept));
            let head = RequestHead::new(alone.as_ref().unwrap_or(request), &facts.limit, &asked).only(header);
            match head.ask(method).now() {
                Ok(AuthOutcome::NoCredential) => {
                    if header.is_some() {
                        return self.ask_passed(request, place, passed);
                    }
                }
                Ok(found) => return self.settle(found, place, request.extensions.get()),
                Err(check) => {
                    let waiting = Waiting { place, passed, taken_over: header.is_some(), asked: asked.get().is_some() };
                    return self.wait(check, waiting, request);
                }
            }
        }
        MaybeReady::ready(facts.conclude(AuthOutcome::NoCredential, 0))
    }

    /// A method took a header over and found nothing there: the one that was passed over decides.
    fn ask_passed(&self, request: &Parts, after: usize, mut passed: Places) -> MaybeReady<Verdict> {
        let asked = OnceLock::new();
        let head = RequestHead::new(request, &self.0.limit, &asked);
        // A later one may recognise it too.
        if (after + 1..self.0.methods.len()).any(|later| self.0.taken_over(later, passed, &head).is_some()) {
            return self.ask(request, after + 1, passed);
        }
        let Some(place) = passed.take_first() else { return self.ask(request, after + 1, passed) };
        match head.ask(&self.0.methods[place]).now() {
            Ok(AuthOutcome::NoCredential) => self.ask_passed(request, after, passed),
            Ok(found) => self.settle(found, place, request.extensions.get()),
            Err(check) => {
                let asked = asked.get().is_some();
                self.wait(check, Waiting { place: after, passed, taken_over: true, asked }, request)
            }
        }
    }

    /// Waits for a method. Its check counts as under way from the address, if somebody counts failed attempts.
    fn wait(&self, check: BoxFuture<AuthOutcome>, waiting: Waiting, request: &Parts) -> MaybeReady<Verdict> {
        let (guard, Waiting { place, passed, taken_over, asked }) = (self.clone(), waiting);
        let attempts = request.extensions.get::<Attempts>().cloned();
        // A method that has to wait to find no credential leaves the rest to be asked about the same head.
        let last = place + 1 == self.0.methods.len() && !taken_over;
        let request = (!last).then(|| request.clone());
        MaybeReady::boxed(async move {
            let (found, _slot) = match &attempts {
                None => (check.await, None),
                Some(attempts) => {
                    let slot = attempts.enter()?;
                    if !asked {
                        attempts.ask().await?;
                    }
                    UnderWay::new(check, attempts.clone(), slot).await
                }
            };
            match (found, request) {
                (AuthOutcome::NoCredential, Some(request)) if taken_over => {
                    guard.ask_passed(&request, place, passed).await
                }
                (AuthOutcome::NoCredential, Some(request)) => guard.ask(&request, place + 1, passed).await,
                (found, _) => guard.settle(found, place, attempts.as_ref()).await,
            }
        })
    }

    /// Charges a bad credential, and nothing else: a proved holder for what is wrong with it, else the address.
    fn settle(&self, found: AuthOutcome, place: usize, attempts: Option<&Attempts>) -> MaybeReady<Verdict> {
        let (Some(attempts), Some(failed)) = (attempts, failed(&found)) else {
            return MaybeReady::ready(self.0.conclude(found, place));
        };
        let (guard, budget) = (self.clone(), attempts.budget());
        attempts.charge(holder(failed), Some(failed)).map(move |allowed| match found {
            AuthOutcome::Rejected(rejection) => {
                allowed?;
                guard.0.conclude(AuthOutcome::Rejected(rejection.charged(budget)), place)
            }
            found => guard.0.conclude(found, place),
        })
    }
}

/// The request with one of the headers that a method reads, and without the others.
fn alone(request: &Parts, method: &Arc<dyn Authenticator>, kept: &HeaderName) -> Parts {
    let mut alone = request.clone();
    let others: Vec<_> = method.credential_headers().iter().filter(|name| *name != kept).cloned().collect();
    credential::strip(&mut alone.headers, &others);
    alone
}

/// A method that is waited for.
struct Waiting {
    place: usize,
    passed: Places,
    /// Whether it took a header over from a method before it.
    taken_over: bool,
    /// Whether the budget of failed attempts was asked already.
    asked: bool,
}

/// Places of methods; there are never more than a few.
#[derive(Clone, Copy, Default)]
struct Places(u64);

impl Places {
    const fn insert(&mut self, place: usize) {
        if place < 64 {
            self.0 |= 1 << place;
        }
    }

    const fn contains(self, place: usize) -> bool {
        place < 64 && self.0 & (1 << place) != 0
    }

    const fn take_first(&mut self) -> Option<usize> {
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
    fn is_anothers(&self, place: usize, head: &RequestHead<'_>) -> bool {
        // More methods than that are never passed over.
        place < 64 && (place + 1..self.methods.len()).any(|later| self.takes_over(later, place, head).is_some())
    }

    /// The header that this method took over from one that was passed over.
    fn taken_over<'a>(&'a self, place: usize, passed: Places, head: &RequestHead<'_>) -> Option<&'a HeaderName> {
        (0..place).filter(|earlier| passed.contains(*earlier)).find_map(|earlier| self.takes_over(place, earlier, head))
    }

    /// The header that both methods read, and in which only the later one recognises what stands there.
    fn takes_over<'a>(&'a self, later: usize, earlier: usize, head: &RequestHead<'_>) -> Option<&'a HeaderName> {
        let (later, earlier) = (&self.methods[later], &self.methods[earlier]);
        let shared = later.credential_headers().iter().filter(|name| earlier.credential_headers().contains(name));
        let recognizes = |method: &dyn Authenticator, name| method.recognizes(&head.only(Some(name)));
        shared
            .filter(|name| credential::presents(&head.headers, name))
            .find(|name| !recognizes(&**earlier, name) && recognizes(&**later, name))
    }

    /// What a method that has words of its own offers, and what the others offer.
    fn offer(&self, place: usize, own: &HeaderValue) -> Option<Arc<HeaderValue>> {
        let mine = self.methods[place].challenge();
        let others = self.methods.iter().map(Authenticator::challenge).filter(|offer| *offer != mine);
        challenge::join([own.to_str().unwrap_or_default()].into_iter().chain(others)).map(Arc::new)
    }

    fn conclude(&self, found: AuthOutcome, place: usize) -> Verdict {
        match found {
            // Everybody without a name would be one and the same.
            AuthOutcome::Authenticated(principal) if principal.subject().trim().is_empty() => {
                Err(Rejection::internal(NAMELESS))
            }
            AuthOutcome::Authenticated(principal) => Ok(self.outcome(Identity::Principal(principal))),
            AuthOutcome::NoCredential if self.optional => Ok(self.nobody()),
            AuthOutcome::NoCredential => Err(self.missing.clone()),
            AuthOutcome::Rejected(rejection) if rejection.status() == StatusCode::UNAUTHORIZED => {
                match rejection.own_challenge() {
                    Some(own) if self.methods.len() > 1 => {
                        let offer = self.offer(place, own);
                        Err(rejection.offering(offer))
                    }
                    _ => Err(rejection.challenge(self.policy.challenge.clone())),
                }
            }
            AuthOutcome::Rejected(rejection) => Err(rejection),
        }
    }

    fn malformed(&self, header: &HeaderName, bearer: bool, why: &'static str) -> Rejection {
        let rejection = Rejection::malformed_header(header.as_str(), why);
        match &self.invalid_request {
            Some(challenge) if bearer => rejection.header(header::WWW_AUTHENTICATE, challenge.clone()),
            _ => rejection,
        }
    }

    fn nobody(&self) -> Outcome {
        self.outcome(Identity::Anonymous(Anonymous::new(self.policy.challenge.clone())))
    }

    fn outcome(&self, identity: Identity) -> Outcome {
        Outcome { identity: Some(identity), policy: Some(Arc::clone(&self.policy)), ..Outcome::default() }
    }
}

impl Guard for AuthGuard {
    fn name(&self) -> &'static str {
        "auth"
    }

    fn enforced(&self) -> bool {
        !self.0.report_only
    }

    fn instead(&self) -> Outcome {
        self.0.nobody()
    }

    #[inline]
    fn check(&self, request: &Parts) -> MaybeReady<Verdict> {
        if let Some(fault) = &self.0.fault {
            return MaybeReady::ready(Err(Rejection::internal(fault.clone())));
        }
        if self.0.allow_preflight && is_preflight(&request.method, &request.headers) {
            let nobody = Anonymous::preflight(self.0.policy.challenge.clone());
            return MaybeReady::ready(Ok(self.0.outcome(Identity::Anonymous(nobody))));
        }
        if self.0.open.as_ref().is_some_and(|open| open(request)) {
            return MaybeReady::ready(Ok(self.0.nobody()));
        }
        // Also of a method that would not be asked: the one that decides may not be the one that is repeated.
        if let Some(header) = credential::repeated(&request.headers, &self.0.policy.credentials) {
            let bearer = credential::is_authorization(header);
            return MaybeReady::ready(Err(self.0.malformed(header, bearer, "a credential header is repeated")));
        }
        if self.0.reject_ambiguous
            && let Some(header) = credential::second(&request.headers, &self.0.policy.credentials)
        {
            return MaybeReady::ready(Err(self.0.malformed(
                header,
                true,
                "the request carries more than one credential",
            )));
        }
        self.ask(request, 0, Places::default())
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

impl fmt::Debug for AuthGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthGuard").field("challenge", &self.0.policy.challenge).finish_non_exhaustive()
    }
}
