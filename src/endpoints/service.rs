use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderName, HeaderValue, Method, Request, Response, header, request::Parts};
use http_body::Body;
use tower_service::Service;

use super::{
    caller::{Keys, Permitted},
    cookies::SessionCookies,
    fault::Fault,
    form::Form,
    grants, key_exchange, refresh,
    settings::Settings,
    tokens,
};
use crate::{
    ApiKeyLayer, BodyLimits, BoxError, FullBody, Permission, Rejection, RejectionKind,
    session::Sessions,
    strict_body::{is_form, no_form, read_form, unread},
};

/// The endpoints of an authorization server: `token`, `refresh`, `logout`, `revoke` and `introspect`, by the last segment
/// of the path. The [module page](crate::endpoints) has an example.
///
/// Clones share the settings.
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct AuthEndpoints(Arc<Settings>);

/// More than any token has.
const LONGEST_BODY: usize = 64 << 10;

impl AuthEndpoints {
    /// Creates the endpoints of these sessions.
    pub fn new(sessions: Sessions) -> Self {
        let limits = BodyLimits::new().max_bytes(LONGEST_BODY);
        Self(Arc::new(Settings { sessions, keys: None, introspection: None, cookies: None, limits }))
    }

    /// Authenticates clients by their keys: the callers of `…/token`, `…/revoke` and `…/introspect`. The key is in the header
    /// that the layer reads. In a form, it is also accepted as a client secret (RFC 6749, section 2.3.1): in
    /// `Authorization: Basic` or in `client_secret`, with the id of the key as `client_id` or without one.
    ///
    /// Without this call, the caller is the [`Principal`](crate::Principal) that guards in front have authenticated.
    pub fn keys(self, keys: ApiKeyLayer) -> Self {
        self.set(|settings| settings.keys = Some(Keys::new(keys, settings.sessions.clock())))
    }

    /// Turns `…/introspect` on, for callers to whom this policy grants it.
    ///
    /// ```
    /// use tower_auth::{AuthEndpoints, permission::scope, session::Sessions};
    ///
    /// fn endpoints(sessions: Sessions) -> AuthEndpoints {
    ///     AuthEndpoints::new(sessions).introspection(scope("tokens:introspect"))
    /// }
    /// ```
    pub fn introspection(self, permission: impl Permission) -> Self {
        self.set(|settings| settings.introspection = Some(Permitted::new(permission, settings.sessions.clock())))
    }

    /// Lets browsers refresh and log out with the cookies of a session, which a handler has [set](SessionCookies::set).
    pub fn cookies(self, cookies: SessionCookies) -> Self {
        self.set(|settings| settings.cookies = Some(cookies))
    }

    /// Sets how large a body may be, and how long it may take to arrive: 64 KiB and ten seconds by default.
    pub fn limits(self, limits: BodyLimits) -> Self {
        self.set(|settings| settings.limits = limits)
    }

    /// Returns whether clients are authenticated by keys here.
    pub(super) fn have_keys(&self) -> bool {
        self.0.keys.is_some()
    }

    /// Returns whether tokens can be introspected.
    pub(super) fn have_introspection(&self) -> bool {
        self.0.introspection.is_some()
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

/// Why a request is refused: in the form of this crate, or of OAuth.
enum Refused {
    Own(Rejection),
    OAuth(Fault),
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        Self::Own(rejection)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::OAuth(fault)
    }
}

/// What the last segment of a path selects.
enum Endpoint<'a> {
    Token,
    Refresh,
    LogOut,
    Revoke,
    Introspect(&'a Permitted),
}

impl Settings {
    /// Returns the endpoint of a request.
    fn endpoint(&self, head: &Parts) -> Result<Endpoint<'_>, Rejection> {
        const POST: HeaderValue = HeaderValue::from_static("POST");
        let endpoint = match (head.uri.path().rsplit('/').next(), &self.introspection) {
            (Some("token"), _) => Endpoint::Token,
            (Some("refresh"), _) => Endpoint::Refresh,
            (Some("logout"), _) => Endpoint::LogOut,
            (Some("revoke"), _) => Endpoint::Revoke,
            (Some("introspect"), Some(permitted)) => Endpoint::Introspect(permitted),
            _ => return Err(Rejection::not_found()),
        };
        if head.method == Method::POST {
            return Ok(endpoint);
        }
        Err(Rejection::new(RejectionKind::MethodNotAllowed).header(header::ALLOW, POST))
    }

    async fn answer<B>(&self, head: &Parts, body: B) -> Result<Response<FullBody>, Refused>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let closing = |refusal| if body.is_end_stream() { refusal } else { unread(refusal, head.version) };
        Ok(match self.endpoint(head).map_err(closing)? {
            Endpoint::Refresh => refresh::refresh(self, head, body).await?,
            Endpoint::LogOut => refresh::log_out(self, head, body).await?,
            Endpoint::Token => match is_form(&head.headers) {
                Ok(false) => key_exchange::answer(self, head, body).await?,
                // Reading the form refuses one in another character set.
                Ok(true) | Err(_) => {
                    grants::answer(self, head, &self.form(head, body, grants::PARAMETERS).await?).await?
                }
            },
            Endpoint::Revoke => tokens::revoke(self, head, &self.form(head, body, tokens::PARAMETERS).await?).await?,
            Endpoint::Introspect(permitted) => {
                let form = self.form(head, body, tokens::PARAMETERS).await?;
                tokens::introspect(self, permitted, head, &form).await?
            }
        })
    }

    async fn form<B>(&self, head: &Parts, body: B, parameters: &[&'static str]) -> Result<Form, Fault>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let other = || no_form("the Content-Type is not that of a form");
        let checked = is_form(&head.headers).and_then(|is_form| if is_form { Ok(()) } else { Err(other()) });
        checked.map_err(|refusal| unread(refusal, head.version))?;
        Form::read(&read_form(head, body, &self.limits).await?, parameters)
    }
}

impl<B> Service<Request<B>> for AuthEndpoints
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FullBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            Ok(uncached(match settings.answer(&head, body).await {
                Ok(answer) => answer,
                Err(Refused::Own(refusal)) => refusal.into_response(),
                Err(Refused::OAuth(fault)) => fault.into_response(),
            }))
        })
    }
}

/// RFC 6749, section 5.1: for answers with tokens. Here it is every answer.
fn uncached(mut answer: Response<FullBody>) -> Response<FullBody> {
    const NO_STORE: [(HeaderName, HeaderValue); 2] = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::PRAGMA, HeaderValue::from_static("no-cache")),
    ];
    for (name, value) in NO_STORE {
        answer.headers_mut().insert(name, value);
    }
    answer
}

impl fmt::Debug for AuthEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthEndpoints")
            .field("sessions", &self.0.sessions)
            .field("keys", &self.have_keys())
            .field("introspection", &self.have_introspection())
            .field("cookies", &self.0.cookies)
            .finish_non_exhaustive()
    }
}
