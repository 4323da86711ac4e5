//! A limiter whose charges have to be waited for, and clients that disconnect meanwhile.

use std::{
    future::Future as _,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Waker},
};

use tokio::sync::Semaphore;
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthStack, KeyRecord, Limiter, MaybeReady, Rejection,
    limit::{BucketKey, LimitFuture, LimitTime, Limits, MemoryLimiter, Reservation},
};

use super::{failures::budget, from};
use crate::support::{KEY, get, store, strict};

/// Answers questions at once, and completes a charge when the test allows it.
#[derive(Clone, Default)]
struct HeldCharges {
    memory: Arc<MemoryLimiter>,
    begun: Arc<AtomicUsize>,
    completed: Arc<AtomicUsize>,
    open: Option<Arc<Semaphore>>,
}

impl Limiter for HeldCharges {
    fn decide(&self, bucket: BucketKey, limits: &Limits, cost: u32, now: LimitTime) -> LimitFuture {
        if cost == 0 {
            return self.memory.decide(bucket, limits, cost, now);
        }
        let (this, limits) = (self.clone(), limits.clone());
        MaybeReady::boxed(async move {
            this.begun.fetch_add(1, Ordering::SeqCst);
            this.open.as_ref().unwrap().acquire().await.unwrap().forget();
            this.completed.fetch_add(1, Ordering::SeqCst);
            Ok(this.memory.try_acquire(bucket, &limits, cost, now))
        })
    }

    fn refund(&self, _: BucketKey, _: &Reservation, _: LimitTime) {}
}

/// The failure has happened, whichever part found it: the layer that looks at credentials, or the handler.
#[tokio::test]
async fn p70_a_charge_is_completed_after_its_client_has_disconnected() {
    for key in ["ak_0000000000000000000000000000000000000000", KEY] {
        let open = Arc::new(Semaphore::new(0));
        let limiter = HeldCharges { open: Some(Arc::clone(&open)), ..HeldCharges::default() };
        let (scheme, keys) = store(KeyRecord::new("key_1", "acme"));
        let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme, keys));
        let stack = stack.limit(budget(1).limiter(limiter.clone())).build().unwrap();
        let service = stack.layer(strict(|_| Rejection::invalid_credentials().into_response()));
        let request = from("192.0.2.1", get("/", &[("x-api-key", key)]));

        let mut asking = Box::pin(service.clone().oneshot(request));
        assert!(asking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(limiter.begun.load(Ordering::SeqCst), 1);
        drop(asking);
        open.add_permits(1);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(limiter.completed.load(Ordering::SeqCst), 1, "{key}");
    }
}
