use std::{borrow::Cow, error::Error, fmt, net::IpAddr, time::SystemTime};

use http::{HeaderValue, Method, header};

use super::kept::Kept;
use crate::{Clock, Principal, Rejection, RejectionKind, RequestId, TraceId, base::shown, context::head::RequestHead};

/// One admission or refusal, as an observer receives it and as the log shows it. A decision never contains a secret.
///
/// # Why did this customer get a 403 at 03:12?
///
/// The customer reads the `x-request-id` of the response. The log shows the same id as `trace_id`. Every decision is
/// one `tracing` event of the target `tower_auth`; search the log for the id:
///
/// ```text
/// 03:12:07 INFO tower_auth: request refused kind=InsufficientPermissions status=403 layer="rules" method="DELETE"
///     path="/v1/files/7" required="files:write" subject="acme" key_id="key_7" key_hint="ak_…x9Yz" peer=192.0.2.7
///     trace_id=2fbbf3b6-51a1-4f1b-88e2-c00e8b52fbb8
/// ```
///
/// The key `key_7` of `acme` lacked the scope `files:write` for this request.
///
/// A client can choose the id with a `traceparent` header, and so create log lines with the id of another request. To
/// prevent this, use [`ErrorEnvelopeLayer::restart_traces`](crate::ErrorEnvelopeLayer::restart_traces).
///
/// The events and their fields are stable:
///
/// | message | level | fields |
/// |---|---|---|
/// | `request admitted` | DEBUG | `layer`, `method`, `path`, `subject`, `key_id`, `key_hint`, `client`, `peer`, `trace_id` |
/// | `request refused` | INFO | the fields above, and `kind`, `status`, `required`, `limit`, `plan`, `cause` |
/// | `request refused by a fault of the service` | ERROR | as for `request refused`: a store is down, or a layer is missing |
/// | `request would have been refused` | WARN | as for `request refused`, from a guard that only reports |
///
/// | field | present | content |
/// |---|---|---|
/// | `kind`, `status`, `layer` | always | kind and status of a refusal, and the layer that decided: `gate` if all guards admitted, `handler` if the service itself refused |
/// | `method`, `path` | if the request is known | the method and the path that the client requested, also inside axum's `nest`; see [`path`](Self::path) |
/// | `required` | if a permission was denied | what the caller lacks; see [`required`](Self::required) |
/// | `limit`, `plan` | in a 429 | the window of the limit that refused, and the plan that sets it |
/// | `client` | if attempts or requests are counted by address | the address that is counted; see [`ClientIp`](crate::ClientIp) |
/// | `subject`, `key_id`, `key_hint` | if the secret matched a record | the caller |
/// | `peer` | if the host provides the address | the other end of the connection: behind a proxy, the proxy |
/// | `trace_id` | if there is an outer envelope | the [`request_id`](Self::request_id) |
/// | `cause` | if there is one | the private cause, which no client sees, on one line |
///
/// A refusal is logged once, regardless of the number of layers that the response passes. A 5xx is logged at level
/// ERROR. If a handler itself refuses with a status below 500, an [`AuthStack`](crate::AuthStack) or an envelope around
/// it logs the refusal.
///
/// # What the log does not show
///
/// An event contains no credential, no header and no query string. **The path is logged unchanged**: if a client puts a
/// key into the path, the key is in the log. Long names, paths and causes are cut, and characters that could break a
/// line or hide text are escaped.
///
/// While an observer is set or level ERROR is enabled, a gate or an envelope keeps the method and the path of each
/// request, for the log line of a refusal by an inner layer or handler. This costs a few reference counts and at most
/// one small allocation a request, if the buffer that holds the path is not shared yet.
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

