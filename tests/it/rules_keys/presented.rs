//! What a request presents: sources, forms, and what is never looked up.

use std::sync::{Arc, Mutex};

use http::{HeaderValue, Request, Response, StatusCode};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, Rejection, RejectionKind,
    RequestExt as _, Secret,
};

use super::{Counting, answer};
use crate::support::{Body, KEY, get, ok, store, strict, text};

type Kind = RejectionKind;

fn keys() -> (ApiKeyLayer, Counting) {
    let (scheme, store) = store(KeyRecord::new("k1", "acme"));
    let store = Counting::over(store);
    (ApiKeyLayer::new(scheme, store.clone()), store)
}

/// What came of a request, and how often the store was asked.
async fn outcome(layer: impl Into<AuthLayer>, store: &Counting, request: Request<Body>) -> (Option<Kind>, usize) {
    let response = answer(layer.into().layer(ok()), request).await;
    let kind = Rejection::of(&response).map(Rejection::kind);
    assert_eq!(kind.map_or(StatusCode::OK, Kind::status), response.status());
    (kind, store.asked().len())
}

#[tokio::test]
async fn r077_a_key_is_read_from_the_declared_headers_and_from_nowhere_else() {
    let (layer, store) = keys();
    let cookie = format!("x-api-key={KEY}; api_key={KEY}");
    let bearer = format!("Bearer {KEY}");
    let elsewhere = [("cookie", &*cookie), ("authorization", &*bearer), ("api-key", KEY), ("x-api-key2", KEY)];
    let mut request = get(&format!("/{KEY}?x-api-key={KEY}&api_key={KEY}&key={KEY}"), &elsewhere);
    *request.body_mut() = Body::from(format!("x-api-key={KEY}"));
    assert_eq!(outcome(layer.clone(), &store, request).await, (Some(Kind::MissingCredential), 0));
    assert_eq!(outcome(layer.clone(), &store, get("/", &[("x-api-key", KEY)])).await, (None, 1));
    // A declared source takes the place of the default one.
    assert_eq!(
        outcome(layer.header("api-key"), &store, get("/", &[("x-api-key", KEY)])).await,
        (Some(Kind::MissingCredential), 0)
    );
}

#[tokio::test]
async fn r077_header_names_have_no_case() {
    for declared in ["X-API-Key", "x-api-key", "X-Api-Key", "API-KEY"] {
        let (layer, store) = keys();
        for sent in [declared.to_ascii_lowercase(), declared.to_ascii_uppercase()] {
            let request = get("/", &[(&sent, KEY)]);
            assert_eq!(outcome(layer.clone().header(declared), &store, request).await, (None, 1), "{declared} {sent}");
        }
    }
}

#[tokio::test]
async fn r078_the_declared_order_decides_and_no_bad_key_is_rescued() {
    let bearer = format!("Bearer {KEY}");
    let (good, bad) = (("x-api-key", KEY), ("x-api-key", "ak_bad"));
    let (good_bearer, bad_bearer) = (("authorization", &*bearer), ("authorization", "Bearer ak_bad"));
    let empty = ("x-api-key", "");
    let invalid = Some(Kind::InvalidKey);
    for (headers, header_first, bearer_first) in [
        ([good, bad_bearer], (None, 1), (invalid, 0)),
        ([bad, good_bearer], (invalid, 0), (None, 1)),
        ([good, good_bearer], (None, 1), (None, 1)),
        ([bad, bad_bearer], (invalid, 0), (invalid, 0)),
        ([empty, good_bearer], (None, 1), (None, 1)),
        ([good, ("authorization", "Basic eDp5")], (None, 1), (None, 1)),
        ([good, ("authorization", "")], (None, 1), (None, 1)),
        ([good, ("authorization", "Bearer")], (Some(Kind::MalformedRequest), 0), (Some(Kind::MalformedRequest), 0)),
    ] {
        let (layer, store) = keys();
        let one = outcome(layer.clone().header("x-api-key").bearer(), &store, get("/", &headers)).await;
        let other = outcome(layer.bearer().header("x-api-key"), &store, get("/", &headers)).await;
        assert_eq!((one, other), (header_first, bearer_first), "{headers:?}");
    }
}

