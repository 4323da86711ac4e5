use std::{borrow::Cow, error::Error, fmt, net::IpAddr};

use http::Method;

use super::kept::Kept;
use crate::{Principal, Rejection, RejectionKind, RequestId, TraceId, base::shown, context::head::RequestHead};

/// One admit or refusal, as an observer sees it, and as the log shows it; never a secret.
///
/// # Why did this customer get a 403 at 03:12?
///
/// The customer has the `x-request-id` of the answer, which is its `trace_id`. Every decision is one `tracing` event
/// of the target `tower_auth`; search the log for the id:
///
/// ```text
/// 03:12:07 INFO tower_auth: request refused kind=InsufficientPermissions status=403 layer="rules" method="DELETE"
///     path="/v1/files/7" required="files:write" subject="acme" key_id="key_7" key_hint="ak_…x9Yz" peer=192.0.2.7
///     trace_id=2fbbf3b6-51a1-4f1b-88e2-c00e8b52fbb8
/// ```
///
/// (A client may choose the id by a `traceparent` header, and so write lines under another's; where that matters,
/// give requests new ones with [`ErrorEnvelopeLayer::restart_traces`](crate::ErrorEnvelopeLayer::restart_traces).)
///
/// So the key `key_7` of `acme` lacked the scope `files:write` for this request. The events and their fields are
/// stable:
///
/// | message | level | fields |
/// |---|---|---|
/// | `request admitted` | DEBUG | `layer`, `method`, `path`, `subject`, `key_id`, `key_hint`, `client`, `peer`, `trace_id` |
/// | `request refused` | INFO | these, and `kind`, `status`, `required`, `limit`, `plan`, `cause` |
/// | `request refused by a fault of the service` | ERROR | the same: a store that is down, a layer that is missing |
/// | `request would have been refused` | WARN | the same, from a guard that only reports |
///
/// | field | is there | and says |
/// |---|---|---|
/// | `kind`, `status`, `layer` | always | the layer that decided: `gate` where all guards admitted, `handler` where the service refused in its own words |
/// | `method`, `path` | where the request is known | what the client asked for, also inside axum's `nest`; see [`path`](Self::path) |
/// | `required` | in a 403 | what the caller lacks; see [`required`](Self::required) |
/// | `limit`, `plan` | in a 429 | the window of the limit that refused, and the plan that sets it |
/// | `client` | where attempts or requests are counted by address | the address that is counted, by [`ClientIp`](crate::ClientIp) |
/// | `subject`, `key_id`, `key_hint` | where the secret matched a record | who is calling |
/// | `peer` | where the host told the address | the other end of the connection: behind a proxy, the proxy |
/// | `trace_id` | where an envelope stands outside | the [`request_id`](Self::request_id) |
/// | `cause` | where there is one | what no client is told, on one line |
///
/// A refusal leaves one line, and a 5xx one at level ERROR, whichever layers the request passes. A refusal below 500 in
/// the words of a handler is logged by an [`AuthStack`](crate::AuthStack) or an envelope around it.
///
/// # What the log does not show
///
/// No credential, no header and no query string is in an event. **The path is logged as it is**: a client that puts
/// a key into the path puts it into the log. Names, paths and causes are cut where they are long, and what could
/// break a line or hide text is escaped.
///
/// To name the request of a refusal from further in, a gate or an envelope keeps the method and the path of each request
/// while an observer is set or the log is read at level ERROR. It costs a few reference counts, and at most one small
/// allocation a request, where the buffer that holds the path is not shared yet.
///
/// # Example
///
/// ```
/// use tower_auth::{ApiKeyLayer, AuthStack, Decision, Secret};
///
/// fn audit(decision: &Decision<'_>) {
///     let path = decision.path().unwrap_or_default();
///     println!("{:?} {path} {} {:?}", decision.request_id(), decision.layer(), decision.rejection());
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
#[derive(Clone, Copy)]
enum Seen<'a> {
    Request(RequestHead<'a>),
    /// The request is gone; this was kept, if anything was.
    Kept(Option<&'a Kept>),
}

/// The most that is shown of what is required.
const REQUIRED: usize = 512;

impl<'a> Decision<'a> {
    /// What the guards of one gate decided about a request.
    #[inline]
    pub(crate) const fn new(request: RequestHead<'a>, layer: &'static str, refusal: Option<&'a Rejection>) -> Self {
        Self { refusal, layer, seen: Seen::Request(request), enforced: true }
    }

    /// A refusal from further in, of which only the response tells.
    pub(crate) fn from_further_in(refusal: &'a Rejection, kept: Option<&'a Kept>) -> Self {
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

    /// Whose connection the request came on, if the host or the service left it; see
    /// [`PeerAddr`](crate::PeerAddr).
    #[must_use]
    pub fn peer_ip(&self) -> Option<IpAddr> {
        match self.seen {
            Seen::Request(request) => request.peer_ip(),
            Seen::Kept(kept) => kept?.peer,
        }
    }

    /// Whether this takes back an admission that was told before: the guards admitted, and something further in
    /// refused. Such a request is told twice.
    #[must_use]
    pub const fn supersedes_admission(&self) -> bool {
        matches!(self.seen, Seen::Kept(..))
    }

    /// Why it may not, if so.
    #[must_use]
    pub const fn rejection(&self) -> Option<&'a Rejection> {
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
            Seen::Kept(kept) => kept?.principal.as_ref(),
            Seen::Request(request) => request.principal(),
        })
    }

    /// A few characters of the key, if its secret matched a record.
    #[must_use]
    pub fn credential_hint(&self) -> Option<&'a str> {
        self.principal().and_then(Principal::credential_hint)
    }

    /// The trace id of the request, if an envelope stands outside.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        match self.seen {
            Seen::Request(request) => request.trace_id(),
            Seen::Kept(kept) => Some(kept?.request_id.as_ref()?.trace_id()),
        }
    }

    /// The id that the client sees in `x-request-id`, if an envelope stands outside. It is the
    /// [`trace_id`](Self::trace_id), unless the envelope
    /// [keeps an id of the client's](crate::ErrorEnvelopeLayer::keep_request_ids).
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        match self.seen {
            Seen::Request(request) => request.request_id().cloned(),
            Seen::Kept(kept) => kept?.request_id.clone(),
        }
    }

    /// The method of the request. It is known for every decision of a gate.
    #[must_use]
    pub fn method(&self) -> Option<&'a Method> {
        match self.seen {
            Seen::Request(request) => Some(request.method()),
            Seen::Kept(kept) => Some(&kept?.asked.method),
        }
    }

    /// The path that the client asked for, also inside axum's `nest`; never the query.
    ///
    /// It is at most 256 bytes of visible ASCII: a longer path is cut and ends in `…`, and other characters, quotes
    /// and backslashes are percent-encoded, so that it can be written anywhere. Decide nothing by it.
    #[must_use]
    pub fn path(&self) -> Option<Cow<'a, str>> {
        let path = match self.seen {
            Seen::Request(request) => request.asked_path(),
            Seen::Kept(kept) => kept?.asked.path(),
        };
        path.map(shown::path)
    }

    /// What a refusal for lack of permission asks for: scopes as they are, of which one is enough, roles as
    /// `role:admin`, an organization as `organization:org_1`, all with spaces in between. A policy that does not say
    /// what it asks for is named by [`Permission::describe`](crate::Permission::describe).
    ///
    /// It is also told where the client is not: behind
    /// [`mask_as_not_found`](crate::RequireLayer::mask_as_not_found).
    #[must_use]
    pub fn required(&self) -> Option<Cow<'a, str>> {
        let required = self.refusal?.required()?;
        Some(match required {
            Cow::Borrowed(text) => shown::text(text, REQUIRED),
            Cow::Owned(text) => Cow::Owned(shown::text(&text, REQUIRED).into_owned()),
        })
    }

    /// The window of the limit that refused, by its name, such as `minute`.
    #[must_use]
    pub fn limit_name(&self) -> Option<&'a str> {
        self.refusal?.policy()
    }

    /// The plan whose limit refused, and the class of the route behind a slash where the plan limits classes apart.
    #[must_use]
    pub fn plan(&self) -> Option<&'a str> {
        self.refusal?.plan()
    }

    /// The address that is counted, by the [`ClientIp`](crate::ClientIp) of the limit that refused, or of a budget of
    /// failed attempts in front. Behind a proxy it is another than [`peer_ip`](Self::peer_ip).
    #[must_use]
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.refusal.and_then(Rejection::client).or_else(|| match self.seen {
            Seen::Request(request) => request.client_ip(),
            Seen::Kept(kept) => kept?.client,
        })
    }

    /// What no client is told: the store's error, the state of the key.
    #[must_use]
    pub fn private_cause(&self) -> Option<&'a (dyn Error + Send + Sync + 'static)> {
        self.refusal.and_then(Rejection::private_cause)
    }
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("refusal", &self.refusal)
            .field("layer", &self.layer)
            .field("method", &self.method())
            .field("path", &self.path())
            .field("required", &self.required())
            .field("limit", &self.limit_name())
            .field("principal", &self.principal())
            .field("client", &self.client_ip())
            .field("peer", &self.peer_ip())
            .field("request_id", &self.request_id())
            .field("enforced", &self.enforced)
            .finish()
    }
}
