use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use tower_service::Service;

use crate::{FullBody, Rejection, RejectionKind, RequestHead, base::document};

/// What stands between the host and the path of a resource (RFC 9728, section 3.1).
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The metadata of a protected resource (RFC 9728), and the tower service that answers them. A clone increments one
/// reference count.
///
/// See the [module page](crate::resource) for the routes to mount it on.
///
/// ```
/// use tower_auth::resource::ProtectedResource;
///
/// let resource = ProtectedResource::builder("https://api.example.com/mcp")
///     .issuer("https://id.example.com/")
///     .scopes(["notes:read"])
///     .build()?;
/// assert_eq!(resource.url(), "https://api.example.com/.well-known/oauth-protected-resource/mcp");
/// assert_eq!(
///     resource.document(),
///     r#"{"resource":"https://api.example.com/mcp","authorization_servers":["https://id.example.com/"],"scopes_supported":["notes:read"],"bearer_methods_supported":["header"]}"#
/// );
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct ProtectedResource(pub(super) Arc<Published>);

/// The document, made once.
pub(super) struct Published {
    pub(super) resource: String,
    pub(super) url: String,
    /// The path of the resource without a slash at its end.
    pub(super) path: String,
    pub(super) at_root: bool,
    pub(super) document: String,
    pub(super) digest: [u8; 32],
}

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");

impl ProtectedResource {
    /// Returns the identifier of the resource, as it was given.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.0.resource
    }

    /// Returns the URL of the metadata, which challenges name.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Returns the metadata: JSON in one line.
    #[must_use]
    pub fn document(&self) -> &str {
        &self.0.document
    }

    fn answer(&self, request: &RequestHead<'_>) -> Response<FullBody> {
        let mut response = match self.found(request) {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        // A browser may read the refusals too, so that a client can tell them from a network error.
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        response
    }

    fn found(&self, request: &RequestHead<'_>) -> Result<Response<FullBody>, Rejection> {
        let behind = request.asked_path().and_then(|path| path.strip_prefix(WELL_KNOWN)).ok_or_else(not_here)?;
        let path = behind.strip_suffix('/').unwrap_or(behind);
        if path != self.0.path && !(path.is_empty() && self.0.at_root) {
            return Err(not_here());
        }
        match *request.method() {
            Method::GET | Method::HEAD => {
                let document = Bytes::copy_from_slice(self.0.document.as_bytes());
                let mut response = document::respond(document, &self.0.digest, request.headers());
                response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
                Ok(response)
            }
            Method::OPTIONS => Ok(preflight()),
            _ => Err(Rejection::new(RejectionKind::MethodNotAllowed).header(header::ALLOW, METHODS)),
        }
    }
}

fn not_here() -> Rejection {
    Rejection::not_found()
}

/// Any header may be sent, because clients send some that the service does not need, such as the version of a protocol.
/// The wildcard does not stand for `Authorization` (Fetch standard, section 4.9).
fn preflight() -> Response<FullBody> {
    let mut response = Response::new(FullBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

/// The URL of the metadata, for [`BearerLayer::resource_metadata`](crate::BearerLayer::resource_metadata).
impl From<&ProtectedResource> for String {
    fn from(resource: &ProtectedResource) -> Self {
        resource.url().to_owned()
    }
}

impl<B> Service<Request<B>> for ProtectedResource {
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<FullBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&RequestHead::from(&request))))
    }
}

impl fmt::Debug for ProtectedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProtectedResource").field("document", &self.0.document).finish_non_exhaustive()
    }
}
