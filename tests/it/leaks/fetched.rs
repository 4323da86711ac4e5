//! GitHub's keys, as they are fetched.

use std::{sync::Arc, time::Duration};

use tower_auth::{
    Secret,
    jwks::JwksClient,
    leaks::{GitHubKeys, ReportKeys as _},
    token::KeySource as _,
};

use super::{Desk, IDENTIFIER, ask, labels, post, published, report, signature, status};
use crate::{
    key_sets::{
        TICK, just_before,
        server::{Act, Issuer},
        source::{Does, Script},
    },
    tokens::mint,
};

const FRESH: Duration = Duration::from_secs(3600);
const COOLDOWN: Duration = Duration::from_secs(120);

fn document(keys: &[(&str, &str, bool)]) -> Does {
    Does::Answer(published(keys).into())
}

/// A desk whose keys come from a script, on the same clock.
fn desk(does: Does) -> (Desk, Arc<Script>) {
    let (source, mut desk) = (Script::new(does), Desk::new());
    let keys = GitHubKeys::source(Arc::clone(&source)).unwrap().clock(&desk.hand);
    desk.reports = tower_auth::leaks::LeakReports::new(desk.keys.clone(), desk.store.clone(), keys);
    (desk, source)
}

async fn by(desk: &Desk, identifier: &str) -> u16 {
    status(&desk.reports, post(identifier, &signature(mint::key("es256"), b"[]"), "[]")).await
}

#[tokio::test]
async fn keys_are_fetched_once_and_again_when_they_are_due() {
    let (desk, source) = desk(document(&[(IDENTIFIER, mint::P256, true)]));
    assert_eq!(source.fetches(), 0);
    for _ in 0..3 {
        assert_eq!(labels(&desk.reports, report([])).await, [false; 0]);
    }
    assert_eq!(source.fetches(), 1);
    desk.hand.advance(just_before(FRESH));
    assert_eq!((by(&desk, IDENTIFIER).await, source.fetches()), (200, 1));
    desk.hand.advance(TICK);
    assert_eq!((by(&desk, IDENTIFIER).await, source.fetches()), (200, 2));
}

#[tokio::test]
async fn an_unknown_key_is_fetched_at_a_bounded_pace() {
    let (desk, source) = desk(document(&[("old", mint::P256, true)]));
    assert_eq!((by(&desk, "old").await, source.fetches()), (200, 1));
    source.now(document(&[("old", mint::P256, false), ("new", mint::P256, true)]));
    for _ in 0..3 {
        assert_eq!((by(&desk, "new").await, source.fetches()), (401, 1));
    }
    desk.hand.advance(COOLDOWN);
    assert_eq!((by(&desk, "new").await, by(&desk, "old").await, source.fetches()), (200, 401, 2));
}

#[tokio::test]
async fn what_cannot_be_fetched_is_503_and_not_401() {
    let (desk, source) = desk(Does::Fail("GitHub is down"));
    assert_eq!(by(&desk, IDENTIFIER).await, 503);
    source.now(Does::Answer("<html>".into()));
    desk.hand.advance(COOLDOWN);
    assert_eq!(by(&desk, IDENTIFIER).await, 503);
    source.now(document(&[(IDENTIFIER, mint::P256, false)]));
    desk.hand.advance(COOLDOWN);
    let response = ask(&desk.reports, report([])).await;
    let why = tower_auth::Rejection::of(&response).unwrap().private_cause().unwrap().to_string();
    assert!(why.contains("none of its 1 keys is a current key"), "{why}");

    source.now(document(&[(IDENTIFIER, mint::P256, true)]));
    desk.hand.advance(COOLDOWN);
    assert_eq!(by(&desk, IDENTIFIER).await, 200);
    // The known keys stay in use for a day, and an unknown one may be new.
    source.now(Does::Fail("GitHub is down"));
    desk.hand.advance(FRESH);
    assert_eq!((by(&desk, IDENTIFIER).await, by(&desk, "new").await), (200, 503));
    desk.hand.advance(24 * FRESH);
    assert_eq!(by(&desk, IDENTIFIER).await, 503);
}

