//! Which features bring what, read from the manifest by cargo itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BACKENDS: [&str; 2] = ["aws-lc-rs", "rust-crypto"];

fn features() -> BTreeMap<String, Vec<String>> {
    let mut cargo = Command::new(env!("CARGO"));
    let told =
        cargo.args(["metadata", "--no-deps", "--offline", "--format-version", "1"]).current_dir(ROOT).output().unwrap();
    let metadata: Value = serde_json::from_slice(&told.stdout).unwrap();
    serde_json::from_value(metadata["packages"][0]["features"].clone()).unwrap()
}

/// A feature and all that it turns on.
fn closure<'a>(features: &'a BTreeMap<String, Vec<String>>, feature: &'a str) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::new();
    let mut open = vec![feature];
    while let Some(next) = open.pop() {
        if all.insert(next) {
            open.extend(features.get(next).into_iter().flatten().map(String::as_str));
        }
    }
    all
}

#[test]
fn p85_nothing_is_on_by_default() {
    assert!(features()["default"].is_empty());
}

#[test]
fn p85_tokens_come_with_a_backend_and_never_without() {
    let features = features();
    for feature in features.keys() {
        let brings = closure(&features, feature);
        let backend = BACKENDS.iter().any(|backend| brings.contains(backend));
        assert_eq!(brings.contains("dep:jsonwebtoken"), backend, "{feature}");
    }
    assert!(BACKENDS.iter().all(|backend| features.contains_key(*backend)));
}

/// C code is built for who asks for AWS-LC, ring or SQLite, and for nobody else.
#[test]
fn p85_no_other_feature_brings_c_code() {
    let features = features();
    let asks = ["aws-lc-rs", "tls-aws-lc", "tls-ring", "sqlite"];
    for feature in features.keys() {
        let brings = closure(&features, feature);
        let native = ["dep:aws-lc-rs", "hyper-rustls/aws-lc-rs", "hyper-rustls/ring", "dep:rusqlite"];
        let native = native.iter().any(|dep| brings.contains(dep));
        assert_eq!(native, asks.iter().any(|name| brings.contains(name)), "{feature}");
    }
    assert!(!closure(&features, "axum").contains("aws-lc-rs"));
}

#[test]
fn p85_full_has_all_but_what_another_replaces_and_what_tests_need() {
    let features = features();
    let full = closure(&features, "full");
    let left: Vec<&str> = features.keys().map(String::as_str).filter(|name| !full.contains(name)).collect();
    assert_eq!(left, ["default", "rust-crypto", "testing", "tls-ring"]);
}
