//! Real answers over a real socket, most of them bad: without keys they are 503, with keys those stay, and nobody
//! hangs.

use std::time::Duration;

use tower_auth::{Clock, TokenVerifier, jwks::JwksClient, testing::ManualClock, token::TokenVerifierBuilder};

use super::{
    AUDIENCE, COOLDOWN, FRESH, Fate, ISSUER, NEW, OLD, STRANGER, key_set, noon, reason,
    server::{Act, Issuer, JWKS, nobody},
    verdict,
};
use crate::support::server::PATIENCE;

const JSON: &str = "content-type: application/json";

fn verifier(url: impl Into<String>) -> TokenVerifierBuilder {
    TokenVerifier::source(ISSUER, JwksClient::new(url).insecure_http()).audience(AUDIENCE)
}

/// A verifier of keys over a socket, on a clock that the test turns.
struct Wired {
    hand: ManualClock,
    tokens: TokenVerifier,
}

impl Wired {
    fn to(url: impl Into<String>) -> Self {
        Self::built(verifier(url))
    }

    fn built(builder: TokenVerifierBuilder) -> Self {
        Self { hand: noon(), tokens: builder.build().unwrap() }
    }

    async fn fate(&self, token: &str) -> Fate {
        Fate::from(&verdict(self.tokens.verify(token, &Clock::from(&self.hand))).await)
    }

    async fn reason(&self) -> String {
        reason(self.tokens.verify(&OLD.token(), &Clock::from(&self.hand))).await
    }
}

/// Why a fetch with this answer fails, which is tried with and without keys.
async fn failing(act: Act, patience: Duration) -> String {
    let server = Issuer::start();
    server.serve(JWKS, act.clone());
    let wired = Wired::built(verifier(server.url(JWKS)).fetch_timeout(patience));
    let why = wired.reason().await;

    server.serve(JWKS, Act::publish(&[&OLD]));
    wired.hand.advance(COOLDOWN);
    assert_eq!(wired.fate(&OLD.token()).await, Fate::Good, "{why}");

    server.serve(JWKS, act);
    wired.hand.advance(FRESH);
    assert_eq!(wired.fate(&STRANGER.token()).await, Fate::Unavailable, "{why}");
    assert_eq!(wired.fate(&OLD.token()).await, Fate::Good, "the old keys stay: {why}");
    assert_eq!((server.connections(), server.requests()), (3, 3), "{why}");
    why.strip_prefix(&format!("{}: ", server.url(JWKS))).unwrap_or_else(|| panic!("it says where: {why}")).to_owned()
}

#[tokio::test]
async fn r069_a_good_answer_is_fetched_over_a_connection_of_its_own() {
    let server = Issuer::of(&[&OLD]);
    let wired = Wired::to(server.url(JWKS));
    for fetches in 1..=3 {
        // A good token would not wait for it.
        let fate = if fetches == 1 { Fate::Good } else { Fate::UnknownKey };
        let token = if fetches == 1 { OLD.token() } else { STRANGER.token() };
        assert_eq!(wired.fate(&token).await, fate);
        assert_eq!((server.connections(), server.requests()), (fetches, fetches));
        assert_eq!(wired.fate(&OLD.token()).await, Fate::Good);
        wired.hand.advance(FRESH);
    }
    server.serve(JWKS, Act::publish(&[&NEW]));
    assert_eq!((wired.fate(&NEW.token()).await, wired.fate(&OLD.token()).await), (Fate::Good, Fate::UnknownKey));
}

#[tokio::test]
async fn r069_a_fetch_says_what_it_wants_and_nothing_of_the_service() {
    let server = Issuer::start();
    server.serve(JWKS, Act::answer("200 OK", &[JSON, "set-cookie: a=b; path=/"], &key_set(&[&OLD])));
    let wired = Wired::to(server.url(JWKS));
    for signer in [&OLD, &STRANGER] {
        wired.fate(&signer.token()).await;
        wired.hand.advance(FRESH);
    }
    let host = format!("host: {}", server.address);
    for head in server.heads() {
        let mut lines: Vec<&str> = head.trim_end().split("\r\n").collect();
        lines[1..].sort_unstable();
        assert_eq!(lines, ["GET /jwks.json HTTP/1.1", ACCEPT, &host]);
    }
    assert_eq!(server.requests(), 2);
}

