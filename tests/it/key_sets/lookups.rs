//! Keys that are fetched one by one, and keys in PEM.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use jsonwebtoken::{Header, encode};
use tokio::sync::Notify;
use tower_auth::{
    BoxError, Clock, Health, MaybeReady, TokenVerifier,
    jwks::{JwksClient, KeyPerId},
    testing::ManualClock,
    token::{Algorithm, KeyLookup, KeySet, TokenError, TokenVerifierBuilder},
};

use super::{
    AUDIENCE, COOLDOWN, FRESH, Fate, ISSUER, NEW, OLD, STALE, STRANGER, Signer, at_once, claims, noon,
    server::{Act, Issuer},
    source::{Does, Script},
    verdict,
};

const FIRST: &str = "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a59";
const SECOND: &str = "D1F0A6C4-2B3E-4F5A-8C7D-9E0F1A2B3C4D";

fn pem(signer: &Signer) -> String {
    let jwk = signer.jwk();
    let point = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(jwk["x"].as_str().unwrap()).unwrap();
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".as_slice(), &point].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der))
}

/// A token of this signer that names this key.
fn token(signer: &Signer, id: &str) -> String {
    let header = Header { kid: Some(id.to_owned()), ..signer.header() };
    signer.sign(&header, ISSUER)
}

/// What a source answers for an id.
#[derive(Clone)]
enum Says {
    Key(String),
    Fail,
    Wait(Arc<Notify>, String),
}

#[derive(Default)]
struct Book {
    says: Mutex<HashMap<String, Says>>,
    asked: Mutex<Vec<String>>,
}

impl Book {
    fn set(&self, id: &str, says: Says) {
        self.says.lock().unwrap().insert(id.to_owned(), says);
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl KeyLookup for Book {
    fn fetch(&self, id: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>> {
        self.asked.lock().unwrap().push(id.to_owned());
        match self.says.lock().unwrap().get(id).cloned() {
            None => MaybeReady::ready(Ok(None)),
            Some(Says::Key(pem)) => MaybeReady::ready(Ok(Some(pem.into()))),
            Some(Says::Fail) => MaybeReady::ready(Err("down".into())),
            Some(Says::Wait(gate, pem)) => MaybeReady::boxed(async move {
                gate.notified().await;
                Ok(Some(pem.into()))
            }),
        }
    }
}

struct Desk {
    book: Arc<Book>,
    hand: ManualClock,
    tokens: TokenVerifier,
}

impl Desk {
    fn new() -> Self {
        Self::built(|builder| builder)
    }

    fn built(change: impl FnOnce(TokenVerifierBuilder) -> TokenVerifierBuilder) -> Self {
        let book = Arc::new(Book::default());
        book.set(FIRST, Says::Key(pem(&OLD)));
        let builder = TokenVerifier::lookup(ISSUER, Algorithm::Ed25519, Arc::clone(&book)).audience(AUDIENCE);
        Self { book, hand: noon(), tokens: change(builder).build().unwrap() }
    }

    async fn fate(&self, token: &str) -> Fate {
        Fate::from(&verdict(self.tokens.verify(token, &Clock::from(&self.hand))).await)
    }
}

/// An id that nobody knows.
fn made_up(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

#[tokio::test]
async fn a_key_is_fetched_once_by_its_id() {
    let desk = Desk::new();
    for _ in 0..3 {
        assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    }
    assert_eq!(desk.fate(&token(&NEW, FIRST)).await, Fate::Refused, "the signature of another key");
    assert_eq!(desk.book.asked(), [FIRST]);
    desk.book.set(SECOND, Says::Key(pem(&NEW)));
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Good);
    assert_eq!(desk.fate(&token(&OLD, SECOND)).await, Fate::Refused);
    assert_eq!(desk.book.asked(), [FIRST, SECOND]);
    // A key that is gone verifies nothing after the next fetch.
    desk.book.says.lock().unwrap().remove(FIRST);
    desk.hand.advance(FRESH);
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::UnknownKey);
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Good);
}

#[tokio::test]
async fn only_an_id_that_is_a_uuid_is_asked_for() {
    let desk = Desk::new();
    for id in [
        "",
        "..",
        "../admin",
        "a/../../b",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a590",
        "0b9a2f0e061c8-4a7e-9a3b-5f1d2c3b4a59",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5/",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5?",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5#",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a%39",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5g",
        "0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a\u{0}9",
        "０b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a59",
        "@evil.test/61c8-4a7e-9a3b-5f1d2c3b4a",
        "{0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a5}",
        " 0b9a2f0e-61c8-4a7e-9a3b-5f1d2c3b4a59",
    ] {
        assert_eq!(desk.fate(&token(&OLD, id)).await, Fate::UnknownKey, "{id:?}");
    }
    let without = OLD.sign(&Header { kid: None, ..OLD.header() }, ISSUER);
    assert_eq!(desk.fate(&without).await, Fate::UnknownKey);
    assert!(desk.book.asked().is_empty(), "{:?}", desk.book.asked());
}

#[tokio::test]
async fn a_token_that_no_key_can_make_good_asks_for_none() {
    let desk = Desk::new();
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims(ISSUER);
        claims[name] = value;
        encode(&Header { kid: Some(FIRST.to_owned()), ..OLD.header() }, &claims, &OLD.key()).unwrap()
    };
    for bad in [
        with("iss", "https://other.test/".into()),
        with("aud", "another".into()),
        with("exp", 1.into()),
        with("sub", "".into()),
        token(&OLD, FIRST).replace('.', ".."),
        OLD.sign(&Header { kid: Some(FIRST.to_owned()), typ: Some("JWT".into()), ..OLD.header() }, ISSUER),
    ] {
        assert!(matches!(desk.fate(&bad).await, Fate::UnknownKey | Fate::Malformed), "{bad}");
    }
    assert!(desk.book.asked().is_empty());
    // Nor do they use up what may be asked for.
    let mut expired = claims(ISSUER);
    expired["exp"] = 1.into();
    for number in 0..20 {
        let header = Header { kid: Some(made_up(number)), ..OLD.header() };
        assert_eq!(desk.fate(&encode(&header, &expired, &OLD.key()).unwrap()).await, Fate::UnknownKey);
    }
    assert_eq!((desk.fate(&token(&OLD, FIRST)).await, desk.book.asked().len()), (Fate::Good, 1));
}

