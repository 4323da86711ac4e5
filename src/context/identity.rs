//! What the authentication left in the request, and how to read it.

use std::sync::Arc;

use http::{Extensions, HeaderValue, Method, Request, Uri, request};

use crate::{Principal, Rejection, RejectionKind, RequestId, base::shown, context::asked};

/// The outcome of authentication where nothing was presented and the layer lets visitors in: nobody, and the
/// challenges of the methods on offer.
///
/// ```
/// use tower_auth::{ApiKeyLayer, RequestExt, Secret};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let layer = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?.optional();
/// let service = layer.layer(service_fn(|request: http::Request<()>| async move {
///     assert!(request.anonymous().is_some());
///     Ok::<_, std::convert::Infallible>(http::Response::new(()))
/// }));
/// service.oneshot(http::Request::new(())).await.unwrap();
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Anonymous {
    challenge: Option<Arc<HeaderValue>>,
    preflight: bool,
}

impl Anonymous {
    pub(crate) const fn new(challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge, preflight: false }
    }

    /// A CORS preflight that may pass every guard, since no credential can ever come with it.
    pub(crate) const fn preflight(challenge: Option<Arc<HeaderValue>>) -> Self {
        Self { challenge, preflight: true }
    }

    pub(crate) const fn is_preflight(&self) -> bool {
        self.preflight
    }

    /// What a 401 would offer: the value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(&self) -> Option<&HeaderValue> {
        self.challenge.as_deref()
    }

    pub(crate) fn refusal(&self) -> Rejection {
        Rejection::missing_credential(self.challenge.clone())
    }
}

/// The one slot for an outcome. The type is private, so only a gate can fill it: a [`Principal`] that reaches a
/// handler this way was proved by an authenticator.
#[derive(Clone, Debug)]
pub(crate) enum Identity {
    Principal(Principal),
    Anonymous(Anonymous),
}

impl Identity {
    /// Who is calling; else why nobody is: nothing presented (401), or no authentication mounted (500).
    pub(crate) fn principal_in(extensions: &Extensions) -> Result<&Principal, Rejection> {
        match extensions.get() {
            Some(Self::Principal(principal)) => Ok(principal),
            Some(Self::Anonymous(nobody)) => Err(nobody.refusal()),
            None => Err(unmounted()),
        }
    }
}

const UNMOUNTED: &str = "no authentication layer stands in front of this route, so nobody knows who is calling; mount an \
                         AuthStack, AuthLayer or ApiKeyLayer outside the layer or handler that asks for the principal";

fn unmounted() -> Rejection {
    Rejection::new(RejectionKind::Internal).cause(UNMOUNTED)
}

/// There may be no gate and no envelope that would log a mounting error, so whoever asks does.
fn logged(rejection: Rejection, head: Option<(&Method, &Uri)>, extensions: &Extensions) -> Rejection {
    const LAYER: &str = "principal";
    if rejection.kind() != RejectionKind::Internal {
        return rejection;
    }
    let path = head.and_then(|(_, uri)| asked::path(uri, extensions)).map(shown::path);
    tracing::error!(
        target: "tower_auth",
        kind = ?rejection.kind(),
        status = rejection.status().as_u16(),
        layer = LAYER,
        method = head.map(|(method, _)| shown::text(method.as_str(), 256)).as_deref(),
        path = path.as_deref(),
        trace_id = RequestId::of(extensions).map(tracing::field::display),
        cause = UNMOUNTED,
        "request refused by a fault of the service"
    );
    rejection.refused_by(LAYER)
}

/// Reads the outcome of authentication from a request, on any host.
///
/// ```
/// use http::{Request, Response};
/// use tower_auth::{Rejection, RequestExt};
///
/// async fn hello<B>(request: Request<B>) -> Result<Response<String>, Rejection> {
///     Ok(Response::new(format!("hello {}", request.principal()?.subject())))
/// }
/// ```
pub trait RequestExt: Sealed {
    /// Who is calling.
    ///
    /// # Errors
    /// 401 with the challenges on offer where nobody presented a credential; 500, with a log line that names the
    /// missing layer, where no authentication layer stands in front.
    fn principal(&self) -> Result<&Principal, Rejection>;

    /// The outcome "nobody", where a layer lets visitors in.
    fn anonymous(&self) -> Option<&Anonymous>;

    /// The id of the request as its client sees it in `x-request-id`, where an envelope stands in front.
    fn request_id(&self) -> Option<RequestId>;
}

impl RequestExt for Extensions {
    fn principal(&self) -> Result<&Principal, Rejection> {
        Identity::principal_in(self).map_err(|rejection| logged(rejection, None, self))
    }

    fn request_id(&self) -> Option<RequestId> {
        RequestId::of(self)
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        match self.get() {
            Some(Identity::Anonymous(nobody)) => Some(nobody),
            _ => None,
        }
    }
}

impl<B> RequestExt for Request<B> {
    fn principal(&self) -> Result<&Principal, Rejection> {
        let head = Some((self.method(), self.uri()));
        Identity::principal_in(self.extensions()).map_err(|rejection| logged(rejection, head, self.extensions()))
    }

    fn request_id(&self) -> Option<RequestId> {
        self.extensions().request_id()
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions().anonymous()
    }
}

impl RequestExt for request::Parts {
    fn principal(&self) -> Result<&Principal, Rejection> {
        let head = Some((&self.method, &self.uri));
        Identity::principal_in(&self.extensions).map_err(|rejection| logged(rejection, head, &self.extensions))
    }

    fn request_id(&self) -> Option<RequestId> {
        self.extensions.request_id()
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions.anonymous()
    }
}

pub(crate) use sealed::Sealed;

mod sealed {
    #[expect(unnameable_types, reason = "so that nobody else can implement the trait")]
    pub trait Sealed {}
    impl Sealed for http::Extensions {}
    impl<B> Sealed for http::Request<B> {}
    impl Sealed for http::request::Parts {}
}
