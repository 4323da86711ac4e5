//! The Freddy API with an issuer outside, whose keys it fetches.

use super::{
    AUDIENCE, ISSUER, NEW, OLD, STRANGER,
    server::{Act, Issuer, JWKS, nobody},
};
use crate::support::server::{Reply, Server};

fn freddy(jwks: &str) -> Server {
    Server::start("freddy", &["--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE])
}

fn models(server: &Server, token: &str) -> Reply {
    server.request("GET /v1/models", &[&format!("authorization: Bearer {token}")], "")
}

fn refused(reply: &Reply) -> (u16, String) {
    (reply.status, reply.code())
}

#[test]
fn r069_p26_freddy_takes_the_tokens_of_an_issuer_outside() {
    let issuer = Issuer::of(&[&OLD]);
    let server = freddy(&issuer.url(JWKS));
    assert_eq!(issuer.requests(), 1, "it has the keys before it says that it is ready");
    let me = server.request("GET /v1/me", &[&format!("authorization: Bearer {}", OLD.token())], "");
    assert_eq!((me.status, &me.json()["subject"]), (200, &"ann".into()));
    assert_eq!(models(&server, &OLD.token()).status, 200);
    assert_eq!(models(&server, server.demo("token")).status, 200, "its own are good too");
    assert_eq!(server.with_key("GET /v1/models", "read").status, 200);

    // The issuer goes over to another key at once: within the cooldown nobody asks for it.
    issuer.serve(JWKS, Act::publish(&[&NEW]));
    for signer in [&NEW, &STRANGER, &NEW] {
        assert_eq!(refused(&models(&server, &signer.token())), (401, "TOKEN_INVALID".to_owned()));
    }
    assert_eq!(models(&server, &OLD.token()).status, 200);
    assert_eq!(models(&server, &OLD.sign(&OLD.header(), "freddy")).status, 401, "a key is its issuer's alone");
    assert!(issuer.requests() <= 2, "{:?}", issuer.heads());
}

#[test]
fn r069_freddy_starts_without_the_issuer_and_serves_everybody_else() {
    let server = freddy(&format!("http://{}{JWKS}", nobody()));
    for _ in 0..2 {
        let reply = models(&server, &OLD.token());
        assert_eq!(refused(&reply), (503, "SERVICE_UNAVAILABLE".to_owned()));
        assert_eq!((reply.header("retry-after"), reply.header("www-authenticate")), (vec!["1"], vec![]));
    }
    assert_eq!(models(&server, server.demo("token")).status, 200);
    assert_eq!(server.with_key("GET /v1/models", "read").status, 200);
    assert_eq!(server.request("GET /health", &[], "").status, 200);
    for (token, code) in [(server.demo("expired_token"), "TOKEN_EXPIRED"), ("a.b.c", "TOKEN_INVALID")] {
        assert_eq!(refused(&models(&server, token)), (401, code.to_owned()));
    }
    let nobodys = OLD.sign(&OLD.header(), "https://evil.example.com/");
    assert_eq!(refused(&models(&server, &nobodys)), (401, "TOKEN_INVALID".to_owned()));
    let (_, _, log) = server.stop();
    assert!(log.contains("tokens of this issuer are answered 503") && log.contains(ISSUER), "{log}");
    assert!(log.contains("plain HTTP"), "{log}");
    assert!(!log.contains(&OLD.token()), "{log}");
}

#[test]
fn r069_freddy_starts_with_an_issuer_that_misbehaves() {
    let issuer = Issuer::start();
    issuer.serve(JWKS, Act::answer("500 Internal Server Error", &[], b"{}"));
    let server = freddy(&issuer.url(JWKS));
    assert_eq!(models(&server, &OLD.token()).status, 503);
    assert_eq!(models(&server, server.demo("token")).status, 200);
    assert!(issuer.requests() > 1, "it is tried again while it waits");
}
