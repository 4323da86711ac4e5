use std::{borrow::Cow, error::Error, fmt, net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use super::{Detail, RejectionKind, Restriction, demand::Demand};
use crate::{BoxError, Principal, base::challenge, json::FieldViolation};

/// Why a request was refused: a kind, public details, and a private cause that no client sees.
///
/// ```
/// use http::StatusCode;
/// use tower_auth::{Rejection, RejectionKind};
///
/// let refusal = Rejection::custom(StatusCode::NOT_FOUND, "MODEL_NOT_FOUND").message("There is no such model.");
/// assert_eq!(refusal.kind(), RejectionKind::Custom);
///
/// // The refusal can be read from the response, rendered or not.
/// let response: http::Response<String> = refusal.into_response();
/// assert_eq!(response.status(), StatusCode::NOT_FOUND);
/// assert_eq!(Rejection::of(&response).unwrap().code(), Some("MODEL_NOT_FOUND"));
/// ```
#[derive(Clone)]
#[must_use = "a rejection refuses nothing until it is returned"]
pub struct Rejection {
    pub(super) facts: Arc<Facts>,
    // The fields below are not part of the facts, so that they can be set on a shared refusal without a copy of the
    // facts.
    challenge: Option<Arc<HeaderValue>>,
    layer: Option<&'static str>,
    logged: bool,
    /// An envelope has made it from an error without a rejection.
    adopted: bool,
    /// The budget of failed attempts that was charged for it.
    charged: Option<u64>,
}

#[derive(Clone)]
pub(super) struct Facts {
    pub(super) kind: RejectionKind,
    pub(super) status: StatusCode,
    pub(super) words: Option<Words>,
    pub(super) details: Vec<(Cow<'static, str>, Detail)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) retry_after: Option<Duration>,
    pub(super) cause: Option<Arc<dyn Error + Send + Sync>>,
    pub(super) principal: Option<Principal>,
    /// The limit that was used up.
    pub(super) policy: Option<Box<str>>,
    /// The plan that sets the limit.
    pub(super) plan: Option<Arc<str>>,
    /// The address that was counted.
    pub(super) client: Option<IpAddr>,
    /// What the caller lacks, if it is not in the details.
    pub(super) required: Option<Box<str>>,
    /// The restriction of the key that forbids the request.
    pub(super) restriction: Option<Restriction>,
    /// What a better token would have.
    pub(super) demand: Option<Box<Demand>>,
    /// Nobody is charged for a failed attempt.
    pub(super) is_no_guess: bool,
}

impl Facts {
    pub(super) fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            status: kind.status(),
            words: None,
            details: Vec::new(),
            headers: Vec::new(),
            retry_after: None,
            cause: None,
            principal: None,
            policy: None,
            plan: None,
            client: None,
            required: None,
            restriction: None,
            demand: None,
            is_no_guess: false,
        }
    }
}

/// The texts that a handler has set itself.
#[derive(Clone, Default)]
pub(super) struct Words {
    code: Option<Cow<'static, str>>,
    message: Option<Cow<'static, str>>,
    system_message: Option<Cow<'static, str>>,
}

impl Rejection {
    /// Returns a refusal of a kind, with its status and the texts of the catalogue.
    pub fn new(kind: RejectionKind) -> Self {
        Self::of_facts(Facts::new(kind))
    }

    pub(super) fn of_facts(facts: Facts) -> Self {
        Self { facts: Arc::new(facts), challenge: None, layer: None, logged: false, adopted: false, charged: None }
    }

    /// Returns a refusal with a status and a code of your choice.
    ///
    /// A 1xx status, or a 2xx status other than 204, is answered 500, and a log line says why. 204 and 304 are sent
    /// without a body.
    pub fn custom(status: StatusCode, code: impl Into<Cow<'static, str>>) -> Self {
        if status.is_informational() || (status.is_success() && status != StatusCode::NO_CONTENT) {
            return Self::internal(format!(
                "a handler refused a request with {status}, which is not an error status; use 4xx or 5xx"
            ));
        }
        Self::new(RejectionKind::Custom).status_code(status).words(|words| words.code = Some(code.into()))
    }

