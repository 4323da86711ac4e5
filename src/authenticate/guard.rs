use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use http::{HeaderName, HeaderValue, StatusCode, header, request::Parts};

use super::authenticator::{Authenticated, Authenticator, RequestHead};
use crate::{
    Anonymous, Answer, Clock, ConfigError, Rejection,
    attempts::{Attempts, Draw, Drawn},
    challenge, credential,
    gate::{Guard, IdentityPolicy, Outcome, Vary, Verdict},
    identity::Identity,
    protocol::is_preflight,
};

/// Tells which requests nobody is asked about.
pub(super) type Open = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// What an [`AuthLayer`](crate::AuthLayer) was told.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) methods: Vec<Arc<dyn Authenticator>>,
    pub(super) optional: bool,
    pub(super) pass_preflight: bool,
    pub(super) strip: bool,
    pub(super) report_only: bool,
    pub(super) reject_ambiguous: bool,
    pub(super) tell_header: bool,
    pub(super) open: Option<Open>,
    pub(super) remove: Vec<HeaderName>,
    pub(super) clock: Option<Clock>,
}

/// Asks the methods in their order, and decides what the outcome is.
#[derive(Clone)]
pub(super) struct AuthGuard(Arc<Facts>);

struct Facts {
    methods: Box<[Arc<dyn Authenticator>]>,
    /// Whether two methods read the same header.
    shared: bool,
    optional: bool,
    pass_preflight: bool,
    report_only: bool,
    reject_ambiguous: bool,
    open: Option<Open>,
    clock: Clock,
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
            pass_preflight,
            strip,
            report_only,
            reject_ambiguous,
            tell_header,
            open,
            remove,
            clock,
        } = settings;
        let told = credentials_of(&methods).next().filter(|_| tell_header).map(as_written);
        let mut credentials: Vec<HeaderName> = Vec::new();
        for header in credentials_of(&methods) {
            if !credentials.contains(header) {
                credentials.push(header.clone());
            }
        }
        let policy = Arc::new(IdentityPolicy {
            vary: Vary::on(credentials.iter().filter(|name| !credential::is_authorization(name))),
            credentials: credentials.into(),
            strip,
            remove: remove.into(),
            challenge: challenge::join(methods.iter().map(Authenticator::challenge)).map(Arc::new),
        });
        let fault = methods.iter().find_map(|method| method.check_config().err());
        let clock = clock.unwrap_or_default();
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
            pass_preflight,
            report_only,
            reject_ambiguous,
            open,
            clock,
            policy,
            missing,
            invalid_request,
            fault,
        }))
    }

    fn ask(&self, request: &Parts, from: usize) -> Answer<Verdict> {
        for (place, method) in self.0.methods.iter().enumerate().skip(from) {
            let drawn = OnceLock::new();
            let head = RequestHead::new(request, &self.0.clock, &drawn);
            if self.0.shared && self.0.is_anothers(place, &head) {
                continue;
            }
            match method.authenticate(&head).now() {
                Ok(Authenticated::NoCredential) => {}
                Ok(found) => {
                    return self.settle(found, place, drawn.into_inner().unwrap_or_default(), request.extensions.get());
                }
                Err(future) => {
                    let (guard, last) = (self.clone(), place + 1 == self.0.methods.len());
                    let (drawn, attempts) =
                        (drawn.into_inner().unwrap_or_default(), request.extensions.get::<Attempts>().cloned());
                    // A method that has to wait to find no credential leaves the rest to be asked about the same head.
                    let request = (!last).then(|| request.clone());
                    return Answer::boxed(async move {
                        // What has to be waited for is costly: an attempt is taken before anything is asked.
                        let drawn = match (drawn, &attempts) {
                            (Draw::NotYet, Some(attempts)) => Draw::Held(attempts.draw().await?),
                            (drawn, _) => drawn,
                        };
                        match (future.await, request) {
                            (Authenticated::NoCredential, Some(request)) => {
                                drawn.give_back();
                                guard.ask(&request, place + 1).await
                            }
                            (found, _) => guard.settle(found, place, drawn, attempts.as_ref()).await,
                        }
                    });
                }
            }
        }
        Answer::ready(self.0.conclude(Authenticated::NoCredential, 0))
    }

    /// Charges the sender's attempts for a bad credential, and for nothing else.
    fn settle(&self, found: Authenticated, place: usize, drawn: Draw, attempts: Option<&Attempts>) -> Answer<Verdict> {
        let rejection = match found {
            Authenticated::Rejected(rejection) if rejection.status() == StatusCode::UNAUTHORIZED => rejection,
            found => {
                drawn.give_back();
                return Answer::ready(self.0.conclude(found, place));
            }
        };
        match (drawn, attempts) {
            (Draw::NotYet, Some(attempts)) => {
                let guard = self.clone();
                let charge = move |drawn: Result<Drawn, Rejection>| match drawn {
                    Ok(drawn) => guard.0.conclude(Authenticated::Rejected(rejection.charged(drawn.budget())), place),
                    Err(exhausted) => Err(exhausted),
                };
                attempts.draw().map(charge)
            }
            (Draw::Held(drawn), _) => {
                Answer::ready(self.0.conclude(Authenticated::Rejected(rejection.charged(drawn.budget())), place))
            }
            (Draw::Settled(budget), _) => {
                Answer::ready(self.0.conclude(Authenticated::Rejected(rejection.charged(budget)), place))
            }
            (Draw::NotYet, None) => Answer::ready(self.0.conclude(Authenticated::Rejected(rejection), place)),
        }
    }
}

