//! OAuth: how a client is authenticated, and the grant `client_credentials`. Rule 096.

use tower_auth::{AuthEndpoints, KeyState, RejectionKind};

use super::{Desk, FORM, Told, ask, basic, claims, error, form, json, post};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn assert_granted(told: &Told) {
    let body = told.json();
    assert_eq!((told.status, &body["token_type"], &body["expires_in"]), (200, &json!("Bearer"), &json!(900)));
    assert_eq!(body["scope"], "read write inspect");
    assert!(body.get("refresh_token").is_none(), "RFC 6749, section 4.4.3");
    assert_eq!(claims(body["access_token"].as_str().unwrap())["client_id"], "key_1");
}

#[tokio::test]
async fn the_key_is_the_secret_in_three_places() {
    let desk = Desk::new();
    let key = desk.key.expose();
    let encoded = key.bytes().fold(String::new(), |all, byte| all + &format!("%{byte:02X}"));
    for authorization in
        [basic("key_1", key), basic("", key), basic("key%5F1", &encoded), basic("key_1", key).replace("Basic", "bAsIc")]
    {
        let headers = [("authorization", &*authorization)];
        assert_granted(&desk.form("/token", &headers, &[GRANT]).await);
        assert_granted(&desk.form("/token", &headers, &[GRANT, ("client_id", "key_1")]).await);
    }
    for parameters in [vec![], vec![("client_id", "key_1")], vec![("client_id", "")]] {
        assert_granted(&desk.grant(&[&[GRANT], &parameters[..]].concat()).await);
        let posted = [&[GRANT, ("client_secret", key)], &parameters[..]].concat();
        assert_granted(&desk.form("/token", &[], &posted).await);
    }
}

/// Many clients do not encode the two halves, and some keys have characters that decoding changes.
#[tokio::test]
async fn a_basic_secret_counts_as_it_is_if_decoding_changes_it() {
    use tower_auth::{ApiKeyLayer, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore};
    let desk = Desk::new();
    let (scheme, store) = (KeyScheme::ephemeral(KeyFormat::opaque(8)), MemoryKeyStore::new());
    for key in ["a+b%41cdefgh", "aaaa%2Bbbbb"] {
        store.insert(&scheme, key, KeyRecord::new("key_1", "acme")).unwrap();
        let endpoints = AuthEndpoints::new(desk.sessions.clone())
            .keys(ApiKeyLayer::new(scheme.clone(), store.clone()))
            .introspection(tower_auth::permission::from_fn(|_: &_, _: &_| tower_auth::permission::Verdict::Granted));
        let encoded = key.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}"));
        for (secret, status) in [(key, 200), (&*encoded, 200), ("a+b%41cdefgX", 401)] {
            let request = post("/introspect", FORM, &[("authorization", &basic("", secret))], "token=x");
            assert_eq!(ask(&endpoints, request).await.status, status, "{secret}");
        }
    }
}

/// A layer that reads keys in subprotocols first can check the secret of a client all the same.
#[tokio::test]
async fn a_subprotocol_is_no_place_for_a_secret() {
    let desk = Desk::new();
    let keys = desk.keys.clone().websocket_protocol("key.").header("x-api-key");
    let endpoints = AuthEndpoints::new(desk.sessions.clone()).keys(keys);
    let authorization = basic("key_1", desk.key.expose());
    let request = post("/token", FORM, &[("authorization", &authorization)], form(&[GRANT]));
    assert_granted(&ask(&endpoints, request).await);
}

/// Keys that are sent as `Authorization: Bearer` share the header with Basic.
#[tokio::test]
async fn the_header_of_the_keys_may_be_the_header_of_basic() {
    let desk = Desk::new();
    let endpoints = AuthEndpoints::new(desk.sessions.clone()).keys(desk.keys.clone().bearer());
    let bearer = format!("Bearer {}", desk.key.expose());
    for authorization in [&bearer, &basic("key_1", desk.key.expose())] {
        let request = post("/token", FORM, &[("authorization", authorization)], form(&[GRANT]));
        assert_granted(&ask(&endpoints, request).await);
    }
    let posted = form(&[GRANT, ("client_secret", desk.key.expose())]);
    assert_granted(&ask(&endpoints, post("/token", FORM, &[], posted.clone())).await);
    let both = ask(&endpoints, post("/token", FORM, &[("authorization", &bearer)], posted)).await;
    assert_eq!(both.error(), error(400, "invalid_request"));
    let wrong = post("/token", FORM, &[("authorization", "Bearer ak_wrong")], form(&[GRANT]));
    let wrong = ask(&endpoints, wrong).await;
    assert_eq!(wrong.error(), error(401, "invalid_client"));
    assert_eq!(wrong.header("www-authenticate"), Some("Bearer realm=\"api\""));
}