    /// Returns 401: the name or password is wrong.
    pub fn invalid_credentials() -> Self {
        Self::new(RejectionKind::InvalidCredentials)
    }

    /// Returns 404: there is no such resource.
    pub fn not_found() -> Self {
        Self::new(RejectionKind::NotFound)
    }

    /// Returns 422: fields of the body are invalid. Use it also for checks that a type cannot express.
    ///
    /// ```
    /// use tower_auth::{Rejection, json::FieldViolation};
    ///
    /// fn at_most_ten(count: i64) -> Result<(), Rejection> {
    ///     let wrong = || Rejection::invalid_fields([FieldViolation::new("/count", "must be at most 10")]);
    ///     if count > 10 { Err(wrong()) } else { Ok(()) }
    /// }
    /// # assert!(at_most_ten(11).is_err());
    /// ```
    pub fn invalid_fields(fields: impl IntoIterator<Item = FieldViolation>) -> Self {
        let fields: Vec<FieldViolation> = fields.into_iter().collect();
        Self::new(RejectionKind::InvalidFields).detail("fields", fields)
    }

    /// Returns 503: a required service does not answer. The cause is logged and never sent.
    pub fn unavailable(cause: impl Into<BoxError>) -> Self {
        Self::new(RejectionKind::Unavailable).retry_after(Duration::from_secs(1)).cause(cause)
    }

    /// Returns 500: a fault of the service. The cause is logged and never sent.
    pub fn internal(cause: impl Into<BoxError>) -> Self {
        Self::new(RejectionKind::Internal).cause(cause)
    }

    pub(crate) fn missing_credential(challenge: Option<Arc<HeaderValue>>) -> Self {
        Self::new(RejectionKind::MissingCredential).challenge(challenge)
    }

    /// Returns 400: a credential header is malformed or ambiguous. Its name is sent, and never its value.
    pub(crate) fn malformed_header(name: &str, cause: &'static str) -> Self {
        Self::new(RejectionKind::MalformedRequest).detail("header", name.to_owned()).cause(cause)
    }

    /// Sets a public detail. A detail of the same name is replaced.
    pub fn detail(self, name: impl Into<Cow<'static, str>>, value: impl Into<Detail>) -> Self {
        let (name, value) = (name.into(), value.into());
        self.set(|facts| match facts.details.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => facts.details.push((name, value)),
        })
    }

    /// Sets the message for the client's user, instead of the catalogue's.
    pub fn message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.words(|words| words.message = Some(message.into()))
    }

    /// Sets the message for the client's developer, instead of the catalogue's. The message is sent to the client:
    /// never use the text of an internal error.
    pub fn system_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        self.words(|words| words.system_message = Some(message.into()))
    }

    /// Sets how long the client should wait before a retry. `Retry-After` is in whole seconds, rounded up, and at least
    /// one second (RFC 9110, section 10.2.3).
    pub fn retry_after(self, wait: Duration) -> Self {
        self.set(|facts| facts.retry_after = Some(wait))
    }

    /// Sets the private cause, for the log and the observer. The cause is never sent to a client.
    pub fn cause(self, cause: impl Into<BoxError>) -> Self {
        let cause: Arc<dyn Error + Send + Sync> = Arc::from(cause.into());
        self.set(|facts| facts.cause = Some(cause))
    }

    pub(crate) fn status_code(self, status: StatusCode) -> Self {
        self.set(|facts| facts.status = status)
    }

    /// Sets a header of the response, in every format. Over gRPC, the header is metadata. A header of the same name is
    /// replaced.
    ///
    /// ```
    /// use http::{HeaderValue, StatusCode, header};
    /// use tower_auth::Rejection;
    ///
    /// let gone = Rejection::custom(StatusCode::GONE, "VERSION_GONE")
    ///     .header(header::LINK, HeaderValue::from_static("</v2>; rel=\"successor-version\""));
    /// assert!(gone.into_response::<()>().headers().contains_key(header::LINK));
    /// ```
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.set(|facts| {
            facts.headers.retain(|(n, _)| *n != name);
            facts.headers.push((name, value));
        })
    }

    /// Sets the challenge of a 401, unless there is one already.
    pub(crate) fn challenge(self, challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge: self.challenge.or(challenge), ..self }
    }

    /// Replaces the challenge of a 401.
    pub(crate) fn offering(self, challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge, ..self }
    }

    /// Sets the holder of a credential that is genuine but refused, such as an expired or paused key.
    ///
    /// The observer and the log show the holder, and the client does not see it. The failure is charged to this holder
    /// and not to the address, which other callers may share.
    ///
    /// ```
    /// use tower_auth::{AuthOutcome, Principal, Rejection, RejectionKind};
    ///
    /// let expired = Rejection::new(RejectionKind::ExpiredKey).with_principal(Principal::builder("alice").build());
    /// let found = AuthOutcome::Rejected(expired);
    /// ```
    pub fn with_principal(self, principal: Principal) -> Self {
        self.set(|facts| facts.principal = Some(principal))
    }

    pub(crate) fn refused_by(self, layer: &'static str) -> Self {
        Self { layer: self.layer.or(Some(layer)), ..self }
    }

    /// Marks it as logged.
    pub(crate) fn logged(self) -> Self {
        Self { logged: true, ..self }
    }

    /// Marks it as made by an envelope, from an error without a rejection.
    pub(crate) fn adopted(self) -> Self {
        Self { adopted: true, ..self }
    }

    /// Marks it as charged to this budget of failed attempts.
    pub(crate) fn charged(self, budget: u64) -> Self {
        Self { charged: Some(budget), ..self }
    }

    fn words(self, change: impl FnOnce(&mut Words)) -> Self {
        self.set(|facts| change(facts.words.get_or_insert_default()))
    }

    pub(super) fn set(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.facts));
        self
    }
}

