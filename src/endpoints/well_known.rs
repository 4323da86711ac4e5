use std::{
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use tower_service::Service;

use super::{
    metadata::{Metadata, check},
    service::AuthEndpoints,
};
use crate::{
    ConfigError, FullBody, Rejection, RejectionKind, RequestHead, base::document, key::sha256, session::Sessions,
};

/// The documents by which clients and other services find the endpoints and the keys: `/.well-known/jwks.json` (RFC
/// 7517) and `/.well-known/oauth-authorization-server` (RFC 8414). They are public: mount it outside of all guards, at
/// the root.
///
/// For an issuer with a path, such as `https://api.example.com/shop`, the second document is at
/// `/.well-known/oauth-authorization-server/shop`. Any other path is answered 404.
///
/// ```
/// use axum::Router;
/// use tower_auth::{AuthEndpoints, ConfigError, endpoints::WellKnown, session::Sessions};
///
/// fn routes(sessions: &Sessions, endpoints: AuthEndpoints) -> Result<Router, ConfigError> {
///     let documents = WellKnown::new(sessions, "https://api.example.com/v1/auth")?.endpoints(&endpoints);
///     let routes = Router::new().route_service("/.well-known/{*document}", documents);
///     Ok(routes.nest_service("/v1/auth", endpoints))
/// }
/// ```
#[derive(Clone)]
#[must_use = "a service does nothing until it is mounted"]
pub struct WellKnown {
    sessions: Sessions,
    metadata: Metadata,
    document: Arc<str>,
}

const KEYS: &str = "/.well-known/jwks.json";
const SERVER: &str = "/.well-known/oauth-authorization-server";

impl WellKnown {
    /// Creates the documents for the endpoints at this URL, such as `https://api.example.com/v1/auth`.
    ///
    /// # Errors
    /// If the issuer of the tokens or `base` is not a URL with `https`, or `http` on the own machine, or has a query.
    pub fn new(sessions: &Sessions, base: &str) -> Result<Self, ConfigError> {
        let issuer = sessions.issuer().issuer().to_owned();
        check(&issuer, "the issuer of the tokens")?;
        check(base, "the URL of the endpoints")?;
        let metadata = Metadata {
            issuer,
            base: base.trim_end_matches('/').to_owned(),
            exchanges_tokens: sessions.exchanges_tokens(),
            has_keys: false,
            has_introspection: false,
            proof_algorithms: None,
            scopes: None,
        };
        Ok(Self { sessions: sessions.clone(), document: metadata.document().into(), metadata })
    }

    /// Says in the metadata what these endpoints offer: client secrets if they have
    /// [`keys`](AuthEndpoints::keys), `…/introspect` if it is [on](AuthEndpoints::introspection), and the algorithms of
    /// proofs if there is a [`dpop`](AuthEndpoints::dpop).
    pub fn endpoints(self, endpoints: &AuthEndpoints) -> Self {
        self.set(|metadata| {
            metadata.has_keys = endpoints.have_keys();
            metadata.has_introspection = endpoints.have_introspection();
            metadata.proof_algorithms = endpoints.proof_algorithms();
        })
    }

    /// Lists scopes in the metadata. By default none are listed.
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.set(|metadata| metadata.scopes = Some(scopes.into_iter().map(Into::into).collect()))
    }

    fn set(mut self, change: impl FnOnce(&mut Metadata)) -> Self {
        change(&mut self.metadata);
        self.document = self.metadata.document().into();
        self
    }

    fn answer(&self, request: &RequestHead<'_>) -> Result<Response<FullBody>, Rejection> {
        let path = request.asked_path().unwrap_or_default();
        let document = if path == KEYS {
            self.sessions.issuer().keys().key_set_json()
        } else if path.strip_prefix(SERVER) == Some(self.metadata.path_of_issuer()) {
            Bytes::copy_from_slice(self.document.as_bytes())
        } else {
            return Err(Rejection::not_found());
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let refusal = Rejection::new(RejectionKind::MethodNotAllowed);
            return Err(refusal.header(header::ALLOW, HeaderValue::from_static("GET, HEAD")));
        }
        let digest = sha256(&document);
        Ok(document::respond(document, &digest, request.headers()))
    }
}

impl<B> Service<Request<B>> for WellKnown {
    type Response = Response<FullBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<FullBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(&RequestHead::from(&request)).unwrap_or_else(Rejection::into_response)))
    }
}

impl fmt::Debug for WellKnown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WellKnown").field("metadata", &self.metadata).finish_non_exhaustive()
    }
}
