//! A file that is read again.

use std::fs;

use tower::{Layer as _, ServiceExt as _};
use tower_auth::{ApiKeyLayer, AuthStack, FileKeyStore, Health, RateLimitLayer, testing::ManualClock};

use super::{Folder, ONE, TWO, knows, scheme, table};
use crate::{
    no_leak::Logs,
    support::{get, ok},
};

const PLANS: &str = "fallback_plan = \"standard\"\n[plans.standard]\nlimits = [{ events = 3, period = \"1h\" }]\n";

#[tokio::test]
async fn a_reload_puts_the_new_content_into_force() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    let clone = keys.clone();
    folder.write(&table("two", TWO, ""));
    assert!(knows(&keys, ONE).await && !knows(&keys, TWO).await, "nobody has read it");
    keys.reload().unwrap();
    for keys in [&keys, &clone] {
        assert!(!knows(keys, ONE).await && knows(keys, TWO).await);
    }
    folder.write(&table("two", TWO, "revoked = true"));
    keys.reload().unwrap();
    assert!(!knows(&keys, TWO).await);
    // A key that comes back is the owner's business.
    folder.write(&table("two", TWO, ""));
    keys.reload().unwrap();
    assert!(knows(&keys, TWO).await);
}

#[tokio::test]
async fn a_wrong_file_changes_nothing_and_degrades_the_health() {
    let logs = Logs::capture();
    let good = PLANS.to_owned() + &table("one", ONE, "");
    let folder = Folder::with(&good);
    let keys = folder.open();
    let plans = format!("{:?}", keys.plans().unwrap());
    assert_eq!(keys.health(), Health::Good);
    for wrong in [
        // A new key and a new plan stand before the mistake.
        PLANS.replace("= 3", "= 9") + &table("two", TWO, "") + "[keys",
        PLANS.replace("= 3", "= 9") + &table("two", TWO, "") + &table("x", TWO, ""),
        table("two", TWO, ""), // without plans
    ] {
        folder.write(&wrong);
        let error = keys.reload().unwrap_err().to_string();
        assert_eq!(keys.health(), Health::Degraded(error.clone().into()));
        assert_eq!(logs.text().matches(&error).count(), 1, "{}", logs.text());
        keys.reload().unwrap_err();
        assert_eq!(logs.text().matches(&error).count(), 1, "the same is not logged again");
        assert!(knows(&keys, ONE).await && !knows(&keys, TWO).await);
        assert_eq!(format!("{:?}", keys.plans().unwrap()), plans);
    }
    folder.write(&good);
    keys.reload().unwrap();
    assert_eq!(keys.health(), Health::Good);
    assert!(logs.text().contains("ERROR") && logs.text().contains("the key file is used again"));
}

#[tokio::test]
async fn a_deleted_file_changes_nothing_until_it_is_back() {
    let folder = Folder::with(&table("one", ONE, ""));
    let keys = folder.open();
    fs::remove_file(folder.file()).unwrap();
    keys.reload().unwrap_err();
    assert!(matches!(keys.health(), Health::Degraded(_)));
    assert!(knows(&keys, ONE).await);
    folder.write(&table("two", TWO, ""));
    keys.reload().unwrap();
    assert_eq!(keys.health(), Health::Good);
    assert!(!knows(&keys, ONE).await && knows(&keys, TWO).await);
}

/// Status, and the limit and the rest that the headers tell.
async fn ask(stack: &AuthStack) -> (u16, String) {
    let response = stack.layer(ok()).oneshot(get("/", &[("x-api-key", ONE)])).await.unwrap();
    let header = |name: &str| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (response.status().as_u16(), header("x-ratelimit-limit") + " " + &header("x-ratelimit-remaining"))
}

fn stack(keys: &FileKeyStore) -> AuthStack {
    AuthStack::builder()
        .auth(ApiKeyLayer::new(scheme(), keys.clone()))
        .limit(RateLimitLayer::by_plan(&keys.plans().unwrap()))
        .clock(&ManualClock::at("2027-01-15T08:00:00Z"))
        .build()
        .unwrap()
}

#[tokio::test]
async fn plans_follow_a_reload_and_counts_stay() {
    let special = "[[plans.standard.special]]\nmethod = \"token\"\nlimits = [{ events = 7, period = \"1h\" }]\n";
    let key = table("one", ONE, "");
    let folder = Folder::with(&format!("{PLANS}{special}{key}"));
    let keys = folder.open();
    let stack = stack(&keys);
    assert_eq!(ask(&stack).await, (200, "3 2".into()));
    assert_eq!(ask(&stack).await, (200, "3 1".into()));
    folder.write(&format!("{}{key}", PLANS.replace("= 3", "= 5")));
    keys.reload().unwrap();
    let (status, told) = ask(&stack).await;
    assert_eq!(status, 200);
    assert!(told.starts_with("5 ") && told != "5 4", "the two requests still count: {told}");
    // A key with limits of its own, and a method that has others.
    let special = special.replace("token", "api_key");
    folder.write(&format!("{PLANS}{special}{key}"));
    keys.reload().unwrap();
    assert!(ask(&stack).await.1.starts_with("7 "));
    folder.write(&format!("{PLANS}{key}limits = [{{ events = 9, period = \"1h\" }}]\n"));
    keys.reload().unwrap();
    assert!(ask(&stack).await.1.starts_with("9 "));
}

#[tokio::test]
async fn plans_may_come_with_a_reload() {
    let folder = Folder::with(&table("one", ONE, "plan = \"any\""));
    let keys = folder.open();
    let error = keys.plans().unwrap_err().to_string();
    assert!(error.contains("has no plans") && error.contains("fallback_plan"), "{error}");
    folder.write(&(PLANS.to_owned() + &table("one", ONE, "")));
    keys.reload().unwrap();
    assert_eq!(ask(&stack(&keys)).await, (200, "3 2".into()));
}
