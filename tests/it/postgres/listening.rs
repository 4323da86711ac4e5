//! A subscription of a test, and what it has heard.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use tower_auth::{
    BoxError, PostgresChanges, PostgresKeyStore,
    cache::{Announcement, ChangeSink, Changed, Changes as _, Heard, Subscription},
};

pub(super) struct Listening {
    subscription: Box<dyn Subscription>,
    heard: Arc<Mutex<Vec<Announcement>>>,
    lost: Arc<Mutex<Vec<String>>>,
}

impl Listening {
    pub(super) async fn to(store: &PostgresKeyStore, url: &str) -> Result<Self, BoxError> {
        Self::over(&store.changes(url)?).await
    }

    pub(super) async fn over(changes: &PostgresChanges) -> Result<Self, BoxError> {
        let (heard, lost) = (Arc::<Mutex<Vec<_>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let sink = ChangeSink::new({
            let (heard, lost) = (Arc::clone(&heard), Arc::clone(&lost));
            move |one| match one {
                Heard::Announced(what) => heard.lock().unwrap().push(what),
                Heard::Lost(why) => lost.lock().unwrap().push(why.to_string()),
                other => panic!("{other:?}"),
            }
        });
        let subscription = changes.subscribe(sink).await?;
        Ok(Self { subscription, heard, lost })
    }

    pub(super) async fn barrier(&mut self) -> Result<(), BoxError> {
        self.subscription.barrier().await
    }

    /// What was heard since the last call, without asking.
    pub(super) fn take(&self) -> Vec<Announcement> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    /// What was announced since the last call.
    pub(super) async fn drain(&mut self) -> Vec<Announcement> {
        self.barrier().await.unwrap();
        self.take()
    }

    pub(super) async fn exactly(&mut self, changes: &[Changed<'_>]) {
        self.exactly_after("", changes).await;
    }

    /// Asserts that exactly this was announced since the last call, each once, in any order.
    pub(super) async fn exactly_after(&mut self, what: &str, changes: &[Changed<'_>]) {
        let sorted = |all: Vec<String>| {
            let set: BTreeSet<String> = all.iter().cloned().collect();
            assert_eq!(set.len(), all.len(), "{what}: {all:?}");
            set
        };
        let heard = self.drain().await.iter().map(ToString::to_string).collect();
        let wanted = changes.iter().map(|changed| Announcement::from(*changed).to_string()).collect();
        assert_eq!(sorted(heard), sorted(wanted), "{what}");
    }

    /// Why the connection was lost, once it is. It waits for it.
    pub(super) async fn lost(&self) -> String {
        loop {
            if let [why] = &self.lost.lock().unwrap()[..] {
                return why.clone();
            }
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        !self.lost.lock().unwrap().is_empty()
    }
}
