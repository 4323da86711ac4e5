//! What the requests for keys carry, and to whom.

use std::{fs, path::PathBuf};

use serde_json::json;
use tower_auth::{
    Clock, Secret, TokenVerifier,
    jwks::JwksClient,
    token::{KeySource as _, TokenError},
};

use super::{
    AUDIENCE, COOLDOWN, FRESH, Fate, NEW, OLD, STRANGER, Signer, noon,
    server::{Act, Issuer, JWKS},
    verdict,
};

const METADATA: &str = "/.well-known/openid-configuration";

/// A file of the test with this text.
fn file(name: &str, text: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    fs::write(&path, text).unwrap();
    path
}

/// Whether the last request to this path carried this line.
fn carried(server: &Issuer, path: &str, line: &str) -> bool {
    let heads = server.heads();
    let head = heads.iter().rfind(|head| head.split(' ').nth(1) == Some(path)).unwrap();
    head.to_ascii_lowercase().contains(&format!("\r\n{}\r\n", line.to_ascii_lowercase()))
}

#[tokio::test]
async fn headers_and_tokens_are_for_the_configured_server_alone() {
    let (home, other) = (Issuer::start(), Issuer::of(&[&OLD]));
    // The same address by another name: another host.
    let keys = other.url(JWKS).replace("127.0.0.1", "localhost");
    let issuer = home.url("");
    home.serve(METADATA, Act::json(json!({ "issuer": issuer, "jwks_uri": keys }).to_string().as_bytes()));
    let client = JwksClient::discover(&*issuer)
        .insecure_http()
        .jwks_host("localhost")
        .header("x-gateway-key", &Secret::new("key 1"))
        .header("x-gateway-key", &Secret::new("key 2"))
        .bearer_file(file("home", "a.b.c\n"))
        .user_agent("tests/1");
    assert!(!format!("{client:?}").contains("key 1"));
    let tokens = TokenVerifier::source(issuer.clone(), client).audience(AUDIENCE).build().unwrap();
    let token = OLD.sign(&OLD.header(), &issuer);
    assert!(verdict(tokens.verify(&token, &Clock::from(&noon()))).await.is_ok());
    for line in ["x-gateway-key: key 1", "x-gateway-key: key 2", "authorization: Bearer a.b.c"] {
        assert!(carried(&home, METADATA, line), "{line}: {:?}", home.heads());
        assert!(!carried(&other, JWKS, line), "{line}: {:?}", other.heads());
    }
    assert!(carried(&home, METADATA, "user-agent: tests/1") && carried(&other, JWKS, "user-agent: tests/1"));
}

#[tokio::test]
async fn a_file_with_a_token_is_read_for_each_fetch() {
    let server = Issuer::of(&[&OLD]);
    let path = file("rotated", "  first\n");
    let client = JwksClient::new(server.url(JWKS)).insecure_http().bearer_file(&path);
    let tokens = TokenVerifier::source(super::ISSUER, client).audience(AUDIENCE).build().unwrap();
    let hand = noon();
    let fate = async |signer: &Signer| Fate::from(&verdict(tokens.verify(&signer.token(), &Clock::from(&hand))).await);
    assert_eq!(fate(&OLD).await, Fate::Good);
    assert!(carried(&server, JWKS, "authorization: Bearer first"));
    fs::write(&path, "second").unwrap();
    server.serve(JWKS, Act::publish(&[&NEW]));
    hand.advance(FRESH);
    assert_eq!(fate(&NEW).await, Fate::Good);
    assert!(carried(&server, JWKS, "authorization: Bearer second"));
    // The file is gone: nobody asks without a token, and the reason names the file.
    fs::remove_file(&path).unwrap();
    hand.advance(COOLDOWN);
    let error = verdict(tokens.verify(&STRANGER.token(), &Clock::from(&hand))).await.unwrap_err();
    let TokenError::Unavailable(why) = error else { panic!("{error}") };
    assert!(why.contains("rotated-") && why.contains("cannot be read") && !why.contains("second"), "{why}");
    assert_eq!((server.requests(), fate(&NEW).await), (2, Fate::Good));
}

#[test]
fn what_no_request_can_carry_is_said_when_it_is_built() {
    let keys = || JwksClient::new("https://id.example.com/keys");
    let secret = |text: &str| Secret::new(text);
    let long = file("long", &"x".repeat(70_000));
    for (client, said) in [
        (keys().header("authorization", &secret("Basic x")), "bearer_file"),
        (keys().header("Host", &secret("x")), "sets by itself"),
        (keys().header("accept", &secret("x")), "sets by itself"),
        (keys().header("transfer-encoding", &secret("chunked")), "sets by itself"),
        (keys().header("a b", &secret("x")), "no header can contain"),
        (keys().header("x-key", &secret("a\r\nb: c")), "no header can contain"),
        (keys().bearer(&secret("a\nb")), "no header can contain"),
        (keys().bearer(&secret("a")).bearer(&secret("b")), "two tokens"),
        (keys().bearer(&secret("a")).bearer_file("/b"), "two tokens"),
        (keys().bearer_file("/no/such/file"), "cannot be read"),
        (keys().bearer_file(env!("CARGO_TARGET_TMPDIR")), "not a regular file"),
        (keys().bearer_file(file("empty", " \n")), "is empty"),
        (keys().bearer_file(file("lines", "a\nb")), "more than a token"),
        (keys().bearer_file(&long), "too long"),
    ] {
        let error = client.check_config().unwrap_err().to_string();
        assert!(error.contains(said), "{said}: {error}");
        assert!(!error.contains("xxxx"), "{error}");
    }
}

#[test]
fn root_certificates_are_not_for_a_service_of_the_caller() {
    use std::{convert::Infallible, future::ready};
    let service = || {
        tower::service_fn(|_: http::Request<http_body_util::Empty<bytes::Bytes>>| {
            ready(Ok::<_, Infallible>(http::Response::new(http_body_util::Full::<bytes::Bytes>::default())))
        })
    };
    let pem = super::super::tokens::mint::fixture!("rsa.crt.pem");
    let keys = || JwksClient::new("https://id.example.com/keys");
    assert!(keys().root_certificate_pem(pem).check_config().is_ok());
    for client in [
        keys().root_certificate_pem(pem).with_service(service()),
        keys().with_service(service()).root_certificate_pem(pem),
    ] {
        let error = client.check_config().unwrap_err().to_string();
        assert!(error.contains("would not use them"), "{error}");
    }
}