#[tokio::test]
async fn unknown_ids_are_remembered_and_their_number_is_bounded() {
    let desk = Desk::new();
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    for _ in 0..3 {
        assert_eq!(desk.fate(&token(&STRANGER, &made_up(0))).await, Fate::UnknownKey);
    }
    assert_eq!(desk.book.asked().len(), 2, "it is asked for once");
    // At most eight new ones are asked for within the cooldown.
    let mut fates = HashMap::new();
    for number in 1..100 {
        *fates.entry(format!("{:?}", desk.fate(&token(&STRANGER, &made_up(number))).await)).or_insert(0) += 1;
    }
    assert_eq!((fates["UnknownKey"], fates["Unavailable"], desk.book.asked().len()), (6, 93, 8));
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good, "a known key is not minded");
    // The key that everybody waits for is found after it.
    desk.hand.advance(COOLDOWN);
    desk.book.set(SECOND, Says::Key(pem(&NEW)));
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Good);
    // Room is made by ids without a key: after hundreds of them, the keys are still there.
    for number in 100..400 {
        if number % 7 == 0 {
            desk.hand.advance(COOLDOWN);
        }
        assert_eq!(desk.fate(&token(&STRANGER, &made_up(number))).await, Fate::UnknownKey);
    }
    let asked = desk.book.asked();
    desk.book.set(FIRST, Says::Fail);
    desk.book.set(SECOND, Says::Fail);
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Good);
    let again = desk.book.asked().split_off(asked.len());
    assert!(again.iter().all(|id| [FIRST, SECOND].contains(&&**id)), "{again:?}");
}