impl Facts {
    /// Whether this method does not recognise what stands in a header, and another one that reads the header does.
    fn is_anothers(&self, place: usize, head: &RequestHead<'_>) -> bool {
        let method = &self.methods[place];
        let shares = |other: &dyn Authenticator| {
            other.credential_headers().iter().any(|name| method.credential_headers().contains(name))
        };
        !method.recognizes(head)
            && self
                .methods
                .iter()
                .enumerate()
                .any(|(other, method)| other != place && shares(&**method) && method.recognizes(head))
    }

    /// What a method that has words of its own offers, and what the others offer.
    fn offer(&self, place: usize, own: &HeaderValue) -> Option<Arc<HeaderValue>> {
        let mine = self.methods[place].challenge();
        let others = self.methods.iter().map(Authenticator::challenge).filter(|offer| *offer != mine);
        challenge::join([own.to_str().unwrap_or_default()].into_iter().chain(others)).map(Arc::new)
    }

    fn conclude(&self, found: Authenticated, place: usize) -> Verdict {
        match found {
            // Everybody without a name would be one and the same.
            Authenticated::As(principal) if principal.subject().trim().is_empty() => Err(Rejection::internal(NAMELESS)),
            Authenticated::As(principal) => Ok(self.outcome(Identity::Principal(principal))),
            Authenticated::NoCredential if self.optional => Ok(self.nobody()),
            Authenticated::NoCredential => Err(self.missing.clone()),
            Authenticated::Rejected(rejection) if rejection.status() == StatusCode::UNAUTHORIZED => {
                match rejection.own_challenge() {
                    Some(own) if self.methods.len() > 1 => {
                        let offer = self.offer(place, own);
                        Err(rejection.offering(offer))
                    }
                    _ => Err(rejection.challenge(self.policy.challenge.clone())),
                }
            }
            Authenticated::Rejected(rejection) => Err(rejection),
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
    fn check(&self, request: &Parts) -> Answer<Verdict> {
        if let Some(fault) = &self.0.fault {
            return Answer::ready(Err(Rejection::internal(fault.clone())));
        }
        if self.0.pass_preflight && is_preflight(&request.method, &request.headers) {
            let nobody = Anonymous::preflight(self.0.policy.challenge.clone());
            return Answer::ready(Ok(self.0.outcome(Identity::Anonymous(nobody))));
        }
        if self.0.open.as_ref().is_some_and(|open| open(request)) {
            return Answer::ready(Ok(self.0.nobody()));
        }
        // Also of a method that would not be asked: the one that decides may not be the one that is repeated.
        if let Some(header) = credential::repeated(&request.headers, &self.0.policy.credentials) {
            let bearer = credential::is_authorization(header);
            return Answer::ready(Err(self.0.malformed(header, bearer, "a credential header is repeated")));
        }
        if self.0.reject_ambiguous
            && let Some(header) = credential::second(&request.headers, &self.0.policy.credentials)
        {
            return Answer::ready(Err(self.0.malformed(header, true, "the request carries more than one credential")));
        }
        self.ask(request, 0)
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
