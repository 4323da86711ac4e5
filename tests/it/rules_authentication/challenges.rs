//! Rules 001 to 008: when a 401 is answered, and what it offers.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, Response, StatusCode};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthFuture, AuthLayer, AuthOutcome, AuthStack, Authenticator, Challenge, Disclosure,
    ErrorEnvelopeLayer, KeyRecord, KeyScheme, KeyState, MemoryKeyStore, Principal, Rejection, RejectionKind,
    RequestHead, RequireLayer,
};

use super::{Named, answer};
use crate::support::{Body, KEY, get, ok, store, strict};

type Headers<'a> = &'a [(&'a str, &'a str)];
type Challenges = Vec<(String, Vec<(String, String)>)>;

/// The field as RFC 9110, section 11.6.1 reads it: schemes, each with names and unescaped values. Anything else panics.
fn challenges(headers: &HeaderMap) -> Challenges {
    let lines: Vec<&str> = headers.get_all("www-authenticate").iter().map(|line| line.to_str().unwrap()).collect();
    let field = lines.join(", ");
    let (mut rest, mut all) = (&*field, Challenges::new());
    while !rest.is_empty() {
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        let (name, behind) = rest.split_at(rest.find(|c| !is_token(c)).unwrap_or(rest.len()));
        assert!(!name.is_empty(), "no token at {rest:?} in {field:?}");
        rest = if let Some(value) = behind.strip_prefix("=\"") {
            let (text, behind) = unquote(value);
            all.last_mut().expect("a parameter has a scheme").1.push((name.to_ascii_lowercase(), text));
            assert!(behind.is_empty() || behind.starts_with(", "), "{behind:?} in {field:?}");
            behind
        } else {
            all.push((name.to_owned(), Vec::new()));
            assert!(behind.is_empty() || behind.starts_with(' ') || behind.starts_with(", "), "{field:?}");
            behind.strip_prefix(' ').unwrap_or(behind)
        };
        rest = rest.strip_prefix(", ").unwrap_or(rest);
    }
    all
}

/// What stands before the closing quote, unescaped, and what stands behind it.
fn unquote(value: &str) -> (String, &str) {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, c) in value.char_indices() {
        match c {
            '"' if !escaped => return (text, &value[at + 1..]),
            '\\' if !escaped => escaped = true,
            _ => {
                text.push(c);
                escaped = false;
            }
        }
    }
    panic!("{value:?} is not closed")
}

fn offered(scheme: &str, realm: &str) -> (String, Vec<(String, String)>) {
    (scheme.to_owned(), vec![("realm".to_owned(), realm.to_owned())])
}

fn keys(record: KeyRecord) -> ApiKeyLayer {
    let (scheme, store) = store(record);
    ApiKeyLayer::new(scheme, store)
}

/// Refuses with a fixed rejection, and offers this.
struct Refuses(RejectionKind, &'static str);

impl Authenticator for Refuses {
    fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
        AuthFuture::ready(AuthOutcome::Rejected(Rejection::new(self.0)))
    }

    fn challenge(&self) -> &str {
        self.1
    }
}

