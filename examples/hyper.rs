//! Bare hyper, HTTP/1.1 and HTTP/2: one static key, no store, no router.
//!
//! ```console
//! $ OPS_KEY=$(openssl rand -hex 32) cargo run --example hyper     # without OPS_KEY, the ready line shows a new one
//! $ curl localhost:8080/                                          # 401 AUTHENTICATION_REQUIRED
//! $ curl localhost:8080/ -H "x-api-key: $OPS_KEY"                 # 200, hello ops
//! $ curl localhost:8080/ -H "x-api-key: $OPS_KEY-"                # 401 INVALID_API_KEY
//! $ curl localhost:8080/ -H "x-api-key: $OPS_KEY" --http2-prior-knowledge
//! ```

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tower::{ServiceBuilder, service_fn};
use tower_auth::{ApiKeyLayer, BoxError, ErrorEnvelopeLayer, KeyFormat, KeyScheme, PeerAddr, RequestExt as _, Secret};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.principal() {
        Ok(who) => Response::new(Full::from(format!("hello {}", who.subject()))),
        Err(rejection) => rejection.into_response(),
    })
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let minted = match std::env::var_os("OPS_KEY") {
        Some(_) => None,
        None => Some(
            KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40)?.without_checksum().accept_lengths(39..=40)?)
                .generate()?,
        ),
    };
    let shown = minted.as_ref().map(|key| key.expose().to_owned());
    let key = minted.map_or_else(|| Secret::from_env("OPS_KEY"), Ok)?;
    let service = ServiceBuilder::new()
        .layer(ErrorEnvelopeLayer::compact())
        .layer(ApiKeyLayer::static_key("ops", key)?)
        .service(service_fn(hello));

    let listener = tokio::net::TcpListener::bind(listen()).await?;
    let address = format!("http://{}", listener.local_addr()?);
    println!("{}", serde_json::json!({ "listening": address, "demo": { "key": shown } }));
    loop {
        let (stream, peer) = listener.accept().await?;
        // hyper does not pass the client's address to the service.
        let with_peer = move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(PeerAddr(peer.ip()));
            request
        };
        let service = ServiceBuilder::new().map_request(with_peer).service(service.clone());
        tokio::spawn(async move {
            let connection = Builder::new(TokioExecutor::new());
            if let Err(error) =
                connection.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).await
            {
                eprintln!("{peer}: {error}");
            }
        });
    }
}

/// Returns the address after `--listen`, or the default.
fn listen() -> String {
    std::env::args().skip_while(|word| word != "--listen").nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned())
}
