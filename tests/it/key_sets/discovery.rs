//! Key sets by what an issuer says of itself.

use std::{
    collections::HashMap,
    convert::Infallible,
    future::ready,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use serde_json::{Value, json};
use tower::service_fn;
use tower_auth::{
    Clock, TokenVerifier,
    jwks::JwksClient,
    token::{Claims, KeySource as _, TokenError},
};

use super::{
    AUDIENCE, FRESH, Fate, ISSUER, OLD, STRANGER, Signer, key_set, noon,
    server::{Act, Issuer, JWKS},
    verdict,
};

const DESCRIPTION: &str = "https://id.example.com/.well-known/openid-configuration";
const KEYS: &str = "https://id.example.com/jwks.json";

/// A web of these pages, and what of it was asked for.
#[derive(Clone, Default)]
struct Web {
    pages: HashMap<String, Value>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// One in which an issuer says this of itself, and every address that it could name has good keys.
    fn describing(description: Value) -> Self {
        Self::default().page(DESCRIPTION, description)
    }

    fn page(mut self, url: &str, page: Value) -> Self {
        self.pages.insert(url.to_owned(), page);
        self
    }

    fn behind(&self, client: JwksClient) -> JwksClient {
        let web = self.clone();
        let keys: Value = serde_json::from_slice(&key_set(&[&OLD])).unwrap();
        client.with_service(service_fn(move |request: Request<Empty<Bytes>>| {
            let url = request.uri().to_string();
            let page = web.pages.get(&url).unwrap_or(&keys).to_string();
            web.asked.lock().unwrap().push(url);
            let response = Response::builder().header("content-type", "application/json");
            ready(Ok::<_, Infallible>(response.body(Full::<Bytes>::from(page)).unwrap()))
        }))
    }

    /// What becomes of a good token with keys by this client.
    async fn outcome(&self, client: JwksClient) -> Result<Claims, TokenError> {
        let issuer = client.issuer().expect("it discovers").to_owned();
        let token = OLD.sign(&OLD.header(), &issuer);
        let tokens = TokenVerifier::source(issuer, self.behind(client)).audience(AUDIENCE).build().unwrap();
        verdict(tokens.verify(&token, &Clock::from(&noon()))).await
    }

    /// Why there are no keys, and how many documents were asked for.
    async fn failing(&self, client: JwksClient) -> (String, usize) {
        match self.outcome(client).await {
            Err(TokenError::Unavailable(why)) => (why.to_string(), self.asked().len()),
            other => panic!("there are keys: {other:?}"),
        }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn about(issuer: impl Into<Value>, jwks_uri: impl Into<Value>) -> Value {
    json!({ "issuer": issuer.into(), "jwks_uri": jwks_uri.into(), "token_endpoint": "https://id.example.com/token" })
}

#[tokio::test]
async fn an_issuer_is_described_below_its_address() {
    for issuer in
        ["https://id.example.com", "https://id.example.com/", "https://id.example.com/a", "https://id.example.com/a/"]
    {
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let web = Web::default().page(&address, about(issuer, KEYS));
        assert!(web.outcome(JwksClient::discover(issuer)).await.is_ok(), "{issuer}");
        assert_eq!(web.asked(), [&*address, KEYS]);
    }
}

#[tokio::test]
async fn a_description_of_another_issuer_is_refused() {
    for named in [
        "https://id.example.com",
        "https://ID.example.com/",
        "http://id.example.com/",
        "https://evil.example.com/",
        "https://id.example.com/ ",
        "",
    ] {
        let web = Web::describing(about(named, KEYS));
        let (why, asked) = web.failing(JwksClient::discover(ISSUER)).await;
        assert!(why.contains(&format!("{named:?}")) && why.contains(&format!("{ISSUER:?}")), "{why}");
        assert_eq!(asked, 1, "the keys are not asked for");
    }
    for description in [
        json!({ "jwks_uri": KEYS }),
        about(Value::Null, KEYS),
        about(json!([ISSUER]), KEYS),
        json!([]),
        json!("x"),
        json!(null),
    ] {
        let web = Web::describing(description);
        assert_eq!(web.failing(JwksClient::discover(ISSUER)).await.1, 1);
    }
}

#[tokio::test]
async fn a_description_without_an_address_of_keys_is_refused() {
    for description in [
        json!({ "issuer": ISSUER }),
        about(ISSUER, Value::Null),
        about(ISSUER, 1),
        about(ISSUER, json!([KEYS])),
        about(ISSUER, json!({ "url": KEYS })),
    ] {
        let web = Web::describing(description);
        let (why, asked) = web.failing(JwksClient::discover(ISSUER)).await;
        assert!(why.contains("has no jwks_uri"), "{why}");
        assert_eq!(asked, 1);
    }
    for url in ["", "/jwks.json", "jwks.json", "//id.example.com/jwks.json", "file:///etc/passwd", "https://", "a b"] {
        let web = Web::describing(about(ISSUER, url));
        assert_eq!(web.failing(JwksClient::discover(ISSUER)).await.1, 1, "{url}");
    }
}

#[tokio::test]
async fn r049_keys_on_another_host_are_refused_until_the_host_is_named() {
    for (url, host) in [
        ("https://keys.example.com/jwks.json", "keys.example.com"),
        ("https://sub.id.example.com/jwks.json", "sub.id.example.com"),
        ("https://id.example.com.evil.test/jwks.json", "id.example.com.evil.test"),
        ("https://evilid.example.com/jwks.json", "evilid.example.com"),
        ("https://example.com/jwks.json", "example.com"),
        ("https://id.example.com@evil.test/jwks.json", "evil.test"),
        ("https://evil.test/https://id.example.com/", "evil.test"),
        ("https://evil.test?@id.example.com/", "evil.test"),
        ("https://127.0.0.1/jwks.json", "127.0.0.1"),
        ("https://169.254.169.254/latest/meta-data", "169.254.169.254"),
        ("https://[::1]/jwks.json", "[::1]"),
    ] {
        let web = Web::describing(about(ISSUER, url));
        let (why, asked) = web.failing(JwksClient::discover(ISSUER).jwks_host("other.example.com")).await;
        assert!(why.contains(&format!(".jwks_host({host:?})")), "{why}");
        assert_eq!(asked, 1, "nobody is asked at {url}");

        let named = JwksClient::discover(ISSUER).jwks_host("other.example.com").jwks_host(host);
        assert!(web.outcome(named).await.is_ok(), "{url}");
        assert_eq!(web.asked().len(), 3);
    }
}

#[tokio::test]
async fn r049_keys_over_plain_http_are_refused_where_https_is_required() {
    let plain = "http://id.example.com/jwks.json";
    let web = Web::describing(about(ISSUER, plain));
    let (why, asked) = web.failing(JwksClient::discover(ISSUER)).await;
    assert!(why.contains(plain) && why.contains("https"), "{why}");
    assert_eq!(asked, 1);
    let (why, _) = web.failing(JwksClient::discover(ISSUER).jwks_host("id.example.com")).await;
    assert!(why.contains("https"), "a host that is named is still asked over TLS: {why}");
    assert!(web.outcome(JwksClient::discover(ISSUER).insecure_http()).await.is_ok());
}

#[tokio::test]
async fn a_description_over_a_socket_is_read_as_strictly_as_keys() {
    let server = Issuer::of(&[&OLD]);
    let (path, issuer) = ("/.well-known/openid-configuration", server.url(""));
    let good = about(&*issuer, server.url(JWKS)).to_string();
    let client = JwksClient::discover(&*issuer).insecure_http();
    let tokens = TokenVerifier::source(issuer.clone(), client).audience(AUDIENCE).build().unwrap();
    let hand = noon();
    let fate_of = async |signer: &Signer| {
        let token = signer.sign(&signer.header(), &issuer);
        Fate::from(&verdict(tokens.verify(&token, &Clock::from(&hand))).await)
    };
    let fate = async || fate_of(&OLD).await;

    server.serve("/elsewhere", Act::json(good.as_bytes()));
    let moved = Act::answer("302 Found", &["location: /elsewhere", "content-type: application/json"], good.as_bytes());
    let long = Act::json(format!("{good}{}", " ".repeat(256 * 1024)).as_bytes());
    let html = Act::answer("200 OK", &["content-type: text/html"], good.as_bytes());
    for act in [moved, long, html, Act::json(b"{"), Act::json(b"")] {
        server.serve(path, act);
        assert_eq!(fate().await, Fate::Unavailable);
        hand.advance(super::COOLDOWN);
    }
    assert_eq!(server.requests(), 5, "nothing but the description is asked for");

    server.serve(path, Act::json(good.as_bytes()));
    assert_eq!((fate().await, server.requests()), (Fate::Good, 7));
    // Keys may move: the description is read again with them.
    server.serve("/new.json", Act::publish(&[&OLD]));
    server.serve(path, Act::json(about(&*issuer, server.url("/new.json")).to_string().as_bytes()));
    hand.advance(FRESH);
    // A good token does not wait for it, and one of an unknown key does.
    assert_eq!((fate_of(&STRANGER).await, server.requests()), (Fate::UnknownKey, 9));
    assert_eq!(fate().await, Fate::Good);
    assert!(server.heads()[8].starts_with("GET /new.json "));
    // The issuer is down: the old keys stay.
    server.serve(path, Act::answer("500 Internal Server Error", &[], b""));
    hand.advance(FRESH);
    assert_eq!((fate_of(&STRANGER).await, server.requests()), (Fate::Unavailable, 10));
    assert_eq!((fate().await, server.requests()), (Fate::Good, 10));
}

#[test]
fn keys_of_another_issuer_are_refused_when_built() {
    for (tokens, keys) in
        [(ISSUER, "https://id.example.com"), ("https://id.example.com", ISSUER), (ISSUER, "https://b.test/")]
    {
        let error = TokenVerifier::source(tokens, JwksClient::discover(keys)).audience(AUDIENCE).build().unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{tokens:?}")) && text.contains(&format!("{keys:?}")), "{text}");
    }
    assert!(TokenVerifier::source(ISSUER, JwksClient::discover(ISSUER)).audience(AUDIENCE).build().is_ok());
    let shared = Arc::new(JwksClient::discover("https://b.test/"));
    assert!(TokenVerifier::source(ISSUER, shared).audience(AUDIENCE).build().is_err());
    assert!(TokenVerifier::source(ISSUER, JwksClient::new("https://b.test/keys")).audience(AUDIENCE).build().is_ok());
}
