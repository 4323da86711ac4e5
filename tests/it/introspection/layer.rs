//! Introspection behind a `BearerLayer`: which token is asked about, and what the client is told.

use std::sync::Arc;

use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{
    ApiKeyLayer, AuthEndpoints, AuthLayer, AuthStack, BearerLayer, ClientIp, KeyFormat, KeyRecord, KeyScheme,
    MemoryKeyStore, PeerAddr, Peppers, Principal, Quota, RateLimitLayer, RequestExt as _, Rules, Secret, TokenVerifier,
    jwks::IntrospectionClient,
    permission::{authenticated, scope},
    session::{
        Grant, Sessions, TokenIssuer, TokenRequest,
        signing::{SigningKeys, SigningPolicy},
    },
    token::Tenants,
};

use super::{AUDIENCE, Server, active, hand, with};
use crate::{
    no_leak::Logs,
    support::{Body, KEY, get, sockets, store, strict, text},
    tokens::{self, INVALID, NOW, ask, mint, present, stack_of},
};

fn introspecting(server: &Server) -> TokenVerifier {
    server.builder().build().unwrap()
}

/// A stack, and whom it admits by the token: or the code of the refusal.
async fn who(stack: &AuthStack, token: &str) -> String {
    let service =
        strict(|request: Request<Body>| Response::new(Body::from(request.principal().unwrap().subject().to_owned())));
    let request = get("/", &[("authorization", &format!("Bearer {token}"))]);
    let response = stack.layer(service).oneshot(request).await.unwrap();
    let (status, told) = (response.status().as_u16(), text(response).await);
    if status == 200 {
        return told;
    }
    let body: Value = serde_json::from_str(&told).unwrap();
    format!("{status} {}", body["error"]["code"].as_str().unwrap())
}

