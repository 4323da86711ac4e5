//! What a key, a sign-in and a token of another issuer are exchanged for.

use std::time::Duration;

use serde_json::{Value, json};
use tower_auth::{
    KeyFormat, KeyRecord, KeyScheme, Principal, Quota, Restrictions,
    limit::Limits,
    registry::KeyUpdate,
    session::{ExchangeRule, Grant, SessionError, SessionPolicy, Sessions, TokenRequest},
    token::{KeySet, Tenants, TokenVerifier},
};

use super::{ISSUER, Issuing, alice, issuer, now, ops, peppers, rt};
use crate::tokens::{
    NOW,
    mint::{self, AUDIENCE},
};

/// The claims of a token, unverified.
pub(super) fn payload(token: &str) -> Value {
    serde_json::from_slice(&mint::unb64(token.split('.').nth(1).unwrap())).unwrap()
}

#[test]
fn r100_the_token_of_a_key_says_what_the_key_is() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    let claims = payload(tokens.access_token.expose());
    let id = key.credential_id().unwrap();
    for (name, value) in [
        ("iss", json!(ISSUER)),
        ("aud", json!(ISSUER)),
        ("sub", json!("acme")),
        ("client_id", json!(id)),
        ("key", json!(id)),
        ("iat", json!(1_800_000_000)),
        ("exp", json!(1_800_000_900)),
        ("scope", json!("read write")),
        ("account", json!("acme")),
        ("organizations", json!(["org"])),
        ("plan", json!("standard")),
        ("sid", json!(tokens.session)),
        ("act", Value::Null),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["jti"].as_str().unwrap().len() >= 22, "128 bits");
    let header = mint::unb64(tokens.access_token.expose().split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&header).unwrap();
    assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")));

    let seen = issuing.claims(tokens.access_token.expose()).unwrap();
    let who = seen.principal();
    assert_eq!((who.subject(), who.account(), who.plan()), ("acme", Some("acme"), Some("standard")));
    assert_eq!((who.scopes(), who.organizations()), (key.scopes(), key.organizations()));
    assert_eq!((seen.client_id(), seen.session_id()), (Some(id), tokens.session.as_deref()));
}

#[test]
fn r100_the_scope_is_a_subset_of_the_keys() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let ask = |scope: &str| now(issuing.sessions.exchange(&key, &TokenRequest::new().scope(scope)));
    for (asked, granted) in [("read", "read"), ("write read", "write read"), ("read read", "read"), ("", "")] {
        let tokens = ask(asked).unwrap();
        assert_eq!(payload(tokens.access_token.expose())["scope"], granted, "{asked:?}");
        // Also what is refreshed has no more.
        let next = issuing.refresh(rt(&tokens)).unwrap();
        assert_eq!(next.scopes.join(" "), granted, "{asked:?}");
    }
    for asked in ["admin", "read admin", "READ", "read\twrite", "read,write"] {
        assert!(matches!(ask(asked), Err(SessionError::Scope(_))), "{asked:?}");
    }
}

#[test]
fn r100_a_token_never_outlives_its_key() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new.expires_in(Duration::from_secs(600)));
    let tokens = issuing.exchange(&key);
    assert_eq!(tokens.expires_in, Duration::from_secs(600));
    issuing.pass(599);
    let last = issuing.refresh(rt(&tokens)).unwrap();
    assert_eq!(last.expires_in, Duration::from_secs(1));
    assert!(issuing.is_good(&last));
    issuing.pass(1);
    assert!(!issuing.is_good(&last));
    assert!(issuing.refresh(rt(&last)).is_err());
    assert!(matches!(now(issuing.sessions.exchange(&key, &TokenRequest::new())), Err(SessionError::KeyInactive)));
}

#[test]
fn a_key_that_is_not_active_gets_nothing() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let id = key.credential_id().unwrap();
    let ask = || now(issuing.sessions.exchange(&key, &TokenRequest::new()));
    now(issuing.registry.pause(ops(), id)).unwrap();
    assert!(matches!(ask(), Err(SessionError::KeyInactive)));
    now(issuing.registry.resume(ops(), id)).unwrap();
    assert!(ask().is_ok());
    let account = tower_auth::registry::Holder::account("acme");
    now(issuing.registry.suspend(ops(), account.clone())).unwrap();
    assert!(matches!(ask(), Err(SessionError::Suspended)));
    now(issuing.registry.reinstate(ops(), account)).unwrap();
    now(issuing.registry.revoke(ops(), id)).unwrap();
    assert!(matches!(ask(), Err(SessionError::KeyInactive)));
    assert!(matches!(now(issuing.sessions.exchange(&alice(), &TokenRequest::new())), Err(SessionError::NotAKey)));
    let token = Principal::builder("acme").method(tower_auth::AuthMethod::Token).credential_id(id).build();
    assert!(matches!(now(issuing.sessions.exchange(&token, &TokenRequest::new())), Err(SessionError::NotAKey)));
}

