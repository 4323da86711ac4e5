use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    Rejection, RejectionKind, RequestHead,
    base::{challenges, credential::Parts, maybe_ready::BoxFuture},
    context::{
        attempts::{Attempts, UnderWay},
        identity::Identity,
    },
    limit::{BucketKey, Reservation},
};

/// The name of every guard that limits requests.
pub(crate) const LIMITS: &str = "rate_limit";

/// What a guard decided about a request.
pub(crate) enum Verdict {
    Admit,
    Refuse(Rejection),
    /// The decision has to be awaited.
    Wait(BoxFuture<Waited>),
}

/// The result of a guard's future.
pub(crate) type Waited = Result<Outcome, Rejection>;

impl Verdict {
    /// Admits with the outcome as it is, or refuses with the error.
    #[inline]
    pub(crate) fn of(result: Result<(), Rejection>) -> Self {
        result.map_or_else(Self::Refuse, |()| Self::Admit)
    }
}

/// A check of the head of a request, before the inner service is called.
pub(crate) trait Guard: Send + Sync + 'static {
    /// Returns the name that decisions and logs show.
    fn name(&self) -> &'static str;

    /// Returns whether a refusal is enforced. If not, it is reported and the request continues.
    fn enforced(&self) -> bool {
        true
    }

    /// Sets the outcome that replaces a refusal that is not enforced.
    fn instead(&self, outcome: &mut Outcome) {
        let _ = outcome;
    }

    /// Decides about the request, at once or with a future that owns its data. The outcome is empty. A guard that
    /// admits writes into the outcome what the gate does next. A guard that refuses leaves the outcome empty.
    fn check(&self, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict;

    /// Settles the guard's charge when the response is known, also for a response from further in.
    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        let _ = (charge, answered);
    }
}

/// What a guard has taken from a bucket, and the state of the bucket after that.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) bucket: BucketKey,
    pub(crate) reservation: Reservation,
    /// The size of the tightest window: the requests that fit at once.
    pub(crate) size: u32,
    /// The requests that remain in this window.
    pub(crate) remaining: u32,
    /// The nanoseconds until this window is full.
    pub(crate) reset: u64,
    /// The nanoseconds in which this window is refilled by one request.
    pub(crate) interval: u64,
    /// The time of day of the decision in nanoseconds since 1970, if a header shows it; otherwise zero.
    pub(crate) wall: u64,
    /// The values of the IETF headers `RateLimit-Policy` and `RateLimit`, if the layer writes them.
    pub(crate) fields: Option<Box<[HeaderValue; 2]>>,
}

impl Charge {
    /// Returns a charge whose guard writes no headers.
    pub(crate) const fn without_headers(bucket: BucketKey, reservation: Reservation) -> Self {
        Self { bucket, reservation, size: 0, remaining: 0, reset: 0, interval: 0, wall: 0, fields: None }
    }
}

/// In the extensions of a response: the id of the budget of failed attempts that was charged for it.
#[derive(Clone, Copy)]
pub(crate) struct ChargedBy(pub(crate) u64);

/// The answer to a request, as [`Guard::settle`] sees it.
pub(crate) struct Answered<'a> {
    /// The status of the [`Rejection`], if the response carries one; otherwise the status of the response.
    pub(crate) status: StatusCode,
    /// The kind of the [`Rejection`], if the response carries one.
    pub(crate) refusal: Option<RejectionKind>,
    /// Whether a limit further in refused the request.
    pub(crate) limited: bool,
    pub(crate) headers: &'a mut HeaderMap,
}

/// What the gate does with the request and its response after a guard has admitted it.
#[derive(Default)]
pub(crate) struct Outcome {
    /// The caller, or the anonymous outcome. It replaces the result of an outer gate.
    pub(crate) identity: Option<Identity>,
    /// How an identity guard changes headers.
    pub(crate) policy: Option<Arc<IdentityPolicy>>,
    /// A response header that the source of the credential requires, such as the subprotocol of a WebSocket.
    pub(crate) response_header: Option<Box<(HeaderName, HeaderValue)>>,
    /// The charge to settle when the response is known.
    pub(crate) charge: Option<Charge>,
    /// The budget that is charged for a failed attempt, also if a layer or handler further in detects the failure.
    pub(crate) attempts: Option<Attempts>,
    /// The attempt in progress, if the handler checks the credential. The attempt ends when the handler answers.
    pub(crate) under_way: Option<Box<UnderWay>>,
}

/// How an identity guard changes headers. It is the same for all requests.
#[derive(Debug)]
pub(crate) struct IdentityPolicy {
    /// The headers that contain credentials. They are marked sensitive.
    pub(crate) credentials: Box<[HeaderName]>,
    /// The cookies and subprotocols that are stripped.
    pub(crate) parts: Parts,
    /// Whether these headers are removed before the inner service is called.
    pub(crate) strip: bool,
    /// Headers in which a client could claim an identity. They are always removed.
    pub(crate) remove: Box<[HeaderName]>,
    /// The credential headers that `Vary` lists.
    pub(crate) vary: Option<Vary>,
    /// The challenges of all methods, for a 401 without a challenge.
    pub(crate) challenge: Option<Arc<HeaderValue>>,
    /// How clients get access tokens.
    pub(crate) tokens: TokenOffer,
}

/// What the methods say of access tokens in their challenges.
#[derive(Debug, Default)]
pub(crate) struct TokenOffer {
    /// The URL of the protected resource metadata (RFC 9728).
    pub(super) metadata: Option<Box<str>>,
    /// Whether tokens are taken that are bound to a key (RFC 9449), and whether others are taken too.
    pub(super) dpop: bool,
    pub(super) bearer: bool,
    /// The scheme of tokens that are presented in another way.
    pub(super) other: Option<Box<str>>,
}

impl TokenOffer {
    /// Reads the challenges of all methods.
    pub(crate) fn of(challenge: Option<&HeaderValue>) -> Self {
        let list = challenge.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            metadata: challenges::param_for_tokens(list, "resource_metadata").map(Into::into),
            dpop: challenges::offers(list, "DPoP"),
            bearer: challenges::offers(list, "Bearer"),
            other: challenges::other_scheme(list).map(Into::into),
        }
    }
}

/// Headers on which a response depends.
#[derive(Debug)]
pub(crate) struct Vary {
    pub(super) names: Box<[HeaderName]>,
    /// All names, as a value of `Vary`.
    pub(super) value: HeaderValue,
}

impl Vary {
    /// Returns `None` if there are no names.
    pub(crate) fn on<'a>(names: impl IntoIterator<Item = &'a HeaderName>) -> Option<Self> {
        let names: Box<[HeaderName]> = names.into_iter().cloned().collect();
        let text: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        let value = HeaderValue::try_from(text.join(", ")).ok()?;
        (!names.is_empty()).then_some(Self { names, value })
    }
}
