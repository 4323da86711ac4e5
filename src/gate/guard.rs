use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{
    Rejection, RejectionKind, RequestHead,
    base::maybe_ready::BoxFuture,
    context::{
        attempts::{Attempts, UnderWay},
        identity::Identity,
    },
    limit::{BucketKey, Reservation},
};

/// The name of every guard that limits.
pub(crate) const LIMITS: &str = "rate_limit";

/// What a guard decided about a request.
pub(crate) enum Verdict {
    Admit,
    Refuse(Rejection),
    Wait(BoxFuture<Waited>),
}

/// What a guard answers that had to be waited for.
pub(crate) type Waited = Result<Outcome, Rejection>;

impl Verdict {
    /// Refuses, or admits with what was written into the outcome.
    #[inline]
    pub(crate) fn of(result: Result<(), Rejection>) -> Self {
        result.map_or_else(Self::Refuse, |()| Self::Admit)
    }
}

/// A question about the head of a request, asked before the inner service sees it.
pub(crate) trait Guard: Send + Sync + 'static {
    /// The name that decisions and logs show.
    fn name(&self) -> &'static str;

    /// Whether a refusal refuses; where not, it is reported and the request goes on.
    fn enforced(&self) -> bool {
        true
    }

    /// What the gate does where a refusal does not refuse.
    fn instead(&self, outcome: &mut Outcome) {
        let _ = outcome;
    }

    /// Decides at once, or with a future that owns what it needs. What the gate is to do when the request is admitted is
    /// written into the outcome, which is empty: a refusal leaves it so.
    fn check(&self, request: &RequestHead<'_>, outcome: &mut Outcome) -> Verdict;

    /// Settles what it charged, now that the response is known, whoever made it.
    fn settle(&self, charge: &Charge, answered: &mut Answered<'_>) {
        let _ = (charge, answered);
    }
}

/// What a guard has taken out of a bucket, and how the bucket stood then.
#[derive(Clone, Debug)]
pub(crate) struct Charge {
    pub(crate) bucket: BucketKey,
    pub(crate) reservation: Reservation,
    /// The tightest window: what fits at once, what is left of it, and the nanoseconds until it is full.
    pub(crate) size: u32,
    pub(crate) remaining: u32,
    pub(crate) reset: u64,
    /// The nanoseconds that refill it by one.
    pub(crate) interval: u64,
    /// The time of day of the decision in nanoseconds since 1970, where a header shows the time of day.
    pub(crate) wall: u64,
    /// The fields of the IETF, where they are wanted: `RateLimit-Policy` and `RateLimit`.
    pub(crate) fields: Option<Box<[HeaderValue; 2]>>,
}

/// In a response: the budget of failed attempts that was charged for it.
#[derive(Clone, Copy)]
pub(crate) struct ChargedBy(pub(crate) u64);

/// What was answered to a request.
pub(crate) struct Answered<'a> {
    /// The status of the refusal, if it is one of this crate's, else that of the response.
    pub(crate) status: StatusCode,
    /// The kind of the refusal, if it is one of this crate's.
    pub(crate) refusal: Option<RejectionKind>,
    /// Whether a limit refused it, further in than the one that is asked.
    pub(crate) limited: bool,
    pub(crate) headers: &'a mut HeaderMap,
}

/// What the gate is to do before the next guard is asked.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Who is calling, or nobody: it takes the place of what an outer gate found.
    pub(crate) identity: Option<Identity>,
    /// What an identity guard wants done with headers.
    pub(crate) policy: Option<Arc<IdentityPolicy>>,
    /// A header for the response that the source of the credential asks for, such as the subprotocol of a WebSocket.
    pub(crate) response_header: Option<Box<(HeaderName, HeaderValue)>>,
    /// What is to be settled when the response is known.
    pub(crate) charge: Option<Charge>,
    /// The budget of failed attempts that is charged for a failure, whoever finds out about it.
    pub(crate) attempts: Option<Attempts>,
    /// Where the handler looks at the credential: the attempt, which is under way until it answers.
    pub(crate) under_way: Option<Box<UnderWay>>,
}

/// What an identity guard wants done with headers, the same for all requests.
#[derive(Debug)]
pub(crate) struct IdentityPolicy {
    /// The headers in which credentials stand: marked sensitive.
    pub(crate) credentials: Box<[HeaderName]>,
    /// Whether these headers are taken out before the inner service.
    pub(crate) strip: bool,
    /// Headers in which a client might claim to be somebody: always taken out.
    pub(crate) remove: Box<[HeaderName]>,
    /// The credential headers that shared caches do not know to be credentials.
    pub(crate) vary: Option<Vary>,
    /// The challenges of all methods, for a 401 that offers none.
    pub(crate) challenge: Option<Arc<HeaderValue>>,
}

/// Headers on which a response depends.
#[derive(Debug)]
pub(crate) struct Vary {
    pub(super) names: Box<[HeaderName]>,
    /// All of them, as a value of `Vary`.
    pub(super) value: HeaderValue,
}

impl Vary {
    /// Nothing where there are none.
    pub(crate) fn on<'a>(names: impl IntoIterator<Item = &'a HeaderName>) -> Option<Self> {
        let names: Box<[HeaderName]> = names.into_iter().cloned().collect();
        let text: Vec<&str> = names.iter().map(HeaderName::as_str).collect();
        let value = HeaderValue::try_from(text.join(", ")).ok()?;
        (!names.is_empty()).then_some(Self { names, value })
    }
}