#[test]
fn a_key_with_restrictions_is_exchanged_only_if_the_policy_says_so() {
    let restrict = |new: tower_auth::NewKey| new.restrictions(Restrictions::new().networks(["10.0.0.0/8"]).unwrap());
    let issuing = Issuing::new();
    let key = issuing.key(restrict);
    let refused = now(issuing.sessions.exchange(&key, &TokenRequest::new()));
    assert!(matches!(refused, Err(SessionError::KeyRestricted)));
    let mut policy = SessionPolicy::default();
    policy.exchange_restricted_keys = true;
    let issuing = Issuing::with(policy);
    let key = issuing.key(restrict);
    let tokens = issuing.exchange(&key);
    assert!(issuing.is_good(&tokens));
    // A restriction that comes later ends the refresh, unless the policy allows it.
    assert!(issuing.refresh(rt(&tokens)).is_ok());
}

#[test]
fn a_restriction_that_a_key_gets_later_ends_the_refresh() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let tokens = issuing.exchange(&key);
    let restricted = KeyUpdate::new().restrictions(Restrictions::new().networks(["10.0.0.0/8"]).unwrap());
    now(issuing.registry.update(ops(), key.credential_id().unwrap(), restricted)).unwrap();
    assert!(matches!(issuing.refresh(rt(&tokens)), Err(SessionError::KeyRestricted)));
    let free = KeyUpdate::new().restrictions(Restrictions::new());
    now(issuing.registry.update(ops(), key.credential_id().unwrap(), free)).unwrap();
    assert!(issuing.refresh(rt(&tokens)).is_ok(), "the token was not used up");
}

#[test]
fn a_refresh_has_the_scopes_the_plan_and_the_limits_that_the_key_has_now() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    let id = key.credential_id().unwrap();
    let tokens = issuing.exchange(&key);
    now(issuing.registry.update(ops(), id, KeyUpdate::new().scopes(["read", "admin"]).plan("premium"))).unwrap();
    let next = issuing.refresh(rt(&tokens)).unwrap();
    let claims = payload(next.access_token.expose());
    assert_eq!((&claims["scope"], &claims["plan"]), (&json!("read"), &json!("premium")), "never more than at first");
    now(issuing.registry.update(ops(), id, KeyUpdate::new().scopes(["write", "read"]))).unwrap();
    let again = issuing.refresh(rt(&next)).unwrap();
    assert_eq!(payload(again.access_token.expose())["scope"], "read write", "a scope that the key has again");
}

#[test]
fn a_key_and_its_tokens_share_a_bucket_unless_they_are_separate() {
    let issuing = Issuing::new();
    let limits = Limits::new([Quota::per_minute(7)]).unwrap();
    let key = issuing.key(|new| new);
    let first = payload(issuing.exchange(&key).access_token.expose());
    assert_eq!(first["key"], json!(key.credential_id()));
    let rotated = now(issuing.registry.rotate(ops(), key.credential_id().unwrap(), Duration::from_secs(60))).unwrap();
    let successor = rotated.key.principal().clone();
    let second = payload(issuing.exchange(&successor).access_token.expose());
    assert_eq!(second["key"], first["key"], "keys of a line share one bucket");
    assert_eq!(second["client_id"], json!(successor.credential_id()));

    let apart = issuer(&issuing.clock).separate_limits();
    let apart = Sessions::builder(apart, issuing.store.clone(), &peppers()).build().unwrap();
    let separate = now(apart.exchange(&key, &TokenRequest::new())).unwrap();
    let separate = payload(separate.access_token.expose());
    assert_ne!(separate["key"], first["key"]);
    assert_eq!(separate["client_id"], first["client_id"]);

    let own = alice_with(&limits);
    let tokens = now(issuing.sessions.begin(Grant::of(&own), &TokenRequest::new())).unwrap();
    let claims = issuing.claims(tokens.access_token.expose()).unwrap();
    assert_eq!(claims.principal().limits(), Some(&limits), "limits of one caller travel with the token");
}