const ACCEPT: &str = "accept: application/jwk-set+json, application/json;q=0.9, */*;q=0.1";

#[tokio::test]
async fn r069_every_status_but_200_is_a_failure() {
    let good = key_set(&[&STRANGER]);
    for status in ["404 Not Found", "500 Internal Server Error", "503 Service Unavailable", "203 X", "206 X", "401 X"] {
        let why = failing(Act::answer(status, &[JSON], &good), PATIENCE).await;
        assert!(why.contains(&status[..3]), "{why}");
    }
    for status in ["204 No Content", "304 Not Modified"] {
        let why = failing(Act::Say(format!("HTTP/1.1 {status}\r\n{JSON}\r\n\r\n").into()), PATIENCE).await;
        assert!(why.contains(&status[..3]), "{why}");
    }
}

#[tokio::test]
async fn r049_a_redirect_is_not_followed() {
    let elsewhere = Issuer::of(&[&OLD, &STRANGER]);
    let location = format!("location: {}", elsewhere.url(JWKS));
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "307 X", "308 X"] {
        for body in [&b""[..], &key_set(&[&STRANGER])] {
            let why = failing(Act::answer(status, &[JSON, &location], body), PATIENCE).await;
            assert!(why.contains(&status[..3]) && why.contains("redirects are not followed"), "{why}");
        }
    }
    // To the very same server neither.
    let server = Issuer::of(&[&OLD]);
    server.serve("/moved", Act::answer("301 Moved Permanently", &["location: /jwks.json"], b""));
    assert_eq!(Wired::to(server.url("/moved")).fate(&OLD.token()).await, Fate::Unavailable);
    assert_eq!((server.requests(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn r069_only_json_by_its_content_type_is_read() {
    let good = key_set(&[&OLD]);
    for media in ["text/html", "text/plain", "text/json", "application/octet-stream", "application/jsonp", "json", ""] {
        let why = failing(Act::answer("200 OK", &[&format!("content-type: {media}")], &good), PATIENCE).await;
        assert!(why.contains("Content-Type"), "{why}");
    }
    let why = failing(Act::answer("200 OK", &[], &good), PATIENCE).await;
    assert!(why.contains("Content-Type"), "{why}");
    for media in [
        "application/json",
        "application/jwk-set+json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "Application/JSON",
    ] {
        let server = Issuer::start();
        server.serve(JWKS, Act::answer("200 OK", &[&format!("content-type: {media}")], &good));
        assert_eq!(Wired::to(server.url(JWKS)).fate(&OLD.token()).await, Fate::Good, "{media}");
    }
}

#[tokio::test]
async fn p26_an_endless_answer_is_cut_off() {
    let spaces = vec![b' '; 16 * 1024];
    let body = format!("HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n");
    let chunked = format!("HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = [&b"4000\r\n"[..], &spaces, b"\r\n"].concat();
    // It is not the time that ends them.
    for (first, again) in [(body, spaces), (chunked, chunk)] {
        let why = failing(Act::Forever(first.into(), again, Duration::ZERO), 2 * PATIENCE).await;
        assert!(why.contains("length limit exceeded"), "{why}");
    }
    failing(Act::Forever(b"HTTP/1.1 200 OK\r\n".into(), b"x-padding: 0\r\n".into(), Duration::ZERO), 2 * PATIENCE)
        .await;
}

#[tokio::test]
async fn p26_an_answer_of_more_than_256_kib_is_no_key_set() {
    for (length, fate) in [(256 * 1024, Fate::Good), (256 * 1024 + 1, Fate::Unavailable)] {
        let mut document = key_set(&[&OLD]).to_vec();
        document.resize(length, b' ');
        let server = Issuer::start();
        server.serve(JWKS, Act::json(&document));
        assert_eq!(Wired::to(server.url(JWKS)).fate(&OLD.token()).await, fate, "{length}");
    }
}

#[tokio::test]
async fn p26_an_answer_that_drips_is_given_up() {
    let pause = Duration::from_millis(50);
    let body = format!("HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n").into_bytes();
    for first in [body, b"HTTP/1.1 200 OK\r\nx-slow: ".to_vec()] {
        let why = failing(Act::Forever(first, b"0".into(), pause), Duration::from_secs(2)).await;
        assert_eq!(why, "no answer within 2s");
    }
}

#[tokio::test]
async fn p26_a_server_that_says_nothing_is_given_up() {
    let pause = Duration::from_millis(50);
    let why = failing(Act::Forever(Vec::new(), Vec::new(), pause), Duration::from_secs(2)).await;
    assert_eq!(why, "no answer within 2s");
}

/// A gzip member that has these bytes as they are (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let stored = [&[1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat();
    let trailer = [crc32fast::hash(bytes).to_le_bytes(), u32::from(length).to_le_bytes()].concat();
    [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff][..], &stored, &trailer].concat()
}

#[tokio::test]
async fn r069_an_encoded_answer_is_not_unpacked() {
    let packed = gzip(&key_set(&[&OLD]));
    failing(Act::answer("200 OK", &[JSON, "content-encoding: gzip"], &packed), PATIENCE).await;
}

#[tokio::test]
async fn r069_an_answer_that_breaks_off_is_a_failure() {
    let good = key_set(&[&OLD]);
    let Act::Say(whole) = Act::json(&good) else { unreachable!() };
    let chunked = format!(
        "HTTP/1.1 200 OK\r\n{JSON}\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{}\r\n",
        good.len(),
        str::from_utf8(&good).unwrap()
    );
    for bytes in [
        Vec::new(),
        b"HTTP/1.1 200".to_vec(),
        whole[..whole.len() - 1].to_vec(),
        whole[..whole.len() - good.len()].to_vec(),
        // All is there but the last chunk, which says so.
        chunked.into_bytes(),
        b"\x15\x03\x03\x00\x02\x02\x28".to_vec(),
        b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
    ] {
        failing(Act::Say(bytes), PATIENCE).await;
    }
}

#[tokio::test]
async fn r069_a_server_that_is_not_there_is_a_failure() {
    let wired = Wired::to(format!("http://{}{JWKS}", nobody()));
    assert_eq!(wired.fate(&OLD.token()).await, Fate::Unavailable);
}

#[tokio::test]
async fn a_connection_that_is_refused_is_told() {
    let why = Wired::to(format!("http://{}{JWKS}", nobody())).reason().await;
    assert!(why.contains("refused"), "the cause is what an operator needs: {why}");
}

#[tokio::test]
async fn r069_tls_is_not_spoken_in_plain() {
    let server = Issuer::of(&[&OLD]);
    let wired = Wired::to(server.url(JWKS).replace("http:", "https:"));
    assert_eq!(wired.fate(&OLD.token()).await, Fate::Unavailable);
    assert_eq!((server.connections(), server.requests()), (1, 0), "nothing is asked before the handshake");
}

#[tokio::test]
async fn r049_no_token_says_where_keys_are() {
    let server = Issuer::of(&[&OLD]);
    let trap = Issuer::of(&[&STRANGER]);
    let wired = Wired::to(server.url(JWKS));
    let url = Some(trap.url(JWKS));
    for header in [
        jsonwebtoken::Header { jku: url.clone(), ..STRANGER.header() },
        jsonwebtoken::Header { x5u: url.clone(), ..STRANGER.header() },
        jsonwebtoken::Header { jku: url.clone(), x5u: url.clone(), kid: url.clone(), ..STRANGER.header() },
    ] {
        assert_eq!(wired.fate(&STRANGER.sign(&header, ISSUER)).await, Fate::UnknownKey);
        // A good token may say so too, and nobody asks there.
        let header = jsonwebtoken::Header { kid: Some(OLD.id.to_owned()), ..header };
        assert_eq!(wired.fate(&OLD.sign(&header, ISSUER)).await, Fate::Good);
        wired.hand.advance(COOLDOWN);
    }
    assert_eq!(wired.fate(&STRANGER.sign(&STRANGER.header(), &trap.url("/"))).await, Fate::UnknownKey);
    // What another issuer is said to have signed is no reason to ask either.
    assert_eq!((trap.connections(), server.requests()), (0, 3));
}
