//! Rules 077 to 082, 086 to 088, 090, 091 and 093, and all that a request with a key may meet.

mod at_rest;
mod environments;
mod fresh;
mod pepper_files;
mod presented;
mod states;
mod websocket;

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use tower::{Service, ServiceExt as _};
use tower_auth::{KeyDigests, KeyRecord, KeyStore, MemoryKeyStore, StoreFuture};

use crate::support::Body;

async fn answer<S, B>(service: S, request: Request<Body>) -> Response<B>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

/// A store that notes what it is asked for; a clone is a handle on the same notes.
#[derive(Clone, Default)]
struct Counting {
    inner: MemoryKeyStore,
    asked: Arc<Mutex<Vec<Vec<Vec<u8>>>>>,
}

impl Counting {
    fn over(inner: MemoryKeyStore) -> Self {
        Self { inner, asked: Arc::default() }
    }

    /// The digests of every question since the last call.
    fn asked(&self) -> Vec<Vec<Vec<u8>>> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl KeyStore for Counting {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        self.asked.lock().unwrap().push(key.as_slices().into_iter().map(<[u8]>::to_vec).collect());
        self.inner.find(key)
    }
}

/// A store that answers after it was waited for once, as a database does.
pub(crate) struct Slow<S>(pub(crate) S);

impl<S: KeyStore> KeyStore for Slow<S> {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        later(self.0.find(key))
    }

    fn find_fresh(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        later(self.0.find_fresh(key))
    }
}

fn later(found: StoreFuture<Option<KeyRecord>>) -> StoreFuture<Option<KeyRecord>> {
    StoreFuture::boxed(async move {
        tokio::task::yield_now().await;
        found.await
    })
}
