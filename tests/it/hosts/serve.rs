//! The three hosts: the same routes and the same layers, each in the host's own manner.

use std::{convert::Infallible, future::pending, net::SocketAddr};

use axum::{Router, response::IntoResponse as _, routing};
use bytes::Bytes;
use http::{Extensions, HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use tokio::{net::TcpListener, sync::mpsc};
use tonic::{service::Routes, transport::server::TcpIncoming};
use tower::{
    Layer as _, ServiceBuilder, ServiceExt as _,
    layer::util::{Identity, Stack},
    service_fn,
    util::Either,
};
use tower_auth::{
    AuthStack, BoxError, ErrorEnvelopeLayer, PeerAddr, Principal, Rejection, RequestExt as _, RequireLayer,
    permission::role,
};
use tower_http::{
    classify::{ServerErrorsAsFailures, SharedClassifier},
    cors::CorsLayer,
    trace::TraceLayer,
};

use super::{
    CLAIM,
    pb::{
        Reply, Reserve,
        stock_server::{Stock, StockServer},
    },
};
use crate::support::sockets::{self, Running};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Axum,
    Tonic,
    Hyper,
}

/// What is mounted on a host, and how the host is configured.
#[derive(Clone)]
pub(super) struct Mount {
    stack: Either<AuthStack, ErrorEnvelopeLayer>,
    pub(super) cors_outside: Option<CorsLayer>,
    pub(super) cors_inside: Option<CorsLayer>,
    /// Whether the host is set up to tell whose connection it is; tonic always is.
    pub(super) peers: bool,
    /// Told whenever the handler that never answers is begun, and when it is dropped.
    pub(super) slow: mpsc::UnboundedSender<&'static str>,
}

impl Mount {
    pub(super) fn new(stack: AuthStack) -> Self {
        Self::of(Either::Left(stack))
    }

    /// What somebody mounts who forgets the guards.
    pub(super) fn without_authentication(envelope: ErrorEnvelopeLayer) -> Self {
        Self::of(Either::Right(envelope))
    }

    fn of(stack: Either<AuthStack, ErrorEnvelopeLayer>) -> Self {
        Self { stack, cors_outside: None, cors_inside: None, peers: true, slow: mpsc::unbounded_channel().0 }
    }

    /// CORS outside of everything, so that refusals carry its headers; tracing inside.
    fn layers(&self) -> ServiceBuilder<Layers> {
        ServiceBuilder::new()
            .option_layer(self.cors_outside.clone())
            .layer(self.stack.clone())
            .layer(TraceLayer::new_for_http())
            .option_layer(self.cors_inside.clone())
    }
}

type Cors<L> = Stack<Either<CorsLayer, Identity>, L>;
type Trace = TraceLayer<SharedClassifier<ServerErrorsAsFailures>>;
type Layers = Cors<Stack<Trace, Stack<Either<AuthStack, ErrorEnvelopeLayer>, Cors<Identity>>>>;

pub(super) async fn start(host: Host, mount: &Mount) -> Running {
    match host {
        Host::Axum => axum(mount).await,
        Host::Tonic => tonic(mount),
        Host::Hyper => hyper(mount).await,
    }
}

async fn axum(mount: &Mount) -> Running {
    let grpc = Router::new()
        .route_service("/inventory.v1.Stock/{*method}", StockServer::new(Inventory))
        .route_service("/grpc.health.v1.Health/{*method}", tonic_health::server::health_reporter().1);
    let app = routes(mount).merge(grpc).layer(mount.layers());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, peers) = (listener.local_addr().unwrap(), mount.peers);
    let task = tokio::spawn(async move {
        if peers {
            axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await.unwrap();
        } else {
            axum::serve(listener, app).await.unwrap();
        }
    });
    Running::new(address, task)
}

fn tonic(mount: &Mount) -> Running {
    let mut services = Routes::default();
    let router = std::mem::take(services.axum_router_mut());
    *services.axum_router_mut() = router.merge(routes(mount));
    let services =
        services.add_service(StockServer::new(Inventory)).add_service(tonic_health::server::health_reporter().1);
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = incoming.local_addr().unwrap();
    let server =
        tonic::transport::Server::builder().accept_http1(true).layer(mount.layers().into_inner()).add_routes(services);
    let task = tokio::spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
    Running::new(address, task)
}

async fn hyper(mount: &Mount) -> Running {
    let (handler, peers) = (mount.clone(), mount.peers);
    let service = mount.layers().service(service_fn(move |request| dispatch(request, handler.clone())));
    sockets::hyper(move |peer| {
        let with_peer = move |mut request: Request<Incoming>| {
            if peers {
                request.extensions_mut().insert(PeerAddr(peer.ip()));
            }
            request
        };
        ServiceBuilder::new().map_request(with_peer).service(service.clone())
    })
    .await
}