const PATH: &str = "/meta/public_keys/secret_scanning";

#[tokio::test]
async fn githubs_document_is_fetched_over_http() {
    let server = Issuer::start();
    server.serve(PATH, Act::json(&published(&[(IDENTIFIER, mint::P256, true)])));
    let client = JwksClient::new(server.url(PATH)).insecure_http().user_agent("acme/1.0").bearer(&Secret::new("t0ken"));
    let desk = Desk::signed_by(GitHubKeys::source(client).unwrap());
    let key = desk.create().await;
    assert_eq!(labels(&desk.reports, report([key.secret.expose()])).await, [true]);
    let head = server.heads().remove(0).to_ascii_lowercase();
    for line in ["user-agent: acme/1.0\r\n", "authorization: bearer t0ken\r\n", "application/json"] {
        assert!(head.contains(line), "{head}");
    }
    server.serve(PATH, Act::answer("403 Forbidden", &[], b"rate limit exceeded"));
    assert_eq!(status(&desk.reports, report([])).await, 200, "the keys are in memory");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn an_http_error_of_github_is_503() {
    let server = Issuer::start();
    server.serve(PATH, Act::answer("403 Forbidden", &["content-type: application/json"], b"{}"));
    let keys = GitHubKeys::source(JwksClient::new(server.url(PATH)).insecure_http()).unwrap();
    let why = keys.find(IDENTIFIER).await.unwrap_err().to_string();
    assert!(why.contains("403") && why.contains(PATH), "{why}");
    assert_eq!(status(&Desk::signed_by(keys).reports, report([])).await, 503);
}

#[test]
fn the_client_asks_github_and_says_who_it_is() {
    let client = GitHubKeys::client();
    assert_eq!(client.location().as_deref(), Some(GitHubKeys::URL));
    assert!(GitHubKeys::fetched().is_ok());
    let shown = format!("{:?}", client.bearer(&Secret::new("Zq7Xw9Vk3J")));
    assert!(!shown.contains("Zq7"), "{shown}");
}

#[test]
fn what_no_header_can_contain_is_said_at_the_start() {
    let wrong = |client: JwksClient| GitHubKeys::source(client).unwrap_err().to_string();
    let said = wrong(GitHubKeys::client().bearer(&Secret::new("Zq7Xw9\nVk3J")));
    assert!(said.contains("JwksClient::bearer") && !said.contains("Zq7"), "{said}");
    assert!(wrong(GitHubKeys::client().user_agent("a\nb")).contains("JwksClient::user_agent"));
    assert!(wrong(JwksClient::new("http://api.github.com/keys")).contains("http and not with https"));
}

/// The metadata of an issuer name another server for the keys, which gets no token.
#[tokio::test]
async fn a_token_goes_to_the_configured_server_only() {
    let (home, elsewhere) = (Issuer::start(), Issuer::start());
    let issuer = home.url("");
    let metadata =
        |keys: &Issuer| serde_json::json!({ "issuer": issuer, "jwks_uri": keys.url("/keys") }).to_string().into_bytes();
    for (server, sent) in [(&elsewhere, false), (&home, true)] {
        home.serve("/.well-known/openid-configuration", Act::json(&metadata(server)));
        server.serve("/keys", Act::json(b"{}"));
        let client = JwksClient::discover(&*issuer).insecure_http().bearer(&Secret::new("t0ken"));
        client.fetch().await.unwrap();
        let head = server.heads().pop().unwrap();
        assert!(head.starts_with("GET /keys "), "{head}");
        assert_eq!(head.contains("t0ken"), sent, "{head}");
    }
    assert!(home.heads()[0].contains("t0ken"));
}