/// Two layers as methods behave as two sources do.
#[tokio::test]
async fn r078_the_first_method_that_finds_a_credential_decides() {
    let (first, asked_first) = keys();
    let (second, asked_second) = keys();
    let methods = AuthLayer::first(first.header("x-first")).then(second.header("x-second"));
    let service = methods.layer(strict(|request: Request<Body>| {
        Response::new(Body::from(request.principal().unwrap().subject().to_owned()))
    }));
    for (headers, status, asked) in [
        ([("x-first", "ak_bad"), ("x-second", KEY)], 401, (0, 0)),
        ([("x-first", KEY), ("x-second", "ak_bad")], 200, (1, 0)),
        ([("x-first", ""), ("x-second", KEY)], 200, (0, 1)),
        ([("x-first", " "), ("x-second", "ak_bad")], 401, (0, 0)),
    ] {
        let response = answer(service.clone(), get("/", &headers)).await;
        assert_eq!(response.status().as_u16(), status, "{headers:?}");
        assert_eq!((asked_first.asked().len(), asked_second.asked().len()), asked, "{headers:?}");
    }
}

#[tokio::test]
async fn r079_what_has_not_the_form_of_a_key_is_refused_without_a_look_up() {
    let (layer, store) = keys();
    let layer = layer.header("x-api-key").bearer();
    let letters = "a".repeat(40);
    let texts = [
        "a".to_owned(),
        "ak_".to_owned(),
        "ak".to_owned(),
        format!("sk_{letters}"),
        format!("AK_{letters}"),
        format!("ak-{letters}"),
        letters.clone(),
        format!("ak_{}", &letters[2..]),
        format!("ak_{letters}a"),
        format!("ak_{}_", &letters[1..]),
        format!("ak_{}-", &letters[1..]),
        format!("{KEY} {KEY}"),
        format!("{KEY}, {KEY}"),
        format!("\"{KEY}\""),
        format!("ak_{}", "a".repeat(100_000)),
    ];
    let bytes: [&[u8]; 4] = [
        b"\xff",
        "ak_é".as_bytes(),
        "ak_1234567890abcdef1234567890abcdef123456é".as_bytes(),
        b"ak_1234567890abcdef\t234567890abcdef12345678",
    ];
    for value in texts.iter().map(String::as_bytes).chain(bytes) {
        let mut request = get("/", &[]);
        request.headers_mut().insert("x-api-key", HeaderValue::from_bytes(value).unwrap());
        assert_eq!(outcome(layer.clone(), &store, request).await, (Some(Kind::InvalidKey), 0), "{value:?}");
        let mut request = get("/", &[]);
        let bearer = [b"Bearer ", value].concat();
        request.headers_mut().insert("authorization", HeaderValue::from_bytes(&bearer).unwrap());
        assert_eq!(outcome(layer.clone(), &store, request).await, (Some(Kind::InvalidKey), 0), "{value:?}");
    }
    for length in [39, 40] {
        let request = get("/", &[("x-api-key", &format!("ak_{}", "a".repeat(length)))]);
        assert_eq!(outcome(layer.clone(), &store, request).await, (Some(Kind::InvalidKey), 1), "the form of a key");
    }
}

#[tokio::test]
async fn r079_the_checksum_covers_prefix_and_secret() {
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak_live", 32).unwrap());
    let store = Counting::default();
    let key = store.inner.create(&scheme, KeyRecord::new("k1", "acme")).unwrap();
    let layer = ApiKeyLayer::new(scheme, store.clone());
    assert_eq!(outcome(layer.clone(), &store, get("/", &[("x-api-key", key.expose())])).await, (None, 1));
    for at in 0..key.expose().len() {
        let mut mistyped = key.expose().as_bytes().to_vec();
        mistyped[at] = if mistyped[at] == b'a' { b'b' } else { b'a' };
        let mut request = get("/", &[]);
        request.headers_mut().insert("x-api-key", HeaderValue::from_bytes(&mistyped).unwrap());
        assert_eq!(outcome(layer.clone(), &store, request).await, (Some(Kind::InvalidKey), 0), "at {at}");
    }
    // By another hand: six digits of the CRC-32 of all that stands before them, the highest first.
    let crc = crc32fast::hash(&key.expose().as_bytes()[..key.expose().len() - 6]);
    let digits = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let end = (0..6).rev().map(|place| char::from(digits[(crc / 62_u32.pow(place) % 62) as usize])).collect::<String>();
    assert!(key.expose().ends_with(&end));
}

