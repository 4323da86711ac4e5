//! What policies say that a token needs, for challenges and metadata.

use std::{sync::Arc, time::Duration};

use tower_auth::{
    Permission, Rules,
    permission::{
        OrgSource, Requirement, ScopeHierarchy, acr, any_scope, authenticated, from_fn, logged_in_within, member_of,
        role, scope,
    },
};

#[expect(clippy::needless_pass_by_value, reason = "a policy is made for each call")]
fn scopes(policy: impl Permission) -> Vec<String> {
    policy.requirement().scopes().to_vec()
}

#[test]
fn every_policy_names_what_a_client_can_ask_for() {
    let none: [&str; 0] = [];
    assert_eq!(scopes(scope("a")), ["a"]);
    assert_eq!(scopes(any_scope(["a", "b"])), ["a"]);
    assert_eq!(scopes(any_scope(none)), none);
    assert_eq!(scopes(role("a")), none);
    assert_eq!(scopes(authenticated()), none);
    assert_eq!(scopes(from_fn(|_, _| true)), none);
    assert_eq!(scopes(member_of(OrgSource::path_after("o"))), none);
    assert_eq!(scopes(scope("a").and(scope("b")).and(scope("a"))), ["a", "b"]);
    assert_eq!(scopes(scope("a").or(scope("b"))), ["a"]);
    assert_eq!(scopes(role("x").or(scope("b"))), ["b"]);
    assert_eq!(scopes(role("x").and(scope("b"))), ["b"]);
    assert_eq!(scopes(acr(["x"]).or(scope("b"))), none, "a login is a way out too");
    assert_eq!(scopes(scope("a").and(scope("b").or(scope("c")))), ["a", "b"]);
    let shared: Arc<dyn Permission> = Arc::new(scope("a"));
    assert_eq!(scopes(shared), ["a"]);
    let hierarchy = ScopeHierarchy::new(["read", "write"]).implies("write", ["read"]).unwrap();
    assert_eq!(scopes(hierarchy.scope("read").unwrap()), ["read"], "not what implies it");
    let login = acr(["x"]).and(logged_in_within(Duration::from_secs(9)));
    assert_ne!(login.requirement(), Requirement::nothing_to_ask_for());
}

#[test]
fn a_table_lists_the_scopes_of_its_rules() {
    let rules = Rules::new()
        .public("GET /health")
        .require("GET /a", scope("read"))
        .require("GET /b", role("admin"))
        .require("/c", any_scope(["write", "admin"]).and(scope("read")))
        .require("/d", scope("offline_access"))
        .require("/e", scope("two words"))
        .otherwise(scope("rest"));
    assert_eq!(rules.scopes(), ["read", "write", "rest"]);
    assert_eq!(Rules::new().scopes(), [""; 0]);
}