fn alice_with(limits: &Limits) -> Principal {
    Principal::builder("alice").account("acme").limits(limits.clone()).build()
}

#[test]
fn a_sign_in_gets_what_the_grant_says() {
    let issuing = Issuing::new();
    let grant = Grant::of(&alice()).client("web").acting("support@example.com");
    let tokens = now(issuing.sessions.begin(grant, &TokenRequest::new().scope("read"))).unwrap();
    let claims = payload(tokens.access_token.expose());
    assert_eq!((&claims["sub"], &claims["client_id"]), (&json!("alice"), &json!("web")));
    assert_eq!((&claims["act"], &claims["key"]), (&json!({ "sub": "support@example.com" }), &Value::Null));
    let next = payload(issuing.refresh(rt(&tokens)).unwrap().access_token.expose());
    for name in ["sub", "client_id", "act", "scope", "sid", "account", "organizations", "plan"] {
        assert_eq!(next[name], claims[name], "{name}");
    }
    assert_ne!(next["jti"], claims["jti"]);
    let nobody = now(issuing.sessions.begin(Grant::of(&alice()), &TokenRequest::new())).unwrap();
    assert_eq!(payload(nobody.access_token.expose())["client_id"], ISSUER, "RFC 9068 requires a client");
}

#[test]
fn an_audience_is_one_of_the_issuers() {
    let issuing = Issuing::new();
    let two = issuer(&issuing.clock).audience("https://a.example.com").audience("https://b.example.com");
    let sessions = Sessions::builder(two, issuing.store.clone(), &peppers()).build().unwrap();
    let ask = |request: TokenRequest| now(sessions.begin(Grant::of(&alice()), &request));
    let both = ask(TokenRequest::new()).unwrap();
    assert_eq!(payload(both.access_token.expose())["aud"], json!(["https://a.example.com", "https://b.example.com"]));
    let one = ask(TokenRequest::new().audience("https://b.example.com")).unwrap();
    assert_eq!(payload(one.access_token.expose())["aud"], "https://b.example.com");
    assert!(matches!(ask(TokenRequest::new().audience("https://c.example.com")), Err(SessionError::Target(_))));
}

/// A verifier of another issuer, and a token of it with these claims.
fn others(claims: &Value) -> (TokenVerifier, String) {
    let keys = KeySet::from_json(mint::jwks(&["es256"]).as_bytes()).unwrap();
    let mut all = json!({
        "iss": mint::ISSUER, "aud": AUDIENCE, "sub": "job-1", "client_id": "ci", "jti": "1", "iat": NOW, "exp": NOW + 600,
    });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    let tokens = TokenVerifier::key_set(mint::ISSUER, keys).audience(AUDIENCE).build().unwrap();
    let key = mint::key("es256");
    (tokens, key.seal(key.header(), all.to_string()))
}

#[test]
fn tokens_of_another_issuer_are_exchanged_by_the_first_rule_that_accepts_them() {
    let issuing = Issuing::new();
    let (tokens, main) =
        others(&json!({ "repository": "acme/shop", "ref": "refs/heads/main", "groups": ["a", "ops"] }));
    let (_, branch) = others(&json!({ "repository": "acme/shop", "ref": "refs/heads/feature/x" }));
    let (_, fork) = others(&json!({ "repository": "evil/shop", "ref": "refs/heads/main" }));
    let rule = |tokens: &TokenVerifier| ExchangeRule::new(tokens.clone()).claim("repository", "acme/*").account("acme");
    let deploy = rule(&tokens).claim("ref", "refs/heads/main").claim("/groups", "ops").subject_prefix("ci:");
    let read = rule(&tokens).claim("ref", "refs/heads/**").scopes(["read"]);
    let builder = Sessions::builder(issuer(&issuing.clock), issuing.store.clone(), &peppers());
    let sessions = builder.exchange(deploy.scopes(["read", "deploy"]).refreshable()).exchange(read).build().unwrap();
    let ask = |token: &str| now(sessions.exchange_token(token, None, &TokenRequest::new()));

    let first = ask(&main).unwrap();
    assert_eq!((first.scopes.join(" ").as_str(), first.refresh_token.is_some()), ("read deploy", true));
    let claims = payload(first.access_token.expose());
    assert_eq!((&claims["iss"], &claims["account"]), (&json!(ISSUER), &json!("acme")));
    assert!(claims["sub"].as_str().unwrap().starts_with("ci:"));
    let second = ask(&branch).unwrap();
    assert_eq!((second.scopes.join(" ").as_str(), second.refresh_token.is_some()), ("read", false));
    let subject = payload(second.access_token.expose())["sub"].as_str().unwrap().to_owned();
    assert!(subject.starts_with(&format!("{}|", mint::ISSUER)), "{subject}");
    for token in [fork.as_str(), "a.b.c", "", rt(&first), first.access_token.expose()] {
        assert!(matches!(ask(token), Err(SessionError::Subject(_))), "{token:?}");
    }
    let scope = now(sessions.exchange_token(&branch, None, &TokenRequest::new().scope("deploy")));
    assert!(matches!(scope, Err(SessionError::Scope(_))));
}

