use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    decide::{by_body, by_head, name_caller},
    future::{ResponseFuture, Waiting},
    table::Table,
};
use crate::{
    BodyLimits, BoxError,
    context::validated::ValidatedBytes,
    strict_body::{ReplayBody, begin, unread},
};

/// The service of an [`McpScopesLayer`](super::McpScopesLayer). Use the name only if a type must be written out.
///
/// ```
/// use tower::Layer;
/// use tower_auth::mcp::{McpScopesLayer, McpScopesService};
///
/// fn mount<S>(layer: &McpScopesLayer, inner: S) -> McpScopesService<S> {
///     layer.layer(inner)
/// }
/// ```
#[derive(Clone)]
pub struct McpScopesService<S> {
    inner: S,
    table: Arc<Table>,
    limits: BodyLimits,
}

impl<S> McpScopesService<S> {
    pub(super) const fn new(inner: S, table: Arc<Table>, limits: BodyLimits) -> Self {
        Self { inner, table, limits }
    }
}

impl<S: fmt::Debug> fmt::Debug for McpScopesService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpScopesService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<S, B, R> Service<Request<B>> for McpScopesService<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    B: Body,
    B::Error: Into<BoxError>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut request, body) = request.into_parts();
        let approved = match by_head(&request, &self.table) {
            Ok(approved) => approved,
            Err(rejection) => {
                let version = request.version;
                return ResponseFuture::refused(unread(rejection, version), request);
            }
        };
        match begin(&request, body, &self.limits) {
            Err(rejection) => ResponseFuture::refused(rejection, request),
            Ok(None) => {
                if let Err(rejection) = by_body(&request, &self.table, &approved, None) {
                    return ResponseFuture::refused(rejection, request);
                }
                name_caller(&mut request);
                request.extensions.insert(ValidatedBytes::default());
                ResponseFuture::called(self.inner.call(Request::from_parts(request, ReplayBody::default())))
            }
            Ok(Some(reading)) => {
                // The service that was polled ready must be called, because its clone is not ready.
                let clone = self.inner.clone();
                let service = std::mem::replace(&mut self.inner, clone);
                let (table, limits) = (Arc::clone(&self.table), self.limits.clone());
                ResponseFuture::reading(reading, Waiting { request, service, table, limits, approved })
            }
        }
    }
}