#[tokio::test]
async fn r001_every_401_of_a_key_carries_a_challenge() {
    let past = SystemTime::now() - Duration::from_secs(60);
    let record = || KeyRecord::new("k1", "acme");
    let unknown = KEY.replace('1', "2");
    let requests: [(&str, KeyRecord, Headers<'_>); 8] = [
        ("missing", record(), &[]),
        ("empty", record(), &[("x-api-key", "")]),
        ("malformed", record(), &[("x-api-key", "ak_short")]),
        ("unknown", record(), &[("x-api-key", &unknown)]),
        ("revoked", record().state(KeyState::Revoked), &[("x-api-key", KEY)]),
        ("paused", record().state(KeyState::Paused), &[("x-api-key", KEY)]),
        ("expired", record().expires_at(past), &[("x-api-key", KEY)]),
        ("suspended", record().account_suspended(true), &[("x-api-key", KEY)]),
    ];
    for (case, record, headers) in requests {
        for disclosure in [Disclosure::Nothing, Disclosure::State] {
            let layer = keys(record.clone()).disclose(disclosure);
            let stack = AuthStack::builder().auth(layer.clone()).build().unwrap();
            let alone = answer(layer.layer(ok()), get("/", headers)).await;
            let stacked = answer(stack.layer(ok()), get("/", headers)).await;
            for (status, headers) in [(alone.status(), alone.headers()), (stacked.status(), stacked.headers())] {
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{case}");
                assert_eq!(challenges(headers), [offered("ApiKey", "api")], "{case}");
            }
        }
    }
}

#[tokio::test]
async fn r001_every_kind_that_is_401_carries_a_challenge_whoever_refuses() {
    for kind in RejectionKind::ALL.iter().copied() {
        let from_handler = Rejection::new(kind).into_response::<Body>();
        let offers = AuthLayer::first(Refuses(kind, "Mutual realm=\"mesh\"")).layer(ok());
        let silent = AuthLayer::first(Refuses(kind, "")).layer(ok());
        let offers = answer(offers, get("/", &[])).await;
        let silent = answer(silent, get("/", &[])).await;
        let refused = kind.status() == StatusCode::UNAUTHORIZED;
        for response in [&from_handler, &offers, &silent] {
            assert_eq!(response.status(), kind.status());
            assert_eq!(response.headers().contains_key("www-authenticate"), refused, "{kind:?}");
            assert_eq!(challenges(response.headers()).is_empty(), !refused, "{kind:?}");
        }
        if refused {
            assert_eq!(challenges(offers.headers()), [offered("Mutual", "mesh")]);
        }
    }
}

#[tokio::test]
async fn r001_a_bare_401_of_the_handler_is_completed_by_the_gate() {
    let handler = strict(|_| {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    });
    let response = answer(keys(KeyRecord::new("k1", "acme")).layer(handler), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(challenges(response.headers()), [offered("ApiKey", "api")]);
}

#[tokio::test]
async fn r001_an_adopted_401_carries_a_challenge() {
    let handler = strict(|_| {
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response
    });
    let layer = ErrorEnvelopeLayer::detailed().adopt_foreign_errors();
    let response = answer(layer.layer(handler), get("/", &[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(response.headers()).len(), 1, "{:?}", response.headers());
}

/// The gate around the handler knows what is on offer; the handler's refusal does not.
#[tokio::test]
async fn r001_a_handlers_401_refusal_offers_what_the_gate_offers() {
    let handler = strict(|_| Rejection::invalid_credentials().into_response());
    let response = answer(keys(KeyRecord::new("k1", "acme")).layer(handler), get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(challenges(response.headers()), [offered("ApiKey", "api")]);
}

#[tokio::test]
async fn r002_missing_malformed_and_partial_credentials_are_401() {
    let layer = keys(KeyRecord::new("k1", "acme"));
    for headers in [&[][..], &[("x-api-key", "")], &[("x-api-key", &KEY[..20])], &[("x-api-key", "nonsense")]] {
        assert_eq!(answer(layer.layer(ok()), get("/", headers)).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn r003_a_good_key_without_the_privilege_is_403_without_a_challenge() {
    let service = keys(KeyRecord::new("k1", "acme").scopes(["read"])).layer(RequireLayer::scope("write").layer(ok()));
    let response = answer(service, get("/", &[("x-api-key", KEY)])).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn r004_the_scheme_has_no_case() {
    let layer = keys(KeyRecord::new("k1", "acme")).bearer().auth_scheme("Api-Key");
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR", "Api-Key", "api-key", "API-KEY"] {
        let value = format!("{scheme} {KEY}");
        let response = answer(layer.layer(ok()), get("/", &[("authorization", &value)])).await;
        assert_eq!(response.status(), StatusCode::OK, "{scheme}");
    }
    let other = format!("Bearers {KEY}");
    let response = answer(layer.layer(ok()), get("/", &[("authorization", &other)])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[test]
fn r005_a_parameter_stands_once_whatever_its_case() {
    let challenge = Challenge::new("ApiKey").param("realm", "first").param("REALM", "second").param("Realm", "third");
    assert_eq!(challenge.as_str(), r#"ApiKey realm="first""#);
    let two = Challenge::new("Bearer").param("realm", "api").param("error", "x");
    assert_eq!(two.as_str(), r#"Bearer realm="api", error="x""#);
}

#[tokio::test]
async fn r005_setting_the_realm_again_replaces_it() {
    let layer = keys(KeyRecord::new("k1", "acme")).realm("first").bearer().realm("second");
    let response = answer(layer.layer(ok()), get("/", &[])).await;
    assert_eq!(challenges(response.headers()), [offered("Bearer", "second")]);
}

#[tokio::test]
async fn r006_the_realm_is_a_quoted_string_also_where_a_token_would_do() {
    for realm in ["api", "two words", "a=b", ""] {
        let response = answer(keys(KeyRecord::new("k1", "acme")).realm(realm).layer(ok()), get("/", &[])).await;
        assert_eq!(response.headers()["www-authenticate"], format!("ApiKey realm=\"{realm}\""));
    }
}

#[tokio::test]
async fn r007_nothing_breaks_out_of_the_quoted_string() {
    for (realm, read) in [
        (r#"the "big" api"#, r#"the "big" api"#),
        (r"back\slash\", r"back\slash\"),
        (r#"\""#, r#"\""#),
        (r#"evil", Basic realm="phish"#, r#"evil", Basic realm="phish"#),
        (r#"evil\", Basic realm=\"phish"#, r#"evil\", Basic realm=\"phish"#),
        ("host\r\nset-cookie: a=b", "host??set-cookie: a=b"),
        ("nul\0tab\tdel\x7f", "nul?tab?del?"),
        ("zürich", "z?rich"),
    ] {
        let layer = keys(KeyRecord::new("k1", "acme")).header("x-api-key").bearer().realm(realm);
        let response = answer(layer.layer(ok()), get("/", &[])).await;
        assert_eq!(challenges(response.headers()), [offered("ApiKey", read), offered("Bearer", read)], "{realm:?}");
        assert!(!response.headers().contains_key("set-cookie"));
    }
}

#[test]
fn r007_scheme_and_parameter_names_are_tokens() {
    let challenge = Challenge::new("Api Key\r\n\"").param("re alm=\"", "x").param("é", "y");
    assert!(challenge.as_str().starts_with(r#"ApiKey realm="x""#), "{challenge:?}");
    assert!(!challenge.as_str().contains(['\r', '\n', 'é']));
}

#[tokio::test]
async fn r008_several_schemes_are_joined_by_comma_and_space() {
    let layer = keys(KeyRecord::new("k1", "acme")).header("x-api-key").header("api-key").bearer().auth_scheme("Token");
    let response = answer(layer.layer(ok()), get("/", &[])).await;
    let lines: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(lines, [r#"ApiKey realm="api", Bearer realm="api", Token realm="api""#]);
}

#[tokio::test]
async fn r008_every_method_offers_its_challenge_in_declared_order() {
    let methods = AuthLayer::first(Named::new("x-mesh-id", "Mutual"))
        .then(keys(KeyRecord::new("k1", "acme")).realm("keys"))
        .then(Named::new("x-silent", ""))
        .then(Refuses(RejectionKind::InvalidToken, r#"Bearer realm="tokens""#));
    let response = answer(methods.layer(ok()), get("/", &[])).await;
    let mutual = ("Mutual".to_owned(), Vec::new());
    assert_eq!(challenges(response.headers()), [mutual, offered("ApiKey", "keys"), offered("Bearer", "tokens")]);
}

/// The refusal that a handler makes of [`Principal`]'s absence has the challenges of the optional layer outside.
#[tokio::test]
async fn r008_a_visitor_is_offered_every_challenge() {
    let handler = strict(|request: http::Request<Body>| {
        use tower_auth::RequestExt as _;
        assert_eq!(request.anonymous().unwrap().challenge().unwrap(), r#"ApiKey realm="api", Mutual"#);
        let refusal: Result<&Principal, Rejection> = request.principal();
        refusal.unwrap_err().into_response()
    });
    let (scheme, store) = (KeyScheme::ephemeral(crate::support::ak()), MemoryKeyStore::new());
    let layer = AuthLayer::first(ApiKeyLayer::new(scheme, store)).then(Named::new("x-mesh-id", "Mutual")).optional();
    let response = answer(layer.layer(handler), get("/", &[])).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(response.headers()).len(), 2);
}