#[tokio::test]
async fn a_refusal_has_the_status_that_the_token_deserves() {
    let server = Server::default();
    let stack = stack_of(BearerLayer::new(introspecting(&server)));
    for (token, answer, fate) in [
        ("good", active().to_string(), "ann"),
        ("late", with(&json!({ "exp": NOW })), "401 TOKEN_EXPIRED"),
        ("wrong", with(&json!({ "aud": "x" })), "401 TOKEN_INVALID"),
        ("odd", r#"{"active":"true"}"#.to_owned(), "503 SERVICE_UNAVAILABLE"),
    ] {
        server.says(token, answer);
        assert_eq!(who(&stack, token).await, fate, "{token}");
    }
    present(&stack, "unknown").await.assert(401, "TOKEN_INVALID", &[INVALID]);
    server.fails(Some("down"));
    let request = get("/", &[("authorization", "Bearer another")]);
    let response = stack.layer(crate::support::ok()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after") && !response.headers().contains_key("www-authenticate"));
}

/// Tokens with a signature are checked here, and all others by the server, also those of an issuer that nobody here knows.
#[tokio::test]
async fn only_a_token_that_no_other_verifier_has_is_asked_about() {
    let signed = || tokens::strict().build().unwrap();
    let server = Server::default();
    let key = mint::key("es256");
    let jwt = key.token(NOW);
    let foreign = key.seal(key.header(), mint::claims(NOW).text("iss", "https://other.test/"));
    // The same issuer as that of the signed tokens: it issues both kinds.
    let same = || {
        let builder = TokenVerifier::introspect(mint::ISSUER, server.clone());
        builder.audience(AUDIENCE).build().unwrap()
    };
    server.says("opaque", with(&json!({ "iss": null })));
    server.says(&foreign, with(&json!({ "iss": null, "sub": "guest" })));
    for layer in [
        BearerLayer::new(introspecting(&server)).or(signed()),
        BearerLayer::new(signed()).or(introspecting(&server)),
        BearerLayer::new(signed()).or(same()),
        BearerLayer::new(same()).or(signed()),
    ] {
        let stack = stack_of(layer);
        server.asked();
        assert_eq!((who(&stack, &jwt).await, server.asked()), ("user_1".to_owned(), 0));
        // A bad signature is not forgiven by the server.
        server.says(&format!("{jwt}x"), active().to_string());
        assert_eq!((who(&stack, &format!("{jwt}x")).await, server.asked()), ("401 TOKEN_INVALID".to_owned(), 0));
        assert_eq!((who(&stack, "opaque").await, server.asked()), ("ann".to_owned(), 1));
        assert_eq!((who(&stack, &foreign).await, server.asked()), ("guest".to_owned(), 1));
        assert_eq!((who(&stack, "a.b.c").await, server.asked()), ("401 TOKEN_INVALID".to_owned(), 1));
    }
}

#[tokio::test]
async fn two_that_ask_are_said_when_it_is_built() {
    let (one, other) = (Server::default(), Server::default());
    let other = TokenVerifier::introspect("https://other.test/", other).audience("a").build().unwrap();
    let two = BearerLayer::new(introspecting(&one)).or(other);
    let told = AuthStack::builder().auth(two).build().unwrap_err().to_string();
    assert!(told.contains("two verifiers that introspect"), "{told}");
}

/// A key in the same header never leaves the service.
#[tokio::test]
async fn the_server_sees_no_api_key() {
    let server = Server::default();
    server.says("opaque", active().to_string());
    let (scheme, store) = store(KeyRecord::new("key_1", "acme"));
    let keys = ApiKeyLayer::new(scheme, store).bearer();
    let stack = stack_of(AuthLayer::first(BearerLayer::new(introspecting(&server))).then(keys));
    let asked = |fate: String| (fate, server.asked());
    assert_eq!(asked(who(&stack, KEY).await).1, 0);
    assert_eq!(asked(who(&stack, &format!("{}0", &KEY[..KEY.len() - 1])).await), ("401 INVALID_API_KEY".to_owned(), 0));
    assert_eq!(asked(who(&stack, "opaque").await), ("ann".to_owned(), 1));
    assert_eq!(asked(who(&stack, "else").await), ("401 TOKEN_INVALID".to_owned(), 1));
}

/// A route whose requests are authenticated without a cache asks again.
#[tokio::test]
async fn a_fresh_route_asks_again() {
    let server = Server::default();
    server.says("t", active().to_string());
    let rules = Rules::new().fresh("GET /payouts").require("GET /**", authenticated());
    let auth = || BearerLayer::new(introspecting(&server));
    let stack = AuthStack::builder().auth(auth()).rules(rules).clock(&hand()).build().unwrap();
    let always = stack_of(auth().fresh());
    let get = |path| get(path, &[("authorization", "Bearer t")]);
    for (path, asked) in [("/a", 1), ("/a", 0), ("/payouts", 1), ("/payouts", 1), ("/a", 0)] {
        assert_eq!((ask(&stack, get(path)).await.status, server.asked()), (200, asked), "{path}");
    }
    for asked in [1, 1] {
        assert_eq!((ask(&always, get("/a")).await.status, server.asked()), (200, asked));
    }
}

/// The budget of an address is asked before the server: who has guessed too often makes no more questions.
#[tokio::test]
async fn a_spent_budget_asks_nothing() {
    let server = Server::default();
    server.says("good", active().to_string());
    let budget = RateLimitLayer::failures(Quota::per_hour(3), ClientIp::peer());
    let auth = BearerLayer::new(introspecting(&server));
    let stack = AuthStack::builder().auth(auth).limit(budget).clock(&hand()).build().unwrap();
    let request = |token: &str| {
        let mut request = get("/", &[("authorization", &format!("Bearer {token}"))]);
        request.extensions_mut().insert(PeerAddr([192, 0, 2, 1].into()));
        request
    };
    assert_eq!((ask(&stack, request("good")).await.status, server.asked()), (200, 1));
    for at in 0..3 {
        assert_eq!((ask(&stack, request(&format!("guess-{at}"))).await.status, server.asked()), (401, 1));
    }
    for at in 3..9 {
        assert_eq!((ask(&stack, request(&format!("guess-{at}"))).await.status, server.asked()), (429, 0));
    }
    // Who is remembered needs no question, and so no budget.
    assert_eq!((ask(&stack, request("good")).await.status, server.asked()), (200, 0));
}

/// This crate's own authorization server, asked by this crate over a socket: from the log-in to the log-out.
#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_of_this_crate_answer() {
    let keys = MemoryKeyStore::new();
    let scheme = KeyScheme::ephemeral(KeyFormat::prefixed("ak", 40).unwrap());
    let record = KeyRecord::new("gateway", "ops").scopes(["inspect"]);
    let secret = keys.create(&scheme, record).unwrap();
    let signing = SigningKeys::in_memory(SigningPolicy::default(), &hand()).unwrap();
    let issuer = TokenIssuer::new("https://id.test", signing).unwrap().audience(AUDIENCE);
    let sessions = Sessions::builder(issuer, keys.clone(), &Peppers::ephemeral().unwrap()).build().unwrap();
    let endpoints =
        AuthEndpoints::new(sessions.clone()).keys(ApiKeyLayer::new(scheme, keys)).introspection(scope("inspect"));
    let router = axum::Router::new().nest_service("/auth", endpoints);
    let running = sockets::axum(router).await;
    let client = |secret: &Secret| {
        IntrospectionClient::new(format!("http://{}/auth/introspect", running.address))
            .insecure_http()
            .client_secret_basic("gateway", secret)
    };
    let stack = |secret: &Secret| {
        let tokens = TokenVerifier::introspect("https://id.test", client(secret)).audience(AUDIENCE);
        let tokens = tokens.introspection_ttl(std::time::Duration::ZERO).build().unwrap();
        stack_of(BearerLayer::new(tokens))
    };
    let grant = Grant::of(&Principal::builder("alice").scopes(["read"]).build()).client("web");
    let session = sessions.begin(grant, &TokenRequest::new()).await.unwrap();
    let refresh = session.refresh_token.as_ref().unwrap();
    let good = stack(&secret);
    assert_eq!(who(&good, session.access_token.expose()).await, "alice");
    assert_eq!(who(&good, refresh.expose()).await, "401 TOKEN_INVALID");
    assert_eq!(who(&good, "made-up").await, "401 TOKEN_INVALID");
    // Our secret is wrong, and not the client's token.
    assert_eq!(who(&stack(&Secret::new("ak_wrong")), session.access_token.expose()).await, "503 SERVICE_UNAVAILABLE");
    sessions.log_out(refresh.expose()).await.unwrap();
    assert_eq!(who(&good, session.access_token.expose()).await, "401 TOKEN_INVALID");
}

/// A service in front that is cloned for each request shares the answers.
#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_of_clones_are_one_question() {
    let server = Server::default();
    server.says("t", active().to_string());
    let gate = server.shut();
    let stack = Arc::new(stack_of(BearerLayer::new(introspecting(&server))));
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let stack = Arc::clone(&stack);
            tokio::spawn(async move { who(&stack.as_ref().clone(), "t").await })
        })
        .collect();
    server.until(1).await;
    gate.add_permits(1);
    for request in requests {
        assert_eq!(request.await.unwrap(), "ann");
    }
    assert_eq!(server.asked(), 1);
}

/// The name of a template is the iss of no answer, so a log that shows it as that of the answer misleads.
#[tokio::test]
async fn the_log_says_that_an_answer_has_no_issuer() {
    let logs = Logs::capture();
    let server = Server::default();
    let builder = TokenVerifier::introspect("https://id.example.com/{tenantid}/v2.0", server.clone());
    let stack = stack_of(BearerLayer::new(builder.audience(AUDIENCE).tenants(Tenants::any()).build().unwrap()));
    let acme = json!({ "iss": "https://id.example.com/acme/v2.0", "tid": "acme" });
    server.says("a-good-token", with(&acme));
    present(&stack, "a-good-token").await.assert_accepted();
    for (token, iss, said, unsaid) in [
        ("a-first-token", json!(null), "the answer has no iss, and the verifier expects", "the answer's iss"),
        ("a-second-token", json!("https://other.test/"), "the answer's iss is", "has no iss"),
    ] {
        let before = logs.text().len();
        server.says(token, with(&json!({ "iss": iss, "tid": "acme" })));
        present(&stack, token).await.assert_invalid();
        let log = logs.text().split_off(before);
        assert!(log.contains(said) && log.contains("/{tenantid}/v2.0") && !log.contains(unsaid), "{log}");
    }
}