impl Rejection {
    /// Returns the kind.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.facts.kind
    }

    /// Returns the HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.facts.status
    }

    /// Returns the code of a [`custom`](Self::custom) refusal. The codes of all other refusals are in the catalogue.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.facts.words.as_ref()?.code.as_deref()
    }

    /// Returns the public details, in the order in which they were added.
    pub fn details(&self) -> impl Iterator<Item = (&str, &Detail)> {
        self.facts.details.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns the private cause, for logs.
    #[must_use]
    pub fn private_cause(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        self.facts.cause.as_deref()
    }

    /// Returns the name of the layer that refused the request, or `None` if a handler refused it.
    #[must_use]
    pub fn layer(&self) -> Option<&'static str> {
        self.layer
    }

    pub(crate) fn retry_after_seconds(&self) -> Option<u64> {
        self.facts.retry_after.map(whole_seconds)
    }

    pub(crate) const fn is_logged(&self) -> bool {
        self.logged || self.layer.is_some()
    }

    pub(crate) const fn is_adopted(&self) -> bool {
        self.adopted
    }

    pub(crate) const fn charged_by(&self) -> Option<u64> {
        self.charged
    }

    pub(crate) fn own_challenge(&self) -> Option<&HeaderValue> {
        self.challenge.as_deref()
    }

    pub(crate) const fn has_challenge(&self) -> bool {
        self.challenge.is_some()
    }

    pub(crate) fn own_message(&self) -> Option<&str> {
        self.facts.words.as_ref()?.message.as_deref()
    }

    pub(crate) fn own_system_message(&self) -> Option<&str> {
        self.facts.words.as_ref()?.system_message.as_deref()
    }

    pub(crate) fn principal(&self) -> Option<&Principal> {
        self.facts.principal.as_ref()
    }

    /// Returns the response, without logging a fault.
    pub(crate) fn response<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.facts.status;
        if self.facts.status == StatusCode::UNAUTHORIZED {
            let own = self.challenge.as_deref().cloned().or_else(|| self.step_up_challenge());
            let challenge = own.unwrap_or(challenge::FALLBACK);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        for (name, value) in &self.facts.headers {
            response.headers_mut().insert(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Returns whole seconds, rounded up, at least one, so that a client that waits this long does not retry too early.
pub(super) fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.facts.kind)
            .field("status", &self.facts.status)
            .field("code", &self.code())
            .field("layer", &self.layer)
            .field("details", &self.facts.details)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}: {:?}", self.facts.status.as_u16(), self.facts.kind)?;
        self.code().map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.facts.cause.as_deref().map(|cause| cause as _)
    }
}
