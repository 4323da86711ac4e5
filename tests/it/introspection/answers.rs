//! What an answer means: which members are needed, which must match, and which are not believed.

use serde_json::json;
use tower_auth::{
    AuthMethod, TokenVerifier,
    token::{Algorithm, Introspector, TokenError, VerifyingKey},
};

use super::{Desk, INACTIVE, NOW, Server, active, with};

#[tokio::test]
async fn an_answer_makes_a_principal() {
    let desk = Desk::new(|builder| builder.roles_from("/realm/roles").account_from("tenant").cache(8));
    desk.server
        .says("t", with(&json!({ "realm": { "roles": ["admin"] }, "tenant": "acme", "jti": "7", "acr": "gold" })));
    let claims = desk.verify("t").await.unwrap();
    let who = claims.principal();
    assert_eq!((who.subject(), who.method(), who.account()), ("ann", &AuthMethod::Token, Some("acme")));
    assert_eq!((who.issuer(), who.credential_id(), who.acr()), (Some(super::ISSUER), Some("7"), Some("gold")));
    assert!(who.has_scope("read") && who.has_scope("write") && who.has_role("admin"));
    assert_eq!(claims.client_id(), Some("app"));
    let seconds = claims.expires_at().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, NOW + 3600);
}

#[tokio::test]
async fn an_answer_is_believed_as_far_as_it_says_what_is_needed() {
    for (answer, fate) in [
        (active().to_string(), "good"),
        (INACTIVE.to_owned(), "inactive"),
        (with(&json!({ "active": false })), "inactive"),
        // Only a boolean says whether a token is active.
        (with(&json!({ "active": "true" })), "unavailable"),
        (with(&json!({ "active": "false" })), "unavailable"),
        (with(&json!({ "active": 1 })), "unavailable"),
        (with(&json!({ "active": null })), "unavailable"),
        (with(&json!({ "active": [true] })), "unavailable"),
        (r#"{"Active":true}"#.to_owned(), "unavailable"),
        // Which of two members counts is not the same for every reader.
        (r#"{"active":false,"active":true}"#.to_owned(), "unavailable"),
        (r#"{"active":true,"active":false}"#.to_owned(), "unavailable"),
        (active().to_string().replacen("\"sub\"", "\"sub\":\"bob\",\"sub\"", 1), "unavailable"),
        (active().to_string().replacen("\"sub\"", "\"s\\u0075b\":\"bob\",\"sub\"", 1), "unavailable"),
        (String::new(), "unavailable"),
        ("true".to_owned(), "unavailable"),
        ("[]".to_owned(), "unavailable"),
        (format!("[{}]", active()), "unavailable"),
        (format!("{} x", active()), "unavailable"),
        ("<html>".to_owned(), "unavailable"),
        (with(&json!({ "x": "y".repeat(70_000) })), "unavailable"),
        (with(&json!({ "x": "y".repeat(60_000) })), "good"),
        // The issuer may be left out, and must not be another.
        (with(&json!({ "iss": null })), "good"),
        (with(&json!({ "iss": "https://id.example.com" })), "issuer"),
        (with(&json!({ "iss": "" })), "issuer"),
        (with(&json!({ "iss": 7 })), "malformed"),
        // The audience is needed.
        (with(&json!({ "aud": null })), "audience"),
        (with(&json!({ "aud": [] })), "audience"),
        (with(&json!({ "aud": "https://other.example.com" })), "audience"),
        (with(&json!({ "aud": ["https://other.example.com", super::AUDIENCE] })), "good"),
        // Times are checked again, whatever the server says.
        (with(&json!({ "exp": null })), "good"),
        (with(&json!({ "exp": NOW })), "expired"),
        (with(&json!({ "exp": NOW + 1 })), "good"),
        (with(&json!({ "exp": NOW - 3600 })), "expired"),
        (with(&json!({ "exp": "4102444800" })), "malformed"),
        (with(&json!({ "nbf": NOW })), "good"),
        (with(&json!({ "nbf": NOW + 1 })), "early"),
        (with(&json!({ "sub": null })), "claim"),
        (with(&json!({ "sub": " " })), "claim"),
        // A refresh token is active too, and opens nothing.
        (with(&json!({ "token_type": null })), "good"),
        (with(&json!({ "token_type": "bearer" })), "good"),
        // Such a token is bound to a key, and a server that does not say to which one has it accepted from anybody.
        (with(&json!({ "token_type": "DPoP" })), "unproven"),
        (with(&json!({ "token_type": "DPoP", "cnf": { "jkt": "a" } })), "unproven"),
        (with(&json!({ "token_type": "access_token" })), "good"),
        (with(&json!({ "token_type": "refresh_token" })), "type"),
        (with(&json!({ "token_type": "N_A" })), "type"),
        (with(&json!({ "token_type": "" })), "type"),
        (with(&json!({ "token_use": "access_token" })), "good"),
        (with(&json!({ "token_use": "access" })), "good"),
        (with(&json!({ "token_use": "refresh_token" })), "type"),
        (with(&json!({ "token_use": "id" })), "type"),
        (with(&json!({ "token_type": ["refresh_token"] })), "type"),
        (with(&json!({ "token_type": { "refresh_token": true } })), "type"),
        (with(&json!({ "token_use": ["refresh_token"] })), "type"),
        (with(&json!({ "typ": ["Refresh"] })), "type"),
        (with(&json!({ "typ": 7 })), "type"),
        (with(&json!({ "typ": "Bearer" })), "good"),
        (with(&json!({ "typ": "at+jwt" })), "good"),
        (with(&json!({ "typ": "Refresh" })), "type"),
        (with(&json!({ "typ": "Offline" })), "type"),
        (with(&json!({ "typ": "ID" })), "type"),
    ] {
        let desk = Desk::new(|builder| builder);
        desk.server.says("t", &*answer);
        let shown: String = answer.chars().take(200).collect();
        assert_eq!(desk.fate("t").await, fate, "{shown}");
    }
}

#[tokio::test]
async fn an_audience_may_be_the_servers_business_by_name() {
    let desk = Desk::new(tower_auth::token::TokenVerifierBuilder::allow_answers_without_audience);
    for (token, aud, fate) in [
        ("a", json!(null), "good"),
        ("b", json!(super::AUDIENCE), "good"),
        ("c", json!("https://other.example.com"), "audience"),
        ("d", json!([]), "audience"),
    ] {
        desk.server.says(token, with(&json!({ "aud": aud })));
        assert_eq!(desk.fate(token).await, fate, "{aud}");
    }
}

#[tokio::test]
async fn a_token_that_no_server_can_know_is_not_asked_about() {
    let desk = Desk::new(|builder| builder.max_token_len(100));
    for token in ["", "a b", " a", "a\n", "größe", "a\u{7f}", &"x".repeat(101)] {
        assert_eq!(desk.fate(token).await, "malformed", "{token:?}");
    }
    assert_eq!(desk.server.asked(), 0);
    assert_eq!(desk.fate(&"x".repeat(100)).await, "inactive");
    assert_eq!(desk.server.asked(), 1);
}

#[tokio::test]
async fn a_refusal_is_explained_without_the_token() {
    let desk = Desk::new(|builder| builder);
    desk.server.says("sekret-1", with(&json!({ "aud": "https://other.example.com" })));
    let error = desk.verify("sekret-1").await.unwrap_err();
    let told = desk.tokens.explain("sekret-1", &error);
    assert!(told.contains("another audience") && told.contains("https://id.example.com/introspect"), "{told}");
    assert!(!told.contains("sekret"), "{told}");
    desk.server.fails(Some("no answer for sekret-2, sorry"));
    let error = desk.verify("sekret-2").await.unwrap_err();
    let TokenError::Unavailable(why) = &error else { panic!("{error:?}") };
    assert!(why.contains("https://id.example.com/introspect: no answer for …, sorry"), "{why}");
    assert!(!format!("{error:?} {error} {}", desk.tokens.explain("sekret-2", &error)).contains("sekret"));
}

struct Misconfigured;

impl Introspector for Misconfigured {
    fn introspect(&self, _: &str) -> tower_auth::MaybeReady<Result<bytes::Bytes, tower_auth::BoxError>> {
        tower_auth::MaybeReady::ready(Err("never".into()))
    }

    fn check_config(&self) -> Result<(), tower_auth::ConfigError> {
        Err(tower_auth::ConfigError::new("it has no address", "give it one"))
    }
}

#[test]
fn settings_that_cannot_be_are_said_when_it_is_built() {
    let fault = |builder: tower_auth::token::TokenVerifierBuilder| builder.build().unwrap_err().to_string();
    let server = || TokenVerifier::introspect(super::ISSUER, Server::default());
    let keys = || TokenVerifier::source(super::ISSUER, crate::tokens::Published(String::new())).audience("a");
    let secret = VerifyingKey::hmac_bytes(Algorithm::Hs256, &[7; 32]).unwrap();
    for (builder, expected) in [
        (server(), "no audience"),
        (server().audience("a").cache(0), "a size of zero"),
        (TokenVerifier::introspect("", Server::default()).audience("a"), "no issuer"),
        (TokenVerifier::introspect(super::ISSUER, Misconfigured).audience("a"), "it has no address"),
        (server().audience("a").require_header("signer", ["x"]), "TokenVerifierBuilder::require_header was called"),
        (server().audience("a").also_keys([secret]), "TokenVerifierBuilder::also_keys was called"),
        (server().audience("a").padded_base64(), "TokenVerifierBuilder::padded_base64 was called"),
        (server().audience("a").secret_keys_from_source(), "TokenVerifierBuilder::secret_keys_from_source was called"),
        (server().audience("a").spiffe_bundle(), "TokenVerifierBuilder::spiffe_bundle was called"),
        (server().audience("a").pem_map(Algorithm::Es256), "TokenVerifierBuilder::pem_map was called"),
        (keys().introspection_ttl(std::time::Duration::ZERO), "TokenVerifierBuilder::introspection_ttl was called"),
        (keys().allow_answers_without_audience(), "TokenVerifierBuilder::allow_answers_without_audience was called"),
    ] {
        let told = fault(builder);
        assert!(told.contains(expected), "{told}");
    }
}
