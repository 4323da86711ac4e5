//! The client of an introspection endpoint, on a real socket: how it says who asks, and what it makes of answers.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes as Body, extract::State, http::HeaderMap, response::Response, routing::post};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::Value;
use tower_auth::{
    Clock, ConfigError, Health, Secret, TokenVerifier,
    jwks::IntrospectionClient,
    token::{Algorithm, Introspector as _, SigningKey, TokenError},
};

use super::{AUDIENCE, ISSUER, active, hand, verdict, word};
use crate::{
    no_leak::Logs,
    support::{server::PATIENCE, sockets},
};

const SECRET: &str = "Vq7xZ2mW9kLr4Tj6";
const TOKEN: &str = "Hy5Kw8Qz3Xn1Bd7Rf0";

/// What an endpoint has been asked.
#[derive(Clone, Debug)]
struct Question {
    headers: HeaderMap,
    form: Vec<(String, String)>,
}

impl Question {
    fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.form.iter().filter(|(other, _)| other == name);
        let value = all.next().map(|(_, value)| &**value);
        assert!(all.next().is_none(), "{name} occurs twice");
        value
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What it answers: the status, the headers, and the body.
type Answer = (u16, Vec<(&'static str, String)>, String);

#[derive(Clone)]
struct Endpoint {
    asked: Arc<Mutex<Vec<Question>>>,
    answer: Arc<Mutex<Answer>>,
    slow: Arc<Mutex<Option<Duration>>>,
}

async fn answer(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Body) -> Response {
    let form = form_urlencoded::parse(&body).into_owned().collect();
    endpoint.asked.lock().unwrap().push(Question { headers, form });
    let slow = *endpoint.slow.lock().unwrap();
    if let Some(slow) = slow {
        tokio::time::sleep(slow).await;
    }
    let (status, headers, body) = endpoint.answer.lock().unwrap().clone();
    let response = Response::builder().status(status);
    let response = headers.into_iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(body.into()).unwrap()
}

fn json(body: impl Into<String>) -> Answer {
    (200, vec![("content-type", "application/json".to_owned())], body.into())
}

/// An endpoint on a socket that answers that all tokens are good.
struct Served {
    endpoint: Endpoint,
    running: sockets::Running,
}

impl Served {
    async fn start() -> Self {
        let answer_ = Arc::new(Mutex::new(json(active().to_string())));
        let endpoint = Endpoint { asked: Arc::default(), answer: answer_, slow: Arc::default() };
        let app = Router::new().route("/introspect", post(answer)).with_state(endpoint.clone());
        Self { running: sockets::axum(app).await, endpoint }
    }

    fn client(&self) -> IntrospectionClient {
        IntrospectionClient::new(format!("http://{}/introspect", self.running.address)).insecure_http()
    }

    fn says(&self, answer: Answer) {
        *self.endpoint.answer.lock().unwrap() = answer;
    }

    fn last(&self) -> Question {
        self.endpoint.asked.lock().unwrap().pop().unwrap()
    }

    fn asked(&self) -> usize {
        self.endpoint.asked.lock().unwrap().len()
    }
}

fn verifier(client: IntrospectionClient) -> TokenVerifier {
    let builder = TokenVerifier::introspect(ISSUER, client).audience(AUDIENCE);
    builder.introspection_ttl(Duration::ZERO).fetch_timeout(PATIENCE).build().unwrap()
}

async fn fate(tokens: &TokenVerifier) -> Result<&'static str, String> {
    match verdict(tokens.verify(TOKEN, &Clock::from(&hand()))).await {
        Err(TokenError::Unavailable(why)) => Err(why.to_string()),
        other => Ok(word(&other)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_question_is_a_form() {
    let served = Served::start().await;
    let client = served.client().client_secret_basic("my service:1", &Secret::new(format!("{SECRET}/+ä")));
    assert_eq!(fate(&verifier(client.user_agent("test/1"))).await, Ok("good"));
    let question = served.last();
    assert_eq!(question.form.len(), 2);
    assert_eq!((question.get("token"), question.get("token_type_hint")), (Some(TOKEN), Some("access_token")));
    assert_eq!(question.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!((question.header("accept"), question.header("user-agent")), (Some("application/json"), Some("test/1")));
    // Form-encoded first, then joined by the colon (RFC 6749, section 2.3.1).
    let basic = STANDARD.encode(format!("my+service%3A1:{SECRET}%2F%2B%C3%A4"));
    assert_eq!(question.header("authorization"), Some(&*format!("Basic {basic}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_may_be_in_the_form_or_be_a_token_or_nothing() {
    let served = Served::start().await;
    let secret = Secret::new(SECRET);
    assert_eq!(fate(&verifier(served.client().client_secret_post("my-service", &secret))).await, Ok("good"));
    let posted = served.last();
    assert_eq!((posted.get("client_id"), posted.get("client_secret")), (Some("my-service"), Some(SECRET)));
    assert_eq!(posted.header("authorization"), None);
    assert_eq!(fate(&verifier(served.client().bearer(&secret))).await, Ok("good"));
    assert_eq!(served.last().header("authorization"), Some(&*format!("Bearer {SECRET}")));
    assert_eq!(fate(&verifier(served.client().without_identity())).await, Ok("good"));
    let nobody = served.last();
    assert_eq!((nobody.form.len(), nobody.header("authorization")), (2, None));
}

/// The assertion is checked as a server checks it: with the public key alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_may_say_who_asks() {
    let served = Served::start().await;
    for algorithm in [Algorithm::Es256, Algorithm::Ed25519] {
        let key = SigningKey::generate(algorithm).unwrap();
        let url = format!("http://{}/introspect", served.running.address);
        for (audience, client) in [
            (url, served.client().private_key_jwt("my-service", key.clone())),
            (ISSUER.to_owned(), served.client().private_key_jwt("my-service", key.clone()).assertion_audience(ISSUER)),
        ] {
            let tokens = verifier(client);
            assert_eq!((fate(&tokens).await, fate(&tokens).await), (Ok("good"), Ok("good")));
            let (second, first) = (served.last(), served.last());
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            assert_eq!((first.get("client_id"), first.get("client_assertion_type")), (Some("my-service"), Some(kind)));
            let assertion = first.get("client_assertion").unwrap();
            let reader = TokenVerifier::keys("my-service", [key.verifying_key()]).audience(&audience).typ(["JWT"]);
            let claims = verdict(reader.build().unwrap().verify(assertion, &Clock::system())).await.unwrap();
            assert_eq!(claims.principal().subject(), "my-service");
            let lifetime = claims.expires_at().duration_since(claims.issued_at().unwrap()).unwrap();
            assert_eq!(lifetime, Duration::from_secs(60));
            let header: Value =
                serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap()).unwrap();
            assert_eq!(header["kid"], key.id());
            assert_eq!(header["alg"], if algorithm == Algorithm::Es256 { "ES256" } else { "EdDSA" });
            // Each question has an assertion of its own.
            assert_ne!(second.get("client_assertion"), Some(assertion));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_none_is_an_outage() {
    let served = Served::start().await;
    let tokens = verifier(served.client().without_identity());
    let place = format!("http://{}/introspect", served.running.address);
    let of = |media: &str| vec![("content-type", media.to_owned())];
    for (answer, expected) in [
        (json(active().to_string()), Ok("good")),
        (json(r#"{"active":false}"#), Ok("inactive")),
        ((200, of("application/json; charset=utf-8"), active().to_string()), Ok("good")),
        ((200, of("text/html"), active().to_string()), Err("its Content-Type is \"text/html\"")),
        ((200, vec![], active().to_string()), Err("its Content-Type is missing")),
        // A signed answer (RFC 9701) was not asked for.
        ((200, of("application/token-introspection+jwt"), "a.b.c".to_owned()), Err("Content-Type")),
        ((201, of("application/json"), active().to_string()), Err("201 Created")),
        ((204, vec![], String::new()), Err("204 No Content")),
        ((302, vec![("location", "/introspect".to_owned())], String::new()), Err("redirects are not followed")),
        ((307, vec![("location", "/introspect".to_owned())], String::new()), Err("redirects are not followed")),
        ((400, of("application/json"), r#"{"error":"invalid_request"}"#.to_owned()), Err("400 Bad Request")),
        ((404, vec![], String::new()), Err("404 Not Found")),
        ((500, of("application/json"), active().to_string()), Err("500 Internal Server Error")),
        ((503, vec![], String::new()), Err("503 Service Unavailable")),
        (json("{"), Err("not a JSON object")),
        (json(format!("{{\"active\":true,\"x\":\"{}\"}}", "y".repeat(100_000))), Err("more than 65536 bytes")),
        (json(format!("{{\"active\":true,\"x\":\"{}\"}}", "y".repeat(1_000_000))), Err("length limit exceeded")),
    ] {
        served.says(answer.clone());
        let before = served.asked();
        match (fate(&tokens).await, expected) {
            (Err(why), Err(part)) => assert!(why.contains(part) && why.starts_with(&place), "{why}"),
            (told, expected) => assert_eq!(told, expected.map_err(str::to_owned), "{} {:?}", answer.0, answer.1),
        }
        assert_eq!(served.asked(), before + 1, "asked once, and no redirect followed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_server_and_no_server_are_outages() {
    let served = Served::start().await;
    *served.endpoint.slow.lock().unwrap() = Some(PATIENCE);
    let builder = |client| TokenVerifier::introspect(ISSUER, client).audience(AUDIENCE);
    let slow = builder(served.client().without_identity()).fetch_timeout(Duration::from_millis(100)).build().unwrap();
    let why = fate(&slow).await.unwrap_err();
    assert!(why.contains("did not answer within 100 ms"), "{why}");
    let nobody = format!("http://{}/introspect", crate::key_sets::server::nobody());
    let nobody = builder(IntrospectionClient::new(nobody).insecure_http().without_identity()).build().unwrap();
    let why = fate(&nobody).await.unwrap_err();
    assert!(why.to_lowercase().contains("connect"), "{why}");
}

/// The client of the request has done nothing wrong, and the operator has to do something: 503, and an error in the log.
#[tokio::test]
async fn a_server_that_does_not_know_this_service_is_said_as_an_error_once() {
    let logs = Logs::capture();
    let served = Served::start().await;
    let tokens = verifier(served.client().client_secret_basic("my-service", &Secret::new(SECRET)));
    for status in [401, 403, 401] {
        served.says((status, vec![("content-type", "application/json".to_owned())], active().to_string()));
        let why = fate(&tokens).await.unwrap_err();
        assert!(why.contains("does not accept the identity of this service"), "{why}");
    }
    let count =
        || logs.text().lines().filter(|line| line.contains("ERROR") && line.contains("correct the client id")).count();
    assert_eq!(count(), 1, "{}", logs.text());
    served.says(json(active().to_string()));
    assert_eq!(fate(&tokens).await, Ok("good"));
    served.says((401, vec![], String::new()));
    assert!(fate(&tokens).await.is_err());
    assert_eq!(count(), 2, "{}", logs.text());
}

#[tokio::test]
async fn no_secret_and_no_token_is_shown() {
    let logs = Logs::capture();
    let served = Served::start().await;
    let secret = Secret::new(SECRET);
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut told = String::new();
    for client in [
        served.client().client_secret_basic("my-service", &secret),
        served.client().client_secret_post("my-service", &secret),
        served.client().bearer(&secret),
        served.client().private_key_jwt("my-service", key),
    ] {
        write!(told, "{client:?} {client:#?} {:?}", client.location()).unwrap();
        let tokens = verifier(client);
        write!(told, "{tokens:?} {:?}", tokens.health()).unwrap();
        for answer in
            [json(active().to_string()), json("{"), (401, vec![], TOKEN.to_owned()), (500, vec![], String::new())]
        {
            served.says(answer);
            let outcome = verdict(tokens.verify(TOKEN, &Clock::from(&hand()))).await;
            if let Err(error) = &outcome {
                told += &tokens.explain(TOKEN, error);
            }
            write!(told, "{outcome:?} {:?}", tokens.health()).unwrap();
        }
    }
    told += &logs.text();
    assert!(told.contains("ERROR") && told.contains("cannot be introspected"), "{told}");
    let encoded = STANDARD.encode(format!("my-service:{SECRET}"));
    for secret in [SECRET, TOKEN, &*encoded] {
        for at in 0..=secret.len() - 6 {
            assert!(!told.contains(&secret[at..at + 6]), "{} is in {told}", &secret[at..at + 6]);
        }
    }
}

/// Any tower service sends the question; here one without a network.
#[tokio::test]
async fn another_client_may_send_the_question() {
    let service = tower::service_fn(|request: http::Request<http_body_util::Full<bytes::Bytes>>| async move {
        assert_eq!((request.method(), request.uri().path()), (&http::Method::POST, "/introspect"));
        let response = http::Response::builder().header("content-type", "application/json");
        Ok::<_, std::convert::Infallible>(
            response.body(http_body_util::Full::<bytes::Bytes>::from(active().to_string())).unwrap(),
        )
    });
    let client = IntrospectionClient::new("https://id.example.com/introspect").without_identity();
    assert_eq!(fate(&verifier(client.with_service(service))).await, Ok("good"));
}

#[test]
fn the_built_in_client_needs_a_runtime_and_says_so() {
    let client = IntrospectionClient::new("https://id.example.com/introspect").without_identity();
    let mut asked = client.introspect(TOKEN);
    let answer = crate::key_sets::at_once(&mut asked).unwrap().unwrap_err();
    let why = answer.to_string();
    assert!(why.contains("needs a tokio runtime"), "{why}");
}

#[test]
fn a_client_that_cannot_be_is_said_when_it_is_built() {
    let client = |url: &str| IntrospectionClient::new(url);
    let good = || client("https://id.example.com/introspect");
    let secret = || Secret::new(SECRET);
    let key = || SigningKey::generate(Algorithm::Es256).unwrap();
    for (client, expected) in [
        (good(), "does not say who asks"),
        (client("id.example.com").without_identity(), "does not start with https"),
        (client("http://id.example.com/").without_identity(), "starts with http and not with https"),
        (client("https://").without_identity(), "is not a URL"),
        (client("https://id.example.com:99999/").without_identity(), "has an invalid port"),
        (client("ftp://u:pass@id.example.com/").insecure_http().without_identity(), "does not start with https"),
        (good().client_secret_basic("", &secret()), "got no id"),
        (good().client_secret_basic("a", &secret()).bearer(&secret()), "two ways to say who asks"),
        (good().without_identity().client_secret_post("a", &secret()), "two ways to say who asks"),
        (good().bearer(&Secret::new("a\nb")), "no header can contain"),
        (good().without_identity().user_agent("a\nb"), "no header can contain"),
        (good().client_secret_basic("a", &secret()).assertion_audience("x"), "makes no assertions"),
    ] {
        let told: ConfigError = TokenVerifier::introspect(ISSUER, client).audience("a").build().unwrap_err();
        assert!(told.to_string().contains(expected), "{told}");
        assert!(!format!("{told} {told:?}").contains(SECRET) && !told.to_string().contains("pass"), "{told}");
    }
    for client in [
        good().client_secret_basic("a:b", &secret()),
        good().private_key_jwt("a", key()).assertion_audience("x"),
        client("http://[::1]:8080/introspect").insecure_http().without_identity(),
    ] {
        assert!(TokenVerifier::introspect(ISSUER, client).audience("a").build().is_ok());
    }
}

/// Any client can send a token that a server refuses to look at. This is no outage of the server.
#[tokio::test]
async fn a_token_that_the_server_refuses_to_look_at_is_no_outage() {
    let logs = Logs::capture();
    let served = Served::start().await;
    let tokens = verifier(served.client().without_identity());
    let refusal = |status| served.says((status, vec![], String::new()));
    let good = || served.says(json(active().to_string()));
    // Before its first answer, nothing says that it refuses only some tokens.
    refusal(400);
    assert!(fate(&tokens).await.is_err() && matches!(tokens.health(), Health::Degraded(_)));
    good();
    assert_eq!(fate(&tokens).await, Ok("good"));
    for status in [400, 413, 414, 422, 431] {
        refusal(status);
        let why = fate(&tokens).await.unwrap_err();
        assert!(why.contains(&format!("the answer is {status}")), "{why}");
        assert!(matches!(tokens.health(), Health::Good), "{status}");
        good();
        assert_eq!(fate(&tokens).await, Ok("good"));
    }
    let count = |what: &str| logs.text().lines().filter(|line| line.contains(what)).count();
    let said = || (count("tokens cannot be introspected"), count("tokens can be introspected again"));
    assert_eq!(said(), (1, 1), "{}", logs.text());
    // These are about the endpoint, this service or the server, and not about the token.
    for status in [401, 403, 404, 405, 429, 500, 503] {
        refusal(status);
        assert!(fate(&tokens).await.is_err() && matches!(tokens.health(), Health::Degraded(_)), "{status}");
        // An answer about one token does not end an outage either.
        refusal(400);
        assert!(fate(&tokens).await.is_err() && matches!(tokens.health(), Health::Degraded(_)), "{status}");
        good();
        assert_eq!(fate(&tokens).await, Ok("good"));
        assert!(matches!(tokens.health(), Health::Good), "{status}");
    }
    assert_eq!(said(), (8, 8), "{}", logs.text());
}
