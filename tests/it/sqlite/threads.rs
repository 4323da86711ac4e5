//! The threads of a store: what they survive, when they end, and what they need.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use tower_auth::{
    RegistryError,
    registry::{Change, Holder, RegistryStore as _},
};

use super::Folder;
use crate::support::process::until;

#[tokio::test]
async fn a_panic_in_a_decision_ends_only_its_own_call() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    for _ in 0..3 {
        let panics = office.store.transact(vec!["key_1".into()], Box::new(|_| panic!("a bug of the caller")));
        let error = panics.await.unwrap_err();
        assert!(matches!(&error, RegistryError::Store(text) if text.contains("stopped")), "{error}");
        assert_eq!(office.state(&key).await.unwrap(), "Active");
    }
    office.keys.revoke(&office.admin, "key_1").await.unwrap();
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_last_clone_closes_the_file() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let clone = office.store.clone();
    drop(office);
    clone.check_schema().await.unwrap();
    assert!(is_open(&folder.file()));
    // A future keeps the store open until it is dropped too.
    let asked = clone.get("key_1");
    drop(clone);
    assert!(asked.await.unwrap().is_some());
    assert!(until(|| !is_open(&folder.file())));
    assert_eq!(folder.office().await.state(&key).await.unwrap(), "Active");
}

/// Whether this process has the file open.
#[cfg(target_os = "linux")]
fn is_open(path: &std::path::Path) -> bool {
    let open = std::fs::read_dir("/proc/self/fd").unwrap();
    open.flatten().any(|file| std::fs::read_link(file.path()).is_ok_and(|target| target == path))
}

/// Holds the thread that writes until the sender is dropped.
fn occupy(store: &tower_auth::SqliteKeyStore) -> (mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (release, released) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    let held = store.transact(
        Vec::new(),
        Box::new(move |_| {
            begun.send(()).unwrap();
            released.recv().unwrap_err();
            Ok(Vec::new())
        }),
    );
    let held = tokio::spawn(async move { drop(held.await.unwrap()) });
    beginning.recv().unwrap();
    (release, held)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_caller_has_gone_is_skipped() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let (release, held) = occupy(&office.store);
    // A lookup does not wait for the writer.
    assert_eq!(office.state(&key).await.unwrap(), "Active");
    let ran = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ran);
    let suspend = Change::Suspend { holder: Holder::account("acme"), at: std::time::SystemTime::now() };
    let abandoned = office.store.transact(
        Vec::new(),
        Box::new(move |_| {
            told.store(true, Ordering::Relaxed);
            Ok(vec![suspend])
        }),
    );
    assert!(tokio::time::timeout(Duration::from_millis(20), abandoned).await.is_err());
    drop(release);
    held.await.unwrap();
    office.keys.pause(&office.admin, "key_1").await.unwrap();
    assert!(!ran.load(Ordering::Relaxed), "the decision was dropped");
    assert_eq!(office.state(&key).await.unwrap(), "Paused");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_callers_than_the_queue_has_room_are_all_answered() {
    let folder = Folder::new();
    let office = folder.office().await;
    let (release, held) = occupy(&office.store);
    let store = office.store.clone();
    let waiting: Vec<_> = (0..3000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.transact(Vec::new(), Box::new(|_| Ok(Vec::new()))).await })
        })
        .collect();
    drop(release);
    held.await.unwrap();
    for answer in waiting {
        answer.await.unwrap().unwrap();
    }
}