#[tokio::test]
async fn r096_a_wrong_client_is_told_by_the_scheme_that_it_has_used() {
    let desk = Desk::new();
    let other = desk.other_key("key_2");
    let (key, api_key, by_basic) = (desk.key.expose(), Some("ApiKey realm=\"api\""), Some("Basic realm=\"api\""));
    let stranger = "ak_0000000000000000000000000000000000000000";
    for (name, value, parameters, challenge) in [
        ("x-none", "", vec![], api_key),
        ("x-api-key", stranger, vec![], api_key),
        ("x-api-key", key, vec![("client_id", "key_2")], api_key),
        ("x-none", "", vec![("client_secret", stranger)], api_key),
        ("x-none", "", vec![("client_secret", other.expose()), ("client_id", "key_1")], api_key),
        ("authorization", &basic("key_1", stranger), vec![], by_basic),
        ("authorization", &basic("key_1", other.expose()), vec![], by_basic),
        ("authorization", &basic("key_1", ""), vec![], by_basic),
        ("authorization", &basic("key_1", "a\u{e9}\u{1}"), vec![], by_basic),
    ] {
        let told = desk.form("/token", &[(name, value)], &[&[GRANT], &parameters[..]].concat()).await;
        assert_eq!(told.error(), error(401, "invalid_client"), "{name} {value}");
        assert_eq!(told.header("www-authenticate"), challenge, "{name} {value}");
    }
    assert!(desk.store.set_state("key_1", KeyState::Paused));
    assert_eq!(desk.grant(&[GRANT]).await.error(), error(401, "invalid_client"));
}

#[tokio::test]
async fn a_client_is_authenticated_in_one_way_only() {
    let desk = Desk::new();
    let key = desk.key.expose();
    let authorization = basic("key_1", key);
    let (header, basic_header) = (("x-api-key", key), ("authorization", &*authorization));
    let secret = ("client_secret", key);
    for (headers, parameters) in [
        (vec![header], vec![GRANT, secret]),
        (vec![basic_header], vec![GRANT, secret]),
        (vec![header, basic_header], vec![GRANT]),
        (vec![header, basic_header], vec![GRANT, secret]),
        (vec![basic_header, basic_header], vec![GRANT]),
        (vec![basic_header, ("authorization", "Bearer x")], vec![GRANT]),
        (vec![("authorization", "Bearer x"), basic_header], vec![GRANT]),
        (vec![header, header], vec![GRANT]),
        (vec![basic_header], vec![GRANT, ("client_id", "key_2")]),
    ] {
        let told = desk.form("/token", &headers, &parameters).await;
        assert_eq!(told.error(), error(400, "invalid_request"), "{headers:?} {parameters:?}");
    }
}

#[tokio::test]
async fn r096_malformed_basic_credentials_are_refused() {
    let desk = Desk::new();
    for bad in
        ["Basic", "Basic ", "Basic !!!", "Basic a", "Basic YWJj", "Basic /w==", "Basic OnNlY3JldA", "Basic YQ== x"]
    {
        let told = desk.form("/token", &[("authorization", bad)], &[GRANT]).await;
        let code = told.error();
        // Base64 without padding is not what RFC 7617 says. A secret that is empty is a wrong one.
        assert_eq!(code, error(400, "invalid_request"), "{bad:?}");
    }
}

