//! Reads the results of the layers from a request.

use http::{Extensions, Method, Request, Uri, request};

use super::{
    asked,
    identity::{Anonymous, Identity},
    late_refusal::LateRefusal,
    request::RequestContext,
    request_id::RequestId,
};
use crate::{Principal, Rejection, RejectionKind, TraceId, base::shown};

/// Returns the caller. Fails with 401 if no credential was presented, and with 500 if no authentication layer stands in
/// front.
pub(crate) fn caller(context: Option<&RequestContext>) -> Result<&Principal, Rejection> {
    match context.map(RequestContext::identity) {
        Some(Some(Identity::Principal(principal))) => Ok(principal),
        Some(Some(Identity::Anonymous(nobody))) => Err(nobody.refusal()),
        Some(None) | None => Err(unmounted(context)),
    }
}

const UNMOUNTED: &str = "no authentication layer stands in front of this route, so the caller is unknown; mount an \
                         AuthStack, AuthLayer or ApiKeyLayer outside the layer or handler that needs the principal";

const WITHOUT_HANDLE: &str = "the request has no handle for a late refusal: the stack in front was built without \
                             AuthStackBuilder::late_refusals, or the request is a clone; in axum, use the extractor LateRefusal";

const CLONED: &str = "the request is a clone of an authenticated request, and a clone has no caller; take the Principal \
                      from the original request (in axum with its extractor, not from cloned Parts or Extensions), or \
                      authenticate the clone";

fn unmounted(context: Option<&RequestContext>) -> Rejection {
    let cloned = context.is_some_and(RequestContext::is_clone);
    Rejection::new(RejectionKind::Internal).cause(if cloned { CLONED } else { UNMOUNTED })
}

/// Logs a fault here, because there may be no gate and no envelope that would log it.
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
        trace_id = extensions.request_id().map(tracing::field::display),
        cause = rejection.private_cause().map(tracing::field::display),
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
    /// Returns the caller.
    ///
    /// # Errors
    /// 401 with the challenges on offer if no credential was presented. 500 and a log line if no authentication layer
    /// stands in front, or if the request was cloned behind it: a clone has no caller.
    fn principal(&self) -> Result<&Principal, Rejection>;

    /// Returns the anonymous outcome, if no credential was presented and the layer admits such requests.
    fn anonymous(&self) -> Option<&Anonymous>;

    /// Returns the id of the request, which its client reads in `x-request-id`, if an envelope stands in front.
    fn request_id(&self) -> Option<RequestId>;

    /// Returns the trace id of the request, if an envelope stands in front.
    fn trace_id(&self) -> Option<TraceId> {
        self.request_id().map(|id| id.trace_id())
    }

    /// Returns a handle to refuse the request from inside a handler.
    ///
    /// # Errors
    /// 500, with a log line, if the stack in front was built without
    /// [`late_refusals`](crate::stack::AuthStackBuilder::late_refusals), or if the request was cloned behind it.
    fn late_refusal(&self) -> Result<LateRefusal, Rejection>;
}

impl RequestExt for Extensions {
    fn principal(&self) -> Result<&Principal, Rejection> {
        caller(RequestContext::of(self)).map_err(|rejection| logged(rejection, None, self))
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        RequestContext::of(self)?.anonymous()
    }

    fn request_id(&self) -> Option<RequestId> {
        RequestContext::of(self)?.request_id.clone()
    }

    fn late_refusal(&self) -> Result<LateRefusal, Rejection> {
        let handle = RequestContext::of(self).and_then(|context| context.late_refusal.clone());
        handle.ok_or_else(|| logged(Rejection::internal(WITHOUT_HANDLE), None, self))
    }
}

impl<B> RequestExt for Request<B> {
    fn principal(&self) -> Result<&Principal, Rejection> {
        let head = Some((self.method(), self.uri()));
        caller(RequestContext::of(self.extensions())).map_err(|rejection| logged(rejection, head, self.extensions()))
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions().anonymous()
    }

    fn request_id(&self) -> Option<RequestId> {
        self.extensions().request_id()
    }

    fn late_refusal(&self) -> Result<LateRefusal, Rejection> {
        self.extensions().late_refusal()
    }
}

impl RequestExt for request::Parts {
    fn principal(&self) -> Result<&Principal, Rejection> {
        let head = Some((&self.method, &self.uri));
        caller(RequestContext::of(&self.extensions)).map_err(|rejection| logged(rejection, head, &self.extensions))
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions.anonymous()
    }

    fn request_id(&self) -> Option<RequestId> {
        self.extensions.request_id()
    }

    fn late_refusal(&self) -> Result<LateRefusal, Rejection> {
        self.extensions.late_refusal()
    }
}

pub(crate) use sealed::Sealed;

mod sealed {
    #[expect(unnameable_types, reason = "so that no other crate can implement the trait")]
    pub trait Sealed {}
    impl Sealed for http::Extensions {}
    impl<B> Sealed for http::Request<B> {}
    impl Sealed for http::request::Parts {}
}
