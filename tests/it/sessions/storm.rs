//! Many refreshes of one session at the same moment, round after round.
//!
//! `TOWER_AUTH_ROUNDS=1000 cargo test --release --test it -- sessions::storm` runs as many rounds as one likes.

use std::{env, sync::Arc};

#[cfg(feature = "postgres")]
use tower_auth::PostgresKeyStore;
#[cfg(feature = "sqlite")]
use tower_auth::SqliteKeyStore;
use tower_auth::{
    Clock, MemoryKeyStore,
    session::{
        Grant, SessionFilter, SessionStore, Sessions, TokenIssuer, TokenRequest,
        signing::{SigningKeys, SigningPolicy},
    },
};

use super::{ISSUER, alice, peppers, rt};
#[cfg(feature = "sqlite")]
use crate::support::folder::Folder;
#[cfg(feature = "postgres")]
use crate::support::postgres;

/// The refreshes of a round.
const AT_ONCE: usize = 64;

/// How many rounds are run: so many, unless the environment says otherwise.
pub(crate) fn rounds(few: usize) -> usize {
    env::var("TOWER_AUTH_ROUNDS").map_or(few, |rounds| rounds.parse().expect("TOWER_AUTH_ROUNDS is a number"))
}

pub(crate) fn sessions(store: impl SessionStore) -> Sessions {
    let keys = SigningKeys::in_memory(SigningPolicy::new(), Clock::system()).unwrap();
    Sessions::builder(TokenIssuer::new(ISSUER, keys).unwrap(), store, &peppers()).build().unwrap()
}

/// Refreshes one session in rounds, at these sessions by turns: the processes of one service. In every round, some clients go away
/// before they have an answer, and some ask twice.
pub(crate) async fn storm(processes: &[Sessions], rounds: usize) {
    let tokens = processes[0].begin(Grant::of(&alice()), &TokenRequest::new()).await.unwrap();
    let mut token: Arc<str> = rt(&tokens).into();
    for round in 0..rounds {
        let clients = (0..AT_ONCE).map(|client| {
            let (sessions, token) = (processes[client % processes.len()].clone(), Arc::clone(&token));
            tokio::spawn(async move {
                if client % 8 == 7 {
                    drop(
                        tokio::time::timeout(
                            std::time::Duration::from_micros(client as u64 * 20),
                            ask(&sessions, &token),
                        )
                        .await,
                    );
                }
                ask(&sessions, &token).await
            })
        });
        let clients: Vec<_> = clients.collect();
        let mut successors = Vec::with_capacity(AT_ONCE);
        for client in clients {
            successors.push(client.await.unwrap());
        }
        assert!(successors.iter().all(|next| *next == successors[0]), "round {round}: one successor");
        token = successors.swap_remove(0);
    }
    let family = processes[0].list(&SessionFilter::subject("alice")).await.unwrap();
    assert_eq!((family.len(), family[0].ended()), (1, None));
    assert_eq!(usize::try_from(family[0].generation()).unwrap(), rounds, "one winner in each round");
}

async fn ask(sessions: &Sessions, token: &str) -> Arc<str> {
    rt(&sessions.refresh(token, &TokenRequest::new()).await.unwrap()).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r108_of_many_refreshes_at_once_one_wins_and_nobody_is_locked_out() {
    let store = MemoryKeyStore::new();
    let processes = [sessions(store.clone()), sessions(store)];
    storm(&processes, rounds(20)).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r108_of_many_refreshes_at_once_in_sqlite_one_wins_and_nobody_is_locked_out() {
    let folder = Folder::new("sqlite-storm");
    let open = || SqliteKeyStore::open(folder.path().join("keys.db")).unwrap();
    open().migrate().await.unwrap();
    storm(&[sessions(open()), sessions(open())], rounds(5)).await;
}

#[cfg(feature = "postgres")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r108_of_many_refreshes_at_once_in_postgres_one_wins_and_nobody_is_locked_out() {
    let Some(database) = postgres::database().await else { return };
    let open = || PostgresKeyStore::from_pool(database.pool(4));
    open().migrate().await.unwrap();
    storm(&[sessions(open()), sessions(open())], rounds(5)).await;
}