/// The source of the facts about a request, which are read on demand.
#[derive(Clone, Copy)]
enum Seen<'a> {
    Request(RequestHead<'a>),
    /// The request was consumed. This is what was kept of it, if anything.
    Kept(Option<&'a Kept>),
}

/// The maximum length of `required`.
const REQUIRED: usize = 512;

impl<'a> Decision<'a> {
    /// Makes the decision of the guards of one gate about a request.
    #[inline]
    pub(crate) const fn new(request: RequestHead<'a>, layer: &'static str, refusal: Option<&'a Rejection>) -> Self {
        Self { refusal, layer, seen: Seen::Request(request), enforced: true }
    }

    /// Makes the decision of a refusal from further in, which is known from the response only.
    pub(crate) fn from_further_in(refusal: &'a Rejection, kept: Option<&'a Kept>) -> Self {
        let layer = refusal.layer().unwrap_or("handler");
        Self { refusal: Some(refusal), layer, seen: Seen::Kept(kept), enforced: true }
    }

    /// Marks the decision as that of a guard that only reports.
    pub(crate) fn report_only(self) -> Self {
        Self { enforced: false, ..self }
    }

    /// Returns whether the request is admitted. Also returns true if a guard with `report_only` would have refused the
    /// request.
    #[must_use]
    pub const fn is_admitted(&self) -> bool {
        self.refusal.is_none() || !self.enforced
    }

    /// Returns whether the decision is enforced; false if the guard only reports.
    #[must_use]
    pub const fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// Returns the address of the other end of the connection, if the host or the service provides it; see
    /// [`PeerAddr`](crate::PeerAddr).
    #[must_use]
    pub fn peer_ip(&self) -> Option<IpAddr> {
        match self.seen {
            Seen::Request(request) => request.peer_ip(),
            Seen::Kept(kept) => kept?.peer,
        }
    }

    /// Returns whether this refusal follows an admission of the same request: the guards admitted the request, and an
    /// inner layer or handler refused it. The observer is called for both decisions.
    #[must_use]
    pub const fn supersedes_admission(&self) -> bool {
        matches!(self.seen, Seen::Kept(..))
    }

    /// Returns the refusal, if the request is refused.
    #[must_use]
    pub const fn rejection(&self) -> Option<&'a Rejection> {
        self.refusal
    }

    /// Returns the kind of the refusal, if the request is refused.
    #[must_use]
    pub fn kind(&self) -> Option<RejectionKind> {
        self.refusal.map(Rejection::kind)
    }

    /// Returns the layer that decided: `gate` if all guards admitted, `handler` if the service itself refused.
    #[must_use]
    pub const fn layer(&self) -> &'static str {
        self.layer
    }

    /// Returns the caller, if the secret was verified. The caller is known even if the credential was then refused.
    #[must_use]
    pub fn principal(&self) -> Option<&'a Principal> {
        self.refusal.and_then(Rejection::principal).or_else(|| match self.seen {
            Seen::Kept(kept) => kept?.principal.as_ref(),
            Seen::Request(request) => request.principal(),
        })
    }

    /// Returns a few characters of the key, if its secret matched a record.
    #[must_use]
    pub fn credential_hint(&self) -> Option<&'a str> {
        self.principal().and_then(Principal::credential_hint)
    }

    /// Returns the trace id of the request, if there is an outer envelope.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        match self.seen {
            Seen::Request(request) => request.trace_id(),
            Seen::Kept(kept) => Some(kept?.request_id.as_ref()?.trace_id()),
        }
    }

    /// Returns the id that the client sees in `x-request-id`, if there is an outer envelope. It is the
    /// [`trace_id`](Self::trace_id), unless the envelope keeps the client's own id
    /// ([`keep_request_ids`](crate::ErrorEnvelopeLayer::keep_request_ids)).
    #[must_use]
    pub fn request_id(&self) -> Option<RequestId> {
        match self.seen {
            Seen::Request(request) => request.request_id().cloned(),
            Seen::Kept(kept) => kept?.request_id.clone(),
        }
    }

    /// Returns what is kept of the request, to show this decision later. No text is copied.
    pub(crate) fn keep(&self) -> Option<Kept> {
        match self.seen {
            Seen::Request(request) => Some(Kept::seen(&request)),
            Seen::Kept(kept) => kept.cloned(),
        }
    }

    /// Returns the value of the header `User-Agent`, as the client has sent it. It is known for every decision of a gate.
    #[must_use]
    pub fn user_agent(&self) -> Option<&'a [u8]> {
        match self.seen {
            Seen::Request(request) => request.headers().get(header::USER_AGENT).map(HeaderValue::as_bytes),
            Seen::Kept(_) => None,
        }
    }

    /// Returns the time of day by this clock. The system's clock is read once for all guards and observers of a gate.
    pub(crate) fn now(&self, clock: &Clock) -> SystemTime {
        match self.seen {
            Seen::Request(request) => request.pass().map_or_else(|| clock.now(), |pass| pass.now(clock)),
            Seen::Kept(_) => clock.now(),
        }
    }

    /// Returns the method of the request. It is known for every decision of a gate.
    #[must_use]
    pub fn method(&self) -> Option<&'a Method> {
        match self.seen {
            Seen::Request(request) => Some(request.method()),
            Seen::Kept(kept) => Some(&kept?.asked.method),
        }
    }

    /// Returns the path that the client requested, also inside axum's `nest`, without the query.
    ///
    /// The path is at most 256 bytes of visible ASCII: a longer path is cut and ends in `…`, and other characters,
    /// quotes and backslashes are percent-encoded, so that the path is safe to print. Do not use it for access
    /// decisions.
    #[must_use]
    pub fn path(&self) -> Option<Cow<'a, str>> {
        let path = match self.seen {
            Seen::Request(request) => request.asked_path(),
            Seen::Kept(kept) => kept?.asked.path(),
        };
        path.map(shown::path)
    }

    /// Returns what the caller lacks, if a permission was denied, separated by spaces: scopes by name, of which one is
    /// enough, roles as `role:admin`, an organization as `organization:org_1`. If a policy names none of these, the
    /// text is that of [`Permission::describe`](crate::Permission::describe).
    ///
    /// The text is present even if the client does not see it, as with
    /// [`mask_as_not_found`](crate::RequireLayer::mask_as_not_found).
    #[must_use]
    pub fn required(&self) -> Option<Cow<'a, str>> {
        let required = self.refusal?.required()?;
        Some(match required {
            Cow::Borrowed(text) => shown::text(text, REQUIRED),
            Cow::Owned(text) => Cow::Owned(shown::text(&text, REQUIRED).into_owned()),
        })
    }

    /// Returns the name of the window of the limit that refused, such as `minute`.
    #[must_use]
    pub fn limit_name(&self) -> Option<&'a str> {
        self.refusal?.policy()
    }

    /// Returns the plan of the limit that refused. If the limit applies to one route class, a slash and the class
    /// follow.
    #[must_use]
    pub fn plan(&self) -> Option<&'a str> {
        self.refusal?.plan()
    }

    /// Returns the address that is counted, as found by the [`ClientIp`](crate::ClientIp) of the limit that refused, or
    /// of a budget of failed attempts. Behind a proxy it differs from [`peer_ip`](Self::peer_ip).
    #[must_use]
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.refusal.and_then(Rejection::client).or_else(|| match self.seen {
            Seen::Request(request) => request.client_ip(),
            Seen::Kept(kept) => kept?.client,
        })
    }

    /// Returns the private cause, which no client sees, such as the store's error or the state of the key.
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