#[tokio::test]
async fn requests_that_wait_share_one_fetch() {
    let desk = Desk::new();
    let gate = Arc::new(Notify::new());
    desk.book.set(SECOND, Says::Wait(Arc::clone(&gate), pem(&NEW)));
    let (clock, good) = (Clock::from(&desk.hand), token(&NEW, SECOND));
    let mut waiting: Vec<_> = (0..10).map(|_| desk.tokens.verify(&good, &clock)).collect();
    for one in &mut waiting {
        assert!(at_once(one).is_none());
    }
    // Another key does not wait for it.
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    gate.notify_one();
    for one in waiting {
        assert!(verdict(one).await.is_ok());
    }
    assert_eq!(desk.book.asked(), [SECOND, FIRST]);
}

/// Threads that meet where a key is not known yet.
struct Meeting {
    all: Barrier,
    pem: String,
    asked: AtomicUsize,
}

impl KeyLookup for Meeting {
    fn fetch(&self, _: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        MaybeReady::ready(Ok(Some(self.pem.clone().into())))
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        self.all.wait();
        None
    }
}

#[test]
fn requests_that_come_at_the_same_instant_ask_once() {
    const ALL: usize = 12;
    let meeting = Arc::new(Meeting { all: Barrier::new(ALL), pem: pem(&OLD), asked: AtomicUsize::new(0) });
    let builder = TokenVerifier::lookup(ISSUER, Algorithm::Ed25519, Arc::clone(&meeting)).audience(AUDIENCE);
    let (tokens, good) = (builder.build().unwrap(), token(&OLD, FIRST));
    std::thread::scope(|scope| {
        for _ in 0..ALL {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                let verified = runtime.block_on(verdict(tokens.verify(&good, &Clock::from(&noon()))));
                assert!(verified.is_ok(), "{verified:?}");
            });
        }
    });
    assert_eq!(meeting.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_health_is_that_of_the_last_fetch() {
    let desk = Desk::new();
    desk.book.set(&made_up(0), Says::Fail);
    assert_eq!(desk.fate(&token(&STRANGER, &made_up(0))).await, Fate::Unavailable);
    assert!(matches!(desk.tokens.health(), Health::Degraded(_)));
    desk.hand.advance(COOLDOWN);
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    assert!(matches!(desk.tokens.health(), Health::Good), "nobody asks for the id that failed again");
}

#[tokio::test]
async fn an_outage_is_no_verdict() {
    let desk = Desk::new();
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    assert!(matches!(desk.tokens.health(), Health::Good));
    desk.book.set(SECOND, Says::Fail);
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Unavailable);
    assert!(matches!(desk.tokens.health(), Health::Degraded(why) if why.contains("down")));
    for broken in ["", "no PEM", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"] {
        desk.hand.advance(COOLDOWN);
        desk.book.set(SECOND, Says::Key(broken.to_owned()));
        assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Unavailable, "{broken:?}");
    }
    desk.hand.advance(COOLDOWN);
    desk.book.set(SECOND, Says::Key(pem(&NEW)));
    assert_eq!(desk.fate(&token(&NEW, SECOND)).await, Fate::Good);
    assert!(matches!(desk.tokens.health(), Health::Good));
    // The old key is used until it is too old.
    desk.book.set(FIRST, Says::Fail);
    desk.hand.advance(FRESH);
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    desk.hand.advance(STALE);
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Unavailable);
}

#[tokio::test]
async fn a_cache_remembers_tokens_of_single_keys() {
    let desk = Desk::built(|builder| builder.cache(16));
    for _ in 0..3 {
        assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::Good);
    }
    desk.book.says.lock().unwrap().clear();
    desk.hand.advance(FRESH);
    let _ = desk.fate(&token(&OLD, FIRST)).await;
    assert_eq!(desk.fate(&token(&OLD, FIRST)).await, Fate::UnknownKey, "its key is gone");
}