/// The routes of axum, and of tonic beside its services.
fn routes(mount: &Mount) -> Router {
    let slow = mount.slow.clone();
    let hidden = RequireLayer::new(role("admin")).mask_as_not_found();
    let seen = |request: Request<axum::body::Body>| async move { seen(request.headers(), request.extensions()) };
    Router::new()
        .route("/health", routing::get(seen))
        .route("/v1/me", routing::get(me).options(seen))
        .route("/v1/models", routing::post(|| async { "made" }))
        .route("/v1/hidden", routing::get(|| async { "treasure" }).route_layer(hidden))
        .route("/v1/slow", routing::get(move || never(slow.clone())))
}

async fn me(who: Principal, headers: HeaderMap) -> axum::response::Response {
    (claimed(&headers), who.subject().to_owned()).into_response()
}

/// Bare hyper has no router.
async fn dispatch(request: Request<Incoming>, mount: Mount) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    if path.starts_with("/inventory.v1.Stock/") {
        return Ok(StockServer::new(Inventory).oneshot(request).await?.map(boxed));
    }
    if path.starts_with("/grpc.health.v1.Health/") {
        return Ok(tonic_health::server::health_reporter().1.oneshot(request).await?.map(boxed));
    }
    let head = *request.method() == Method::HEAD;
    let mut response = match (request.method(), &*path) {
        (&Method::GET | &Method::HEAD, "/health") | (&Method::OPTIONS, "/v1/me") => {
            Response::new(full(seen(request.headers(), request.extensions())))
        }
        (&Method::GET | &Method::HEAD, "/v1/me") => match request.principal() {
            Ok(who) => {
                let mut response = Response::new(full(who.subject().to_owned()));
                response.headers_mut().extend(claimed(request.headers()));
                response
            }
            Err(rejection) => rejection.into_response(),
        },
        (_, "/v1/me") => {
            let allowed = Response::builder().status(StatusCode::METHOD_NOT_ALLOWED).header(header::ALLOW, "GET,HEAD");
            allowed.body(Body::default()).unwrap()
        }
        (&Method::POST, "/v1/models") => Response::new(full("made")),
        (&Method::GET, "/v1/hidden") => {
            let treasure =
                service_fn(|_: Request<Incoming>| async { Ok::<_, Infallible>(Response::new(full("treasure"))) });
            RequireLayer::new(role("admin")).mask_as_not_found().layer(treasure).oneshot(request).await?
        }
        (&Method::GET, "/v1/slow") => Response::new(full(never(mount.slow).await)),
        _ => Rejection::not_found().into_response(),
    };
    if head {
        // hyper leaves the body on HTTP/2, which no client may read.
        let length = response.body().size_hint().exact().unwrap_or_default();
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
        return Ok(response.map(|_| Body::default()));
    }
    Ok(response)
}

type Body = UnsyncBoxBody<Bytes, BoxError>;

fn full(text: impl Into<Bytes>) -> Body {
    boxed(Full::new(text.into()))
}

fn boxed<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    body.map_err(Into::into).boxed_unsync()
}

/// Who an open route takes the caller for.
fn seen(headers: &HeaderMap, extensions: &Extensions) -> String {
    let claim = if headers.contains_key(CLAIM) { " with a claim" } else { "" };
    match extensions.principal() {
        Ok(who) => format!("{}{claim}", who.subject()),
        Err(_) => format!("nobody{claim}"),
    }
}

/// Shows the claim of a client that came through.
fn claimed(headers: &HeaderMap) -> HeaderMap {
    headers
        .iter()
        .filter(|(name, _)| name.as_str() == CLAIM)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Begins and never ends.
async fn never(told: mpsc::UnboundedSender<&'static str>) -> &'static str {
    let _ = told.send("begun");
    let _dropped = Dropped(told);
    pending().await
}

/// Tells that it is dropped.
pub(super) struct Dropped(pub(super) mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

#[derive(Debug)]
struct Inventory;

#[tonic::async_trait]
impl Stock for Inventory {
    async fn reserve(&self, request: tonic::Request<Reserve>) -> Result<tonic::Response<Reply>, tonic::Status> {
        let who = request.principal()?;
        if !who.is_member_of(&request.get_ref().org) {
            return Err(Rejection::custom(StatusCode::FORBIDDEN, "WRONG_ORG").message("100 % not yours: ü").into());
        }
        Ok(tonic::Response::new(Reply { note: format!("reserved for {}", who.subject()) }))
    }

    async fn look(&self, request: tonic::Request<Reserve>) -> Result<tonic::Response<Reply>, tonic::Status> {
        Ok(tonic::Response::new(Reply { note: format!("seen by {}", request.principal()?.subject()) }))
    }
}