/// A service that turns checksums on keeps its older keys, and a mistyped new key costs no lookup.
#[tokio::test]
async fn r079_keys_of_the_time_before_checksums_are_accepted_beside_new_ones() {
    let before = KeyScheme::sha256(KeyFormat::prefixed("ak", 32).unwrap().without_checksum());
    let scheme = KeyScheme::sha256(KeyFormat::prefixed("ak", 32).unwrap().accept_unchecked());
    let store = Counting::default();
    let create = |scheme, id| store.inner.create(scheme, KeyRecord::new(id, "acme")).unwrap().expose().to_owned();
    let (old, new) = (create(&before, "old"), create(&scheme, "new"));
    assert_eq!((old.len(), new.len()), (3 + 32, 3 + 32 + 6));
    let layer = ApiKeyLayer::new(scheme, store.clone());
    let mistyped = |key: &str| format!("{}{}", &key[..10], key[10..].chars().rev().collect::<String>());
    for (key, expected) in [
        (old.clone(), (None, 1)),
        (new.clone(), (None, 1)),
        (mistyped(&new), (Some(Kind::InvalidKey), 0)),
        (mistyped(&old), (Some(Kind::InvalidKey), 1)),
        (old[..old.len() - 1].to_owned(), (Some(Kind::InvalidKey), 0)),
    ] {
        assert_eq!(outcome(layer.clone(), &store, get("/", &[("x-api-key", &key)])).await, expected, "{key}");
    }
    let strict = ApiKeyLayer::new(KeyScheme::sha256(KeyFormat::prefixed("ak", 32).unwrap()), store.clone());
    assert_eq!(outcome(strict, &store, get("/", &[("x-api-key", &old)])).await, (Some(Kind::InvalidKey), 0));
}

#[tokio::test]
async fn r077_nothing_another_scheme_and_an_empty_value_are_absent() {
    let (layer, store) = keys();
    let layer = layer.header("x-api-key").bearer();
    let basic = format!("Basic {KEY}");
    let glued = format!("Bearer{KEY}");
    for headers in [
        &[][..],
        &[("x-api-key", "")],
        &[("x-api-key", "   ")],
        &[("x-api-key", "\t")],
        &[("authorization", "")],
        &[("authorization", &basic)],
        &[("authorization", &glued)],
        &[("authorization", KEY)],
        &[("authorization", "Basic")],
    ] {
        let refused = outcome(layer.clone(), &store, get("/", headers)).await;
        assert_eq!(refused, (Some(Kind::MissingCredential), 0), "{headers:?}");
        let visitor = outcome(layer.clone().optional(), &store, get("/", headers)).await;
        assert_eq!(visitor, (None, 0), "{headers:?}");
    }
}

#[tokio::test]
async fn r002_a_scheme_with_nothing_behind_it_is_as_good_as_absent() {
    let (layer, store) = keys();
    for value in ["Bearer", "Bearer ", "Bearer   ", "bearer", "  BEARER  "] {
        let request = || get("/", &[("authorization", value)]);
        let refused = (Some(Kind::MissingCredential), 0);
        assert_eq!(outcome(layer.clone().bearer(), &store, request()).await, refused, "{value:?}");
        assert_eq!(outcome(layer.clone().bearer().optional(), &store, request()).await, (None, 0), "{value:?}");
        let other = layer.clone().auth_scheme("ApiKey");
        assert_eq!(outcome(other, &store, request()).await, (Some(Kind::MissingCredential), 0), "{value:?}");
    }
}

#[tokio::test]
async fn r077_white_space_around_a_key_is_no_part_of_it() {
    let (layer, store) = keys();
    let layer = layer.header("x-api-key").bearer();
    let bearer = format!("Bearer    {KEY}  ");
    for headers in [[("x-api-key", &*format!("  {KEY}\t"))], [("authorization", &bearer)]] {
        assert_eq!(outcome(layer.clone(), &store, get("/", &headers)).await, (None, 1), "{headers:?}");
    }
}

#[tokio::test]
async fn r077_optional_lets_visitors_in_and_no_bad_key() {
    let (layer, store) = keys();
    let layer = layer.optional();
    let unknown = KEY.replace('1', "2");
    assert_eq!(outcome(layer.clone(), &store, get("/", &[])).await, (None, 0));
    assert_eq!(outcome(layer.clone(), &store, get("/", &[("x-api-key", KEY)])).await, (None, 1));
    let refused = outcome(layer.clone(), &store, get("/", &[("x-api-key", &unknown)])).await;
    assert_eq!(refused, (Some(Kind::InvalidKey), 1));
    let refused = outcome(layer, &store, get("/", &[("x-api-key", "nonsense")])).await;
    assert_eq!(refused, (Some(Kind::InvalidKey), 0));
}