/// A subject is unique only within its issuer, and each tenant is one.
#[test]
fn the_subjects_of_two_tenants_are_two() {
    let issuing = Issuing::new();
    let keys = KeySet::from_json(mint::jwks(&["es256"]).as_bytes()).unwrap();
    let tokens = TokenVerifier::key_set("https://{tenant}.id.test/", keys).tenants(Tenants::only(["a", "b"]));
    let rule = ExchangeRule::new(tokens.audience(AUDIENCE).build().unwrap()).every_token();
    let builder = Sessions::builder(issuer(&issuing.clock), issuing.store.clone(), &peppers());
    let sessions = builder.exchange(rule).build().unwrap();
    for tenant in ["a", "b"] {
        let named = format!("https://{tenant}.id.test/");
        let (_, token) = others(&json!({ "iss": named, "tenant": tenant, "tid": tenant }));
        let issued = now(sessions.exchange_token(&token, None, &TokenRequest::new())).unwrap();
        assert_eq!(payload(issued.access_token.expose())["sub"], json!(format!("{named}|job-1")));
    }
}

#[test]
fn only_an_actor_that_a_rule_allows_acts_for_another() {
    let issuing = Issuing::new();
    let (tokens, customer) = others(&json!({ "kind": "customer" }));
    let (_, agent) = others(&json!({ "kind": "agent", "sub": "agent-7" }));
    let customers = ExchangeRule::new(tokens.clone()).claim("kind", "customer").subject_prefix("");
    let agents = ExchangeRule::new(tokens).claim("kind", "agent").subject_prefix("agent:").may_act();
    let builder = Sessions::builder(issuer(&issuing.clock), issuing.store.clone(), &peppers());
    let sessions = builder.exchange(customers).exchange(agents).build().unwrap();
    let ask = |token: &str, actor: &str| now(sessions.exchange_token(token, Some(actor), &TokenRequest::new()));
    let acting = ask(&customer, &agent).unwrap();
    assert_eq!(payload(acting.access_token.expose())["act"], json!({ "sub": "agent:agent-7" }));
    assert!(matches!(ask(&agent, &customer), Err(SessionError::Subject(_))), "a customer is no actor");
    assert!(matches!(ask(&customer, "a.b.c"), Err(SessionError::Subject(_))));
}

#[test]
fn a_rule_that_accepts_too_much_is_refused_when_it_is_built() {
    let issuing = Issuing::new();
    let (tokens, token) = others(&json!({}));
    let build =
        |rule| Sessions::builder(issuer(&issuing.clock), issuing.store.clone(), &peppers()).exchange(rule).build();
    let error = build(ExchangeRule::new(tokens.clone())).unwrap_err().to_string();
    assert!(error.contains("every token") && error.contains("every_token"), "{error}");
    let all = build(ExchangeRule::new(tokens).every_token()).unwrap();
    assert!(now(all.exchange_token(&token, None, &TokenRequest::new())).is_ok());
    let own = build(ExchangeRule::new(issuing.own.clone()).every_token()).unwrap_err().to_string();
    assert!(own.contains("itself"), "{own}");
    let keys = KeySet::from_json(mint::jwks(&["es256"]).as_bytes()).unwrap();
    let both = TokenVerifier::key_set(mint::ISSUER, keys).also_issuer(ISSUER).audience(AUDIENCE).build().unwrap();
    let own = build(ExchangeRule::new(both).every_token()).unwrap_err().to_string();
    assert!(own.contains("itself"), "{own}");
}

