//! Several processes on one file.

use std::{env, path::Path, time::Duration};

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ApiKeyLayer, AuthStack, Principal, RegistryError, Rejection, RejectionKind, registry::KeyFilter};

use super::{Folder, Office, child, open, scheme};
use crate::support::{get, ok};

const FILE: &str = "TOWER_AUTH_SQLITE_REVOKE";

/// Not a test of its own: what the other process does.
#[tokio::test]
async fn the_other_process() {
    let Some(file) = env::var_os(FILE) else { return };
    let office = Office::of(open(Path::new(&file)));
    office.keys.revoke(&Principal::builder("bob").build(), "key_1").await.unwrap();
    println!("revoked by another process");
}

#[tokio::test]
async fn r086_a_revoke_of_another_process_is_seen_by_the_next_request() {
    let folder = Folder::new();
    let office = folder.office().await;
    let key = office.create("key_1").await;
    let stack = AuthStack::builder().auth(ApiKeyLayer::new(scheme(), office.store.clone())).build().unwrap();
    let present = async || {
        let response = stack.layer(ok()).oneshot(get("/", &[("x-api-key", key.expose())])).await.unwrap();
        Rejection::of(&response).map(Rejection::kind)
    };
    assert_eq!(present().await, None);
    let output = child("sqlite::processes::the_other_process", FILE, &folder.file()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("revoked by another process"), "{output:?}");
    assert_eq!(present().await, Some(RejectionKind::InvalidKey));
    assert_eq!(office.state(&key).await.unwrap(), "Revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_stores_lose_no_change_of_each_other() {
    let folder = Folder::new();
    let (one, other) = (folder.office().await, folder.office().await);
    one.create("key_1").await;
    let ids = |prefix: &'static str| (0..10).map(move |number| format!("{prefix}{number}"));
    let work = async |office: &Office, prefix| {
        let rotated = office.keys.rotate(&office.admin, "key_1", Duration::from_secs(60)).await;
        for id in ids(prefix) {
            office.create(&id).await;
        }
        rotated
    };
    let (first, second) = tokio::join!(work(&one, "a"), work(&other, "b"));
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    let successor = won.unwrap().key.id().to_owned();
    assert_eq!(lost.unwrap_err(), RegistryError::Rotated { successor });
    let keys = one.keys.list_all(&one.admin, &KeyFilter::all()).await.unwrap();
    assert!(ids("a").chain(ids("b")).all(|id| keys.iter().any(|key| key.id() == id)));
    assert_eq!(keys.len(), 22);
}