#[tokio::test]
async fn r077_strip_takes_the_key_out_and_otherwise_it_is_marked() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let witness = Arc::clone(&seen);
    let handler = strict(move |request: Request<Body>| {
        let headers = request.headers();
        let marked = headers.get("x-api-key").map(HeaderValue::is_sensitive);
        witness.lock().unwrap().push((marked, headers.contains_key("authorization"), headers.contains_key("accept")));
        Response::new(Body::default())
    });
    let headers = [("x-api-key", KEY), ("authorization", "Basic eDp5"), ("accept", "*/*")];
    let (layer, _) = keys();
    answer(layer.clone().layer(handler.clone()), get("/", &headers)).await;
    answer(layer.clone().strip_credentials().layer(handler.clone()), get("/", &headers)).await;
    answer(layer.header("x-api-key").bearer().strip_credentials().layer(handler), get("/", &headers)).await;
    assert_eq!(*seen.lock().unwrap(), [(Some(true), true, true), (None, true, true), (None, false, true)]);
}

#[tokio::test]
async fn r088_the_challenge_of_a_key_names_its_scheme_and_realm() {
    let (layer, _) = keys();
    for (layer, challenge) in [
        (layer.clone(), r#"ApiKey realm="api""#),
        (layer.clone().header("x-key").realm("models"), r#"ApiKey realm="models""#),
        (layer.clone().bearer(), r#"Bearer realm="api""#),
        (layer.auth_scheme("Token").realm("t"), r#"Token realm="t""#),
    ] {
        let response = answer(layer.layer(ok()), get("/", &[])).await;
        assert_eq!(response.headers()["www-authenticate"], challenge);
    }
}

#[tokio::test]
async fn r077_a_header_name_that_no_header_can_have_is_found_when_built_or_answers_500() {
    for name in ["", "x api key", "x-ключ", "x:key", "x\r\nkey"] {
        let (layer, store) = keys();
        let layer = layer.header("x-api-key").header(name);
        let error = AuthStack::builder().auth(layer.clone()).build().unwrap_err().to_string();
        assert!(error.contains(&format!("{name:?}")) && error.contains("header name"), "{error}");
        let methods = AuthLayer::first(keys().0).then(layer.clone());
        assert!(AuthStack::builder().auth(methods).build().is_err());
        for headers in [&[][..], &[("x-api-key", KEY)]] {
            assert_eq!(outcome(layer.clone(), &store, get("/", headers)).await, (Some(Kind::Internal), 0));
            assert_eq!(outcome(layer.clone().optional(), &store, get("/", headers)).await, (Some(Kind::Internal), 0));
        }
    }
}

#[tokio::test]
async fn r082_a_static_key_is_long_enough_and_can_stand_in_a_header() {
    let error = |secret: &str| ApiKeyLayer::static_key("ops", Secret::new(secret)).unwrap_err().to_string();
    for secret in [
        "",
        "fifteen-bytes-x",
        &"x".repeat(513),
        "a secret with spaces",
        "ein-schlüssel-mit-umlaut",
        "sixteen-bytes-\r\n",
    ] {
        let error = error(secret);
        assert!(error.contains("\"ops\"") && error.contains("16 to 512"), "{error}");
        assert!(secret.is_empty() || !error.contains(secret), "{error}");
    }
    for secret in ["sixteen-bytes-ok", &"x".repeat(512), "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"] {
        let layer = ApiKeyLayer::static_key("ops", Secret::new(secret)).unwrap();
        let service = layer.layer(strict(|request: Request<Body>| {
            let who = request.principal().unwrap();
            Response::new(Body::from(format!("{} {:?}", who.subject(), who.account())))
        }));
        let response = answer(service.clone(), get("/", &[("x-api-key", secret)])).await;
        assert_eq!(text(response).await, "ops Some(\"ops\")");
        for wrong in [&secret[1..], &format!("{secret}x"), &secret.to_uppercase().replace('!', "?")] {
            let response = answer(service.clone(), get("/", &[("x-api-key", wrong)])).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{wrong}");
        }
    }
}

#[tokio::test]
async fn r093_a_key_that_is_created_after_a_miss_is_found_at_once() {
    let scheme = KeyScheme::ephemeral(crate::support::ak());
    let store = MemoryKeyStore::new();
    let service = ApiKeyLayer::new(scheme.clone(), store.clone()).layer(ok());
    let request = || get("/", &[("x-api-key", KEY)]);
    for _ in 0..3 {
        assert_eq!(answer(service.clone(), request()).await.status(), StatusCode::UNAUTHORIZED);
    }
    store.insert(&scheme, KEY, KeyRecord::new("k1", "acme")).unwrap();
    assert_eq!(answer(service.clone(), request()).await.status(), StatusCode::OK);
    let minted = store.create(&scheme, KeyRecord::new("k2", "acme")).unwrap();
    assert_eq!(answer(service, get("/", &[("x-api-key", minted.expose())])).await.status(), StatusCode::OK);
}