#[tokio::test]
async fn a_key_is_at_an_address_with_its_id() {
    let server = Issuer::start();
    server.serve(
        &format!("/{FIRST}"),
        Act::answer("200 OK", &["content-type: binary/octet-stream"], pem(&OLD).as_bytes()),
    );
    server.serve(&format!("/{}", made_up(2)), Act::answer("403 Forbidden", &[], b"<Error/>"));
    server.serve(&format!("/{}", made_up(3)), Act::answer("500 Internal Server Error", &[], b""));
    let keys = KeyPerId::new(JwksClient::new(server.url("/{kid}")).insecure_http());
    let tokens = TokenVerifier::lookup(ISSUER, Algorithm::Ed25519, keys).audience(AUDIENCE).build().unwrap();
    let hand = noon();
    let fate = async |token: String| Fate::from(&verdict(tokens.verify(&token, &Clock::from(&hand))).await);
    assert_eq!(fate(token(&OLD, FIRST)).await, Fate::Good);
    assert_eq!(fate(token(&OLD, &made_up(1))).await, Fate::UnknownKey, "404");
    assert_eq!(fate(token(&OLD, &made_up(2))).await, Fate::UnknownKey, "403");
    assert_eq!(fate(token(&OLD, &made_up(3))).await, Fate::Unavailable, "500");
    assert_eq!(fate(token(&OLD, "../a")).await, Fate::UnknownKey);
    assert_eq!(server.requests(), 4);
    assert!(server.heads()[0].starts_with(&format!("GET /{FIRST} ")));
}

#[test]
fn an_address_without_a_place_for_the_id_is_refused_when_built() {
    let of = |client: JwksClient| {
        let builder = TokenVerifier::lookup(ISSUER, Algorithm::Es256, KeyPerId::new(client)).audience(AUDIENCE);
        builder.build().map_err(|error| error.to_string())
    };
    assert!(of(JwksClient::new("https://keys.example.com/a/{kid}")).is_ok());
    assert!(of(JwksClient::new("https://keys.example.com/a?id={kid}")).is_ok());
    for (client, said) in [
        (JwksClient::new("https://keys.example.com/"), "does not have {kid} once"),
        (JwksClient::new("https://keys.example.com/{kid}/{kid}"), "does not have {kid} once"),
        (JwksClient::new("https://keys.example.com/{kid}/{region}"), "does not have {kid} once"),
        (JwksClient::new("https://{kid}.example.com/"), "in its host"),
        (JwksClient::new("https://{kid}@keys.example.com/"), "in its host"),
        (JwksClient::new("http://keys.example.com/{kid}"), "starts with http"),
        (JwksClient::discover("https://id.example.com"), "discovers an issuer"),
    ] {
        let error = of(client).unwrap_err();
        assert!(error.contains(said), "{said}: {error}");
    }
    let secret = TokenVerifier::lookup(ISSUER, Algorithm::Hs256, Book::default()).audience(AUDIENCE).build();
    assert!(secret.unwrap_err().to_string().contains("HMAC"));
}

#[tokio::test]
async fn a_document_of_keys_in_pem_is_read_where_the_verifier_says_so() {
    let document = serde_json::json!({ "old": pem(&OLD), "odd": 5, "broken": "x" }).to_string();
    let source = || Script::new(Does::Answer(Bytes::from(document.clone())));
    let builder = || TokenVerifier::source(ISSUER, source()).audience(AUDIENCE);
    let clock = Clock::from(&noon());
    let tokens = builder().pem_map(Algorithm::Ed25519).build().unwrap();
    assert!(verdict(tokens.verify(&OLD.token(), &clock)).await.is_ok());
    assert!(matches!(verdict(tokens.verify(&NEW.token(), &clock)).await, Err(TokenError::UnknownKey)));
    let plain = verdict(builder().build().unwrap().verify(&OLD.token(), &clock)).await;
    assert!(matches!(plain, Err(TokenError::Unavailable(_))), "by default it is a key set");
    assert_eq!(KeySet::from_pem_map(Algorithm::Ed25519, document.as_bytes()).unwrap().len(), 1);
    let many: serde_json::Map<_, _> = (0..65).map(|n| (n.to_string(), pem(&OLD).into())).collect();
    let many = serde_json::Value::from(many).to_string();
    for bad in ["", "[]", "{}", r#"{"keys":[]}"#, r#"{"a":null}"#, &many] {
        assert!(KeySet::from_pem_map(Algorithm::Ed25519, bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(KeySet::from_pem_map(Algorithm::Rs256, document.as_bytes()).is_err(), "keys of another algorithm");
    assert!(KeySet::from_pem_map(Algorithm::Hs256, document.as_bytes()).is_err(), "a public key is no secret");
}
