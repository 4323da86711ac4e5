//! What an observer is told.

use std::{
    error::Error,
    fmt::{self, Write as _},
    net::IpAddr,
    sync::Arc,
};

use http::Extensions;

use crate::{PeerAddr, Principal, Rejection, RejectionKind, TraceId, identity::Identity};

/// One admit or refusal, as an observer sees it, and as the log shows it; never a secret.
///
/// # Why did this customer get a 401 at 03:12?
///
/// The customer has the `x-request-id` of the answer, which is its `trace_id`. Every decision is one `tracing` event
/// of the target `tower_auth`; search the log for the id:
///
/// ```text
/// 03:12:07 INFO tower_auth: request refused kind=ExpiredKey status=401 layer="api_key" subject="acme" key_id="key_7"
///     key_hint="ak_…x9Yz" peer=192.0.2.7 trace_id=2fbbf3b6-51a1-4f1b-88e2-c00e8b52fbb8 cause=the key is expired
/// ```
///
/// (A client may choose the id by a `traceparent` header, and so write lines under another's; where that matters,
/// give requests new ones with [`ErrorEnvelopeLayer::restart_traces`](crate::ErrorEnvelopeLayer::restart_traces).)
///
/// So it was the key `key_7` of `acme`, and it had expired, whatever the client was told. The events and their fields
/// are stable:
///
/// | message | level | fields |
/// |---|---|---|
/// | `request admitted` | DEBUG | `layer`, `subject`, `key_id`, `key_hint`, `peer`, `trace_id` |
/// | `request refused` | INFO | `kind`, `status`, `layer`, `subject`, `key_id`, `key_hint`, `peer`, `trace_id`, `cause` |
/// | `request refused by a fault of the service` | ERROR | the same: a store that is down, a layer that is missing |
/// | `request would have been refused` | WARN | the same, from a guard that only reports |
///
/// `subject`, `key_id` and `key_hint` are there where the secret matched a record, `peer` where the host told the
/// address. The layer is the one that decided: `gate` where all guards admitted, `handler` where the service refused
/// in its own words.
///
/// # Example
///
/// ```
/// use tower_auth::{ApiKeyLayer, AuthStack, Decision, Secret};
///
/// fn audit(decision: &Decision<'_>) {
///     println!("{:?} {} {:?}", decision.trace_id(), decision.layer(), decision.refusal());
/// }
///
/// let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
/// let stack = AuthStack::builder().auth(keys).on_decision(audit).build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
pub struct Decision<'a> {
    refusal: Option<&'a Rejection>,
    layer: &'static str,
    seen: Seen<'a>,
    enforced: bool,
}

/// Where the facts of a request are looked up, and only when somebody asks for them.
enum Seen<'a> {
    Request(&'a Extensions),
    /// The request is gone; this was kept.
    Kept(Kept<'a>),
}

/// What is left of a request when its response comes back.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kept<'a> {
    pub(crate) principal: Option<&'a Principal>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) peer: Option<IpAddr>,
}

impl<'a> Decision<'a> {
    /// What the guards of one gate decided about a request.
    #[inline]
    pub(crate) const fn new(request: &'a Extensions, layer: &'static str, refusal: Option<&'a Rejection>) -> Self {
        Self { refusal, layer, seen: Seen::Request(request), enforced: true }
    }

    /// A refusal from further in, of which only the response tells.
    pub(crate) fn from_further_in(refusal: &'a Rejection, kept: Kept<'a>) -> Self {
        let layer = refusal.layer().unwrap_or("handler");
        Self { refusal: Some(refusal), layer, seen: Seen::Kept(kept), enforced: true }
    }

    /// The same, of a guard that only reports.
    pub(crate) fn report_only(self) -> Self {
        Self { enforced: false, ..self }
    }

