//! What a principal may do: policies and their combinations, the layer that asks them, and who hears of it.

mod decisions;
mod logins;
mod mounted;
mod policies;
mod requirements;

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Service, ServiceExt as _};
use tower_auth::{ApiKeyLayer, KeyRecord};

use crate::support::{Body, store};

async fn answer<S, B>(service: S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

fn keys(record: KeyRecord) -> ApiKeyLayer {
    let (scheme, store) = store(record);
    ApiKeyLayer::new(scheme, store)
}
