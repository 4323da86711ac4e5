//! The services that ours is compared with: the minimum work (the floor), and other crates.
//!
//! All of them look up the key by its SHA-256 in a map that does not hash it again, put an `Arc` into the request's
//! extensions, and refuse with 401 and a challenge (RFC 9110, section 15.5.2).

#[path = "first_bytes.rs"]
mod first_bytes;

use std::{collections::HashMap, convert::Infallible, future::ready, hash::BuildHasherDefault, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::State,
    middleware::{Next, from_fn_with_state},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use tower::{Layer, Service};
use tower_http::{
    auth::{AsyncAuthorizeRequest, AsyncRequireAuthorizationLayer},
    validate_request::{ValidateRequest, ValidateRequestHeaderLayer},
};

use self::first_bytes::FirstBytes;
use super::floor::{Bare, Check, Checked, Tell};

/// The holder of a key, as the peers put it into a request.
#[derive(Clone)]
struct Who(#[expect(dead_code, reason = "a handler would read it")] Arc<str>);

/// The keys of the peers, by digest.
#[derive(Clone, Default)]
pub(crate) struct Known(Arc<HashMap<[u8; 32], Arc<str>, BuildHasherDefault<FirstBytes>>>);

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const PEPPER: [u8; 32] = [7; 32];

impl Known {
    /// Creates holders of these keys, stored under SHA-256 of the key.
    pub(crate) fn new<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::under(keys, |key| Sha256::digest(key).into())
    }

    /// Creates holders of these keys, stored under `HMAC-SHA-256(pepper, SHA-256(key))`.
    fn keyed<'a>(keys: impl IntoIterator<Item = &'a str>) -> Self {
        Self::under(keys, |key| keyed(&prepared(), key.as_bytes()))
    }

    fn under<'a>(keys: impl IntoIterator<Item = &'a str>, digest: impl Fn(&str) -> [u8; 32]) -> Self {
        let holder = |key| (digest(key), Arc::from("acme"));
        Self(Arc::new(keys.into_iter().map(holder).collect()))
    }

    #[inline]
    fn holder(&self, headers: &HeaderMap) -> Option<Who> {
        let key = headers.get(API_KEY)?;
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        self.0.get(&digest).cloned().map(Who)
    }
}

fn prepared() -> Hmac<Sha256> {
    Hmac::new_from_slice(&PEPPER).expect("HMAC takes keys of any length")
}

#[inline]
fn keyed(mac: &Hmac<Sha256>, key: &[u8]) -> [u8; 32] {
    mac.clone().chain_update(Sha256::digest(key)).finalize().into_bytes().into()
}

#[inline]
fn refusal() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("ApiKey realm=\"api\""));
    response
}

/// The minimum work for a key.
pub(crate) type Floor<S> = Checked<S, KeyCheck>;

#[derive(Clone)]
pub(crate) struct KeyCheck {
    known: Known,
    mac: Option<Hmac<Sha256>>,
    cache_headers: bool,
    reason: Option<Who>,
}

impl<S> Floor<S> {
    pub(crate) fn new(inner: S, known: Known) -> Self {
        Self { inner, check: KeyCheck { known, mac: None, cache_headers: false, reason: None } }
    }

    /// Sets `Vary` and `Cache-Control` on the response (RFC 9111, section 3.5).
    pub(crate) fn with_cache_headers(mut self) -> Self {
        self.check.cache_headers = true;
        self
    }

    /// Puts the reason into the extensions of a refusal.
    pub(crate) fn with_reason(mut self) -> Self {
        self.check.reason = Some(Who(Arc::from("unknown")));
        self
    }

    /// Looks up the key by its digest under a pepper.
    pub(crate) fn keyed<'a>(inner: S, keys: impl IntoIterator<Item = &'a str>) -> Self {
        let mut floor = Self::new(inner, Known::keyed(keys));
        floor.check.mac = Some(prepared());
        floor
    }
}

impl KeyCheck {
    #[inline]
    fn holder(&self, headers: &HeaderMap) -> Option<Who> {
        let Some(mac) = &self.mac else { return self.known.holder(headers) };
        let digest = keyed(mac, headers.get(API_KEY)?.as_bytes());
        self.known.0.get(&digest).cloned().map(Who)
    }
}

impl Check for KeyCheck {
    type Told = CacheHeaders;

    #[inline]
    fn check(&self, request: &mut Request<Body>) -> Result<CacheHeaders, Response<Body>> {
        let Some(who) = self.holder(request.headers()) else {
            let mut response = refusal();
            if let Some(reason) = &self.reason {
                response.extensions_mut().insert(reason.clone());
            }
            return Err(response);
        };
        request.extensions_mut().insert(who);
        Ok(CacheHeaders(self.cache_headers))
    }
}

/// Whether the response gets `Vary` and `Cache-Control`.
pub(crate) struct CacheHeaders(bool);

impl Tell for CacheHeaders {
    #[inline]
    fn tell(&self, headers: &mut HeaderMap) {
        if self.0 {
            headers.append(header::VARY, HeaderValue::from_static("x-api-key"));
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
        }
    }
}

/// tower-http's [`AsyncRequireAuthorizationLayer`] with a closure that is ready at once.
pub(crate) fn async_require_authorization<S>(
    inner: S,
    known: Known,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
{
    fn same<F: AsyncAuthorizeRequest<Body>>(authorize: F) -> F {
        authorize
    }
    AsyncRequireAuthorizationLayer::new(same(move |mut request: Request<Body>| {
        ready(match known.holder(request.headers()) {
            Some(who) => {
                request.extensions_mut().insert(who);
                Ok(request)
            }
            None => Err(refusal()),
        })
    }))
    .layer(inner)
}

/// tower-http's [`ValidateRequestHeaderLayer`] with a closure.
#[expect(clippy::result_large_err, reason = "tower-http defines the signature")]
pub(crate) fn validate_request_header<S>(
    inner: S,
    known: Known,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
{
    fn same<F: ValidateRequest<Body>>(validate: F) -> F {
        validate
    }
    ValidateRequestHeaderLayer::custom(same(move |request: &mut Request<Body>| {
        let who = known.holder(request.headers()).ok_or_else(refusal)?;
        request.extensions_mut().insert(who);
        Ok(())
    }))
    .layer(inner)
}

/// A check written by hand with axum's `middleware::from_fn`.
pub(crate) fn from_fn<S>(
    inner: S,
    known: Known,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = Infallible>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    from_fn_with_state(known, guard).layer(inner)
}

/// A router in front of the same service.
pub(crate) fn router() -> Router {
    Router::new().route_service("/v1/models", Bare)
}

/// A router with the check in front, mounted as in axum's documentation.
pub(crate) fn router_from_fn(known: Known) -> Router {
    router().layer(from_fn_with_state(known, guard))
}

async fn guard(State(known): State<Known>, mut request: Request<Body>, next: Next) -> Response<Body> {
    let Some(who) = known.holder(request.headers()) else { return refusal() };
    request.extensions_mut().insert(who);
    next.run(request).await
}