    /// Whether the request goes on: also where a guard that only reports would have refused it.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.refusal.is_none() || !self.enforced
    }

    /// Whether a refusal refuses; not so where the guard only reports.
    #[must_use]
    pub const fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Whose connection the request came on, if the host or the service left it; see [`PeerAddr`].
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        match self.seen {
            Seen::Request(extensions) => PeerAddr::of(extensions).map(|peer| peer.0),
            Seen::Kept(kept) => kept.peer,
        }
    }

    /// Whether this takes back an admission that was told before: the guards admitted, and something further in
    /// refused. Such a request is told twice.
    #[must_use]
    pub const fn overrules(&self) -> bool {
        matches!(self.seen, Seen::Kept(..))
    }

    /// Why it may not, if so.
    #[must_use]
    pub const fn refusal(&self) -> Option<&'a Rejection> {
        self.refusal
    }

    /// The kind of the refusal, if it is one.
    #[must_use]
    pub fn kind(&self) -> Option<RejectionKind> {
        self.refusal.map(Rejection::kind)
    }

    /// The layer that decided: `gate` where all guards admitted, `handler` where the service itself refused.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        self.layer
    }

    /// Who is calling, if that was proved, even where the credential was then refused.
    #[must_use]
    pub fn principal(&self) -> Option<&'a Principal> {
        self.refusal.and_then(Rejection::principal).or_else(|| match self.seen {
            Seen::Kept(kept) => kept.principal,
            Seen::Request(extensions) => match extensions.get() {
                Some(Identity::Principal(principal)) => Some(principal),
                _ => None,
            },
        })
    }

    /// A few characters of the key, if its secret matched a record.
    #[must_use]
    pub fn key_hint(&self) -> Option<&'a str> {
        self.principal().and_then(Principal::credential_hint)
    }

    /// The id of the request, if an envelope stands outside.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        match self.seen {
            Seen::Request(extensions) => extensions.get().copied(),
            Seen::Kept(kept) => kept.trace_id,
        }
    }

    /// What no client is told: the store's error, the state of the key.
    #[must_use]
    pub fn cause(&self) -> Option<&'a (dyn Error + Send + Sync + 'static)> {
        self.refusal.and_then(Rejection::private_cause)
    }

    /// Whether somebody reads the admissions in the log.
    #[inline]
    pub(crate) fn admissions_are_logged() -> bool {
        tracing::enabled!(target: "tower_auth", tracing::Level::DEBUG)
    }

    /// Writes the decision to the log: faults of ours as errors, refusals as information, admissions for debugging.
    pub(crate) fn log(&self) {
        let Some(refusal) = self.refusal else {
            tracing::debug!(
                target: "tower_auth",
                layer = self.layer,
                subject = self.principal().map(Principal::subject),
                key_id = self.principal().and_then(Principal::credential_id),
                key_hint = self.key_hint(),
                peer = self.peer().map(tracing::field::display),
                trace_id = self.trace_id().map(tracing::field::display),
                "request admitted"
            );
            return;
        };
        macro_rules! refused {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: "tower_auth",
                    kind = ?refusal.kind(),
                    status = refusal.status().as_u16(),
                    layer = self.layer,
                    subject = self.principal().map(Principal::subject),
                    key_id = self.principal().and_then(Principal::credential_id),
                    key_hint = self.key_hint(),
                    peer = self.peer().map(tracing::field::display),
                    trace_id = self.trace_id().map(tracing::field::display),
                    cause = self.cause().map(|cause| tracing::field::display(OneLine(cause))),
                    $message
                )
            };
        }
        if !self.enforced {
            refused!(warn, "request would have been refused");
        } else if refusal.status().is_server_error() {
            refused!(error, "request refused by a fault of the service");
        } else {
            refused!(info, "request refused");
        }
    }
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("refusal", &self.refusal)
            .field("layer", &self.layer)
            .field("principal", &self.principal())
            .field("peer", &self.peer())
            .field("trace_id", &self.trace_id())
            .field("enforced", &self.enforced)
            .finish()
    }
}

/// A cause may hold what a client sent: no control character of it reaches the log, so that nobody writes lines of
/// their own.
struct OneLine<'a>(&'a (dyn Error + Send + Sync + 'static));

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .to_string()
            .chars()
            .try_for_each(|c| if c.is_control() { write!(f, "{}", c.escape_default()) } else { f.write_char(c) })
    }
}

/// Whoever wants to be told of decisions.
#[derive(Clone)]
pub(crate) struct Observer(Arc<dyn Fn(&Decision<'_>) + Send + Sync>);

impl Observer {
    pub(crate) fn new(observe: impl Fn(&Decision<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }

    /// Tells this one, and then the other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self::new(move |decision| {
            self.tell(decision);
            other.tell(decision);
        })
    }

    pub(crate) fn tell(&self, decision: &Decision<'_>) {
        (self.0)(decision);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer(..)")
    }
}
