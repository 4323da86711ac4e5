//! The least that a cache must do: SHA-256 of the key, a lookup without a second hash, a look at the clock, a copy of the record.

#[path = "../first_bytes.rs"]
mod first_bytes;

use std::{
    hash::BuildHasherDefault,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Body;
use http::{HeaderMap, Request, Response, header};
use quick_cache::{
    UnitWeighter,
    sync::{Cache, DefaultLifecycle},
};
use sha2::{Digest as _, Sha256};
use tower_auth::KeyRecord;

use self::first_bytes::FirstBytes;
use super::{Keys, LIFE, ROOM};
use crate::floor::{Check, Tell};

type Kept = Cache<[u8; 32], (Duration, KeyRecord), UnitWeighter, BuildHasherDefault<FirstBytes>>;

#[derive(Clone)]
pub(crate) struct Least {
    kept: Arc<Kept>,
    start: Instant,
}

impl Least {
    pub(crate) fn filled(keys: &Keys) -> Self {
        let kept =
            Cache::with(ROOM, ROOM as u64, UnitWeighter, BuildHasherDefault::default(), DefaultLifecycle::default());
        for (n, text) in keys.texts.iter().enumerate() {
            kept.insert(Sha256::digest(text).into(), (LIFE, super::record(n)));
        }
        Self { kept: Arc::new(kept), start: Instant::now() }
    }

    #[inline]
    pub(crate) fn look_up(&self, text: &[u8]) -> Option<KeyRecord> {
        let digest: [u8; 32] = Sha256::digest(text).into();
        let (until, record) = self.kept.get(&digest)?;
        (self.start.elapsed() < until).then_some(record)
    }
}

/// In front of a service, with the key in `Authorization: Bearer`: shared caches keep no answer, so no header is needed.
impl Check for Least {
    type Told = Nothing;

    #[inline]
    fn check(&self, request: &mut Request<Body>) -> Result<Nothing, Response<Body>> {
        let key =
            request.headers().get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        match key.and_then(|key| self.look_up(key)) {
            Some(record) => {
                request.extensions_mut().insert(record.principal().clone());
                Ok(Nothing)
            }
            None => Err(Response::new(Body::empty())),
        }
    }
}

pub(crate) struct Nothing;

impl Tell for Nothing {
    #[inline]
    fn tell(&self, _: &mut HeaderMap) {}
}