#[test]
fn a_policy_that_contradicts_itself_is_refused() {
    let issuing = Issuing::new();
    let build = |change: fn(&mut SessionPolicy)| {
        let mut policy = SessionPolicy::default();
        change(&mut policy);
        Sessions::builder(issuer(&issuing.clock), issuing.store.clone(), &peppers()).policy(policy).build()
    };
    assert!(build(|_| ()).is_ok());
    for (name, change) in [
        ("access", (|policy| policy.access = Duration::ZERO) as fn(&mut SessionPolicy)),
        ("access", |policy| policy.access = Duration::from_secs(25 * 3600)),
        ("idle", |policy| policy.idle = Duration::ZERO),
        ("absolute", |policy| policy.absolute = Duration::MAX),
        ("grace", |policy| policy.grace = Duration::from_secs(601)),
        ("grace", |policy| policy.idle = Duration::from_secs(30)),
    ] {
        let error = build(change).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_key_whose_limits_or_restrictions_cannot_be_read_gets_and_keeps_no_token() {
    let issuing = Issuing::new();
    let scheme = KeyScheme::ephemeral(KeyFormat::opaque(20));
    let record = KeyRecord::new("key_1", "acme").scopes(["read"]);
    let insert = |record: KeyRecord| issuing.store.insert(&scheme, "a-key-of-twenty-characters", record).unwrap();
    insert(record.clone());
    let tokens = issuing.exchange(record.principal());
    let newer = r#"[{"events":100,"calendar":"decade","name":"decade"}]"#;
    let unread = Restrictions::from_json(r#"{"moon_phase":"full"}"#).unwrap();
    for changed in [record.clone().limits_from_json(newer).unwrap(), record.clone().restrictions(unread)] {
        insert(changed);
        assert!(!issuing.is_good(&tokens));
        assert!(matches!(issuing.refresh(rt(&tokens)), Err(SessionError::KeyInactive)));
        let again = now(issuing.sessions.exchange(record.principal(), &TokenRequest::new()));
        assert!(matches!(again, Err(SessionError::KeyInactive)));
    }
    insert(record);
    assert!(issuing.refresh(rt(&tokens)).is_ok());
}

#[test]
fn a_key_that_expires_when_it_is_unused_may_be_exchanged() {
    let issuing = Issuing::new();
    let idle = Restrictions::new().idle_after(Duration::from_secs(600));
    let key = issuing.key(|new| new.restrictions(idle));
    let tokens = issuing.exchange(&key);
    assert_eq!(tokens.expires_in, Duration::from_secs(900), "the key may be used meanwhile");
    issuing.pass(599);
    assert!(issuing.is_good(&tokens));
    issuing.pass(1);
    assert!(!issuing.is_good(&tokens) && issuing.refresh(rt(&tokens)).is_err(), "a refresh is no use of the key");
}

#[test]
fn a_token_that_no_verifier_would_accept_is_not_issued() {
    let issuing = Issuing::new();
    let scopes: Vec<String> = (0..100).map(|number| format!("{}{number}", "s".repeat(80))).collect();
    let many = Principal::builder("alice").scopes(&scopes).build();
    let ask = |request: TokenRequest| now(issuing.sessions.begin(Grant::of(&many), &request));
    assert!(matches!(ask(TokenRequest::new()), Err(SessionError::TooLong)));
    assert!(issuing.is_good(&ask(TokenRequest::new().scopes(&scopes[..40])).unwrap()));
}

#[test]
fn a_token_of_this_service_begins_no_session() {
    let issuing = Issuing::new();
    let key = issuing.key(|new| new);
    for tokens in [issuing.exchange(&key), issuing.begin()] {
        let caller = issuing.claims(tokens.access_token.expose()).unwrap().principal().clone();
        let begun = now(issuing.sessions.begin(Grant::of(&caller), &TokenRequest::new()));
        assert!(matches!(begun, Err(SessionError::OwnToken)));
    }
    let elsewhere =
        alice().to_builder().issuer("https://id.example.com/").method(tower_auth::AuthMethod::Token).build();
    assert!(now(issuing.sessions.begin(Grant::of(&elsewhere), &TokenRequest::new())).is_ok(), "another issuer's may");
}