#[tokio::test]
async fn without_keys_the_caller_is_that_of_the_guards_in_front() {
    use tower::{Layer as _, ServiceExt as _};
    let desk = Desk::new();
    let endpoints = AuthEndpoints::new(desk.sessions.clone());
    let guarded = desk.keys.clone().optional().layer(endpoints.clone());
    let ask_guarded = |headers: Vec<(&'static str, String)>, parameters: Vec<(&'static str, String)>| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, &**value)).collect();
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(name, value)| (*name, &**value)).collect();
        let request = post("/token", FORM, &headers, form(&parameters));
        let answer = guarded.clone().oneshot(request);
        async { super::told(answer.await.unwrap()).await }
    };
    let grant = || ("grant_type", "client_credentials".to_owned());
    let key = desk.key.expose().to_owned();
    assert_granted(&ask_guarded(vec![("x-api-key", key.clone())], vec![grant()]).await);
    let missing = ask_guarded(vec![], vec![grant()]).await;
    assert_eq!(missing.error(), error(401, "invalid_client"));
    assert_eq!(missing.header("www-authenticate"), Some("ApiKey realm=\"api\""));
    let both = ask_guarded(vec![("x-api-key", key.clone())], vec![grant(), ("client_secret", key.clone())]).await;
    assert_eq!(both.error(), error(400, "invalid_request"));
    let unchecked = ask_guarded(vec![], vec![grant(), ("client_secret", key.clone())]).await;
    assert_eq!(unchecked.error(), error(401, "invalid_client"), "nobody here can check it");
    let by_basic = ask_guarded(vec![("authorization", basic("key_1", &key))], vec![grant()]).await;
    assert_eq!(by_basic.error(), error(401, "invalid_client"));
    assert_eq!(by_basic.header("www-authenticate"), Some("Basic realm=\"api\""));
    let nobody = ask(&endpoints, post("/token", FORM, &[], form(&[GRANT]))).await;
    assert_eq!(nobody.error(), error(500, "server_error"));
    assert_eq!(nobody.refusal.unwrap().kind(), RejectionKind::Internal);
}

#[tokio::test]
async fn r096_grants_scopes_and_targets_that_there_are_not() {
    let desk = Desk::new();
    for (parameters, code) in [
        (vec![("scope", "read")], "invalid_request"),
        (vec![("grant_type", "")], "invalid_request"),
        (vec![("grant_type", "password"), ("username", "alice"), ("password", "x")], "unsupported_grant_type"),
        (vec![("grant_type", "authorization_code"), ("code", "x")], "unsupported_grant_type"),
        (vec![("grant_type", "Client_Credentials")], "unsupported_grant_type"),
        (vec![GRANT, ("scope", "read admin")], "invalid_scope"),
        (vec![GRANT, ("audience", "https://three.test")], "invalid_target"),
        (vec![GRANT, ("resource", "https://one.test#x")], "invalid_target"),
        (vec![GRANT, ("audience", "https://one.test"), ("resource", "https://two.test")], "invalid_target"),
        (vec![GRANT, ("audience", "https://one.test"), ("audience", "https://two.test")], "invalid_target"),
    ] {
        let told = desk.grant(&parameters).await;
        assert_eq!(told.error(), error(400, code), "{parameters:?}");
        assert_eq!(told.header("www-authenticate"), None);
    }
    let told = desk.grant(&[GRANT, ("audience", "https://one.test"), ("resource", "https://one.test")]).await;
    assert_eq!(claims(&told.text("access_token"))["aud"], "https://one.test");
    let told = desk.grant(&[GRANT, ("scope", "read"), ("unknown", "1"), ("unknown", "2")]).await;
    assert_eq!(told.text("scope"), "read");
}

#[tokio::test]
async fn a_key_with_restrictions_is_an_unauthorized_client() {
    use tower_auth::{KeyRecord, Restrictions};
    let desk = Desk::new();
    let bound =
        KeyRecord::new("key_2", "acme").restrictions(Restrictions::new().origins(["https://shop.test"]).unwrap());
    let bound = desk.store.create(&desk.scheme, bound).unwrap();
    let posted = [GRANT, ("client_secret", bound.expose())];
    for origin in ["https://shop.test", "https://other.test"] {
        let told = desk.form("/token", &[("origin", origin)], &posted).await;
        assert_eq!(told.error(), error(400, "unauthorized_client"), "{origin}");
    }
}
