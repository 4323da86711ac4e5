//! The issuer on a port of loopback.

use std::{convert::Infallible, fmt, net::SocketAddr, sync::Arc};

use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};

use super::{flows::Flows, handle::TestIssuer, routes::Site};
use crate::{
    FullBody,
    base::task::{Owned, spawn_owned},
};

/// A [`TestIssuer`] that real clients reach over HTTP, on a port of loopback. It stops when it is dropped.
///
/// It publishes its metadata and its keys, and walks clients through OAuth: registration, authorization code with PKCE,
/// refresh, introspection. The user agrees at once.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{Clock, TokenVerifier, jwks::JwksClient, testing::TestIssuer};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = TestIssuer::new().serve().await;
/// let keys = JwksClient::discover(server.url()).insecure_http();
/// let tokens = TokenVerifier::source(server.url().to_owned(), keys).audience("https://api.test").build()?;
///
/// let token = server.issuer().token("alice").audience("https://api.test").sign();
/// assert!(tokens.verify(&token, &Clock::system()).await.is_ok());
/// assert_eq!(server.issuer().fetches(), 1);
/// # Ok::<_, tower_auth::ConfigError>(())
/// # }).unwrap();
/// ```
///
/// # Endpoints
///
/// | request | answer |
/// |---|---|
/// | `GET /.well-known/openid-configuration`, `GET /.well-known/oauth-authorization-server` | the metadata |
/// | `GET /jwks.json` | the keys |
/// | `POST /register` (RFC 7591) | 201 with a `client_id` |
/// | `GET /authorize` | 302 with a code, for the [user](TestIssuer::serve_for); PKCE with `S256` is required |
/// | `POST /token` | a token with the scopes that were asked for; its audiences are the parameters `resource` (RFC 8707) |
/// | `POST /introspect` (RFC 7662) | the claims of a token; anybody may ask |
///
/// After [`TestIssuer::fail`], everything is answered 503.
pub struct TestIssuerServer {
    issuer: TestIssuer,
    address: SocketAddr,
    running: Option<Owned>,
}

impl TestIssuer {
    /// Serves the issuer on a free port of 127.0.0.1, for the user `test-user`.
    ///
    /// The name of the served issuer is its URL, as clients require it. It has the keys of this issuer.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO, or if there is no free port.
    pub async fn serve(&self) -> TestIssuerServer {
        self.serve_for("test-user").await
    }

    /// Serves the issuer for another user: the subject of the tokens that clients get with a code.
    ///
    /// # Panics
    /// Outside of a tokio runtime with IO, or if there is no free port.
    pub async fn serve_for(&self, user: impl Into<String>) -> TestIssuerServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.unwrap_or_else(|error| panic!("a TestIssuer has no port on 127.0.0.1: {error}"));
        let address = listener.local_addr().expect("a listener has an address");
        let issuer = Self { name: format!("http://{address}").into(), ..self.clone() };
        let site = Site { issuer: issuer.clone(), flows: Flows::default(), user: user.into() };
        let running = spawn_owned(accept(listener, Arc::new(site)));
        TestIssuerServer { issuer, address, running }
    }
}

impl TestIssuerServer {
    /// Returns the URL, which is the name of the issuer, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        self.issuer.name()
    }

    /// Returns the address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the issuer that is served. Its tokens have the URL as their issuer.
    #[must_use]
    pub fn issuer(&self) -> &TestIssuer {
        &self.issuer
    }
}

/// Accepts connections until it is dropped, which ends all connections.
async fn accept(listener: TcpListener, site: Arc<Site>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A client that is gone before it is accepted is no failure of the server.
                let Ok((stream, _)) = accepted else { continue };
                let site = Arc::clone(&site);
                connections.spawn(async move {
                    let service = service_fn(move |request| respond(Arc::clone(&site), request));
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn respond(site: Arc<Site>, request: Request<Incoming>) -> Result<Response<FullBody>, Infallible> {
    /// No client of a test sends more.
    const MOST: usize = 64 * 1024;
    let (request, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST).collect().await else {
        let mut response = Response::new(FullBody::default());
        *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let mut response = site.answer(&request, &body.to_bytes()).await;
    // For clients in a browser.
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    Ok(response)
}

impl fmt::Debug for TestIssuerServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuerServer")
            .field("url", &self.url())
            .field("running", &self.running.is_some())
            .finish_non_exhaustive()
    }
}
