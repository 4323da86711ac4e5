//! Keys in `Sec-WebSocket-Protocol`, which a browser can send when it opens a WebSocket.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, Response};
use tower::Layer as _;
use tower_auth::{
    ApiKeyLayer, AuthLayer, AuthStack, KeyFormat, KeyRecord, KeyScheme, MemoryKeyStore, Rejection, RequestExt as _,
    Subprotocol,
};

use super::answer;
use crate::support::{Body, KEY, get, store, strict, text};

const OFFERS: &str = "sec-websocket-protocol";

fn keys() -> ApiKeyLayer {
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    ApiKeyLayer::new(scheme, store)
}

/// A WebSocket with these protocols, in which `{k}` is a good key.
fn opening(offers: &str, more: &[(&str, &str)]) -> Request<Body> {
    let offers = offers.replace("{k}", KEY);
    let headers = [("connection", "Upgrade"), ("upgrade", "websocket"), (OFFERS, &*offers)];
    get("/ws", &[&headers[..], more].concat())
}

/// The status; if it is 200, what the service sees of the protocols; and what the client is answered.
async fn told(auth: impl Into<AuthLayer>, request: Request<Body>) -> (u16, String, Option<String>) {
    let service = strict(|request: Request<Body>| {
        assert!(request.principal().is_ok());
        let seen = request.headers().get(OFFERS).map(|line| line.to_str().unwrap().to_owned());
        Response::new(Body::from(seen.unwrap_or_default()))
    });
    let response = answer(auth.into().layer(service), request).await;
    let status = response.status().as_u16();
    let answered = response.headers().get(OFFERS).map(|value| value.to_str().unwrap().to_owned());
    (status, text(response).await, answered)
}

#[tokio::test]
async fn a_key_is_read_taken_out_and_answered() {
    let prefix = || keys().header("x-api-key").websocket_protocol("key.");
    let after = || keys().websocket_protocol(Subprotocol::after("api_key"));
    for (layer, offers, status, seen, answered) in [
        (prefix(), "chat.v1, key.{k}", 200, "chat.v1", None),
        (prefix(), "key.{k}", 200, "", None),
        (after(), "api_key, {k}, chat.v1", 200, "chat.v1", Some("api_key")),
        (prefix(), "chat.v1", 401, "", None),
        (prefix(), "chat.v1, {k}", 401, "", None),
        (prefix(), "key.{k}x", 401, "", None),
        // Nothing behind the prefix is no key, as a scheme without a credential is none.
        (prefix(), "key.", 401, "", None),
        (prefix(), "key.{k}, key.{k}", 400, "", None),
        (after(), "api_key", 401, "", None),
        (after(), "api_key, x, {k}", 401, "", None),
    ] {
        let (status_, seen_, answered_) = told(layer, opening(offers, &[])).await;
        assert_eq!((status_, &*seen_, answered_.as_deref()), (status, seen, answered), "{offers}");
    }
    let plain = get("/ws", &[(OFFERS, &format!("key.{KEY}"))]);
    assert_eq!(told(prefix(), plain).await.0, 401, "it opens no WebSocket");
    // The default header is not read any more, once a place is named.
    assert_eq!(told(after(), opening("chat.v1", &[("x-api-key", KEY)])).await.0, 401);
    assert_eq!(told(prefix(), opening("chat.v1", &[("x-api-key", KEY)])).await.0, 200);
    assert_eq!(told(prefix(), opening("key.", &[("x-api-key", KEY)])).await.0, 400, "ambiguous");
    let strict = AuthLayer::from(prefix()).reject_ambiguous();
    assert_eq!(told(strict.clone(), opening("key.{k}", &[("x-api-key", KEY)])).await.0, 400);
    assert_eq!(told(strict, opening("chat.v1", &[("x-api-key", KEY)])).await.0, 200);
}

/// A key with characters that no subprotocol has.
#[tokio::test]
async fn a_key_with_other_characters_is_encoded() {
    let (scheme, key) = (KeyScheme::sha256(KeyFormat::opaque(16)), "a/key=with@odd characters".replace(' ', "\""));
    let store = MemoryKeyStore::new().with(&scheme, &key, KeyRecord::new("key_1", "acme")).unwrap();
    let layer = ApiKeyLayer::new(scheme, store).websocket_protocol(Subprotocol::base64url("b64."));
    let good = format!("b64.{}", URL_SAFE_NO_PAD.encode(&key));
    assert_eq!(told(layer.clone(), opening(&good, &[])).await, (200, String::new(), None));
    assert_eq!(told(layer.clone(), opening(&format!("b64.{key}"), &[])).await.0, 400);
    assert_eq!(told(layer, opening("b64.AAAA", &[])).await.0, 401);
}

/// Keys and keys of another form in one header: the form of each selects its layer.
#[tokio::test]
async fn two_layers_share_the_header() {
    let auth = || AuthLayer::first(keys().websocket_protocol("a.")).then(keys().websocket_protocol("b."));
    for (offers, status) in [("a.{k}, chat", 200), ("chat, b.{k}", 200), ("c.{k}", 401), ("a.x, b.{k}", 200)] {
        let (got, seen, _) = told(auth(), opening(offers, &[])).await;
        assert_eq!(got, status, "{offers}");
        assert!(!seen.contains(KEY), "{seen}");
    }
}

#[tokio::test]
async fn a_refusal_names_the_header_and_a_challenge() {
    let layer = keys().websocket_protocol("key.");
    let service = |_: Request<Body>| Response::new(Body::default());
    let response = answer(layer.layer(strict(service)), opening("key.{k}, key.{k}", &[])).await;
    let cause = Rejection::of(&response).unwrap().private_cause().unwrap().to_string();
    assert!(cause.contains("two subprotocols are credentials"), "{cause}");
    let missing = answer(layer.layer(strict(service)), opening("chat", &[])).await;
    assert_eq!(missing.headers()["www-authenticate"], "ApiKey realm=\"api\"");
    let wrong = keys().websocket_protocol("a b");
    let told = AuthStack::builder().auth(wrong).build().unwrap_err().to_string();
    assert!(told.contains("\"a b\" cannot be in a WebSocket subprotocol"), "{told}");
}
