//! What the log says of a token, or of an issuer: whose, which, and where.

use jsonwebtoken::Header;
use tower_auth::{
    BearerLayer, Clock, TokenVerifier,
    jwks::JwksClient,
    token::{KeySet, KeySource, TokenError, TokenVerifierBuilder},
};

use crate::{
    key_sets::{
        COOLDOWN, Desk, FRESH, OLD, STRANGER,
        server::{Act, Issuer, JWKS, nobody},
        source::Does,
    },
    no_leak::Logs,
    tokens::{
        NOW, Told, judged,
        mint::{AUDIENCE, ISSUER, Object, claims, jwks, key},
        present, stack_of, strict,
    },
};

fn sealed(header: &Object, claims: &Object) -> String {
    key("rs256").seal(header, claims)
}

fn header() -> Object {
    key("rs256").header()
}

/// What the service learns of a token, and the client does not.
async fn told(builder: TokenVerifierBuilder, token: &str) -> Told {
    let tokens = builder.build().unwrap();
    let told = present(&stack_of(BearerLayer::new(tokens.clone())), token).await;
    if let Err(error) = tokens.verify(token, &Clock::from(&crate::tokens::hand())).await {
        assert_eq!(Some(tokens.explain(token, &error)), told.cause, "who asks the verifier itself learns the same");
    }
    told
}

#[tokio::test]
async fn p84_a_cause_names_what_came_and_what_was_expected() {
    let ours = "https://issuer.test/";
    for (name, header, claims, cause) in [
        (
            "another issuer",
            header(),
            claims(NOW).text("iss", "https://other.test/"),
            r#"the token's issuer is "https://other.test/", and the verifier expects "https://issuer.test/""#
                .to_owned(),
        ),
        (
            "no slash",
            header(),
            claims(NOW).text("iss", "https://issuer.test"),
            format!(
                r#"the token's issuer is "https://issuer.test", and the verifier expects "{ours}": they differ in the last slash"#
            ),
        ),
        (
            "no issuer",
            header(),
            claims(NOW).without("iss"),
            format!(r#"the token has no iss that is a string, and the verifier expects "{ours}""#),
        ),
        (
            "another audience",
            header(),
            claims(NOW).text("aud", "billing"),
            r#"the token's audience is "billing", and the verifier expects "freddy""#.to_owned(),
        ),
        (
            "many audiences",
            header(),
            claims(NOW).raw("aud", r#"["a","b","c","d","e","f"]"#),
            r#"the token's audience is "a", "b", "c", "d" and 2 more, and the verifier expects "freddy""#.to_owned(),
        ),
        (
            "no audience",
            header(),
            claims(NOW).without("aud"),
            r#"the token has no audience (aud), and the verifier expects "freddy""#.to_owned(),
        ),
        (
            "another type",
            header().text("typ", "JWT"),
            claims(NOW),
            r#"the token's typ is "JWT", and the verifier expects "at+jwt" (TokenVerifierBuilder::typ)"#.to_owned(),
        ),
        (
            "no type",
            header().without("typ"),
            claims(NOW),
            r#"the token has no typ, and the verifier expects "at+jwt" (TokenVerifierBuilder::allow_missing_typ)"#
                .to_owned(),
        ),
        (
            "an unknown key",
            header().text("kid", "2019"),
            claims(NOW),
            format!(
                r#"no key of the issuer "{ours}" has the kid "2019" and the algorithm RS256; its keys: "rs256" (RS256), "es256" (ES256)"#
            ),
        ),
        (
            "an unknown key, and another issuer",
            header().text("kid", "2019"),
            claims(NOW).text("iss", "https://issuer.test"),
            format!(
                r#"the token's issuer is "https://issuer.test", and the verifier expects "{ours}": they differ in the last slash"#
            ),
        ),
        ("expired", header(), claims(NOW).raw("exp", 7), format!(r#"the token is expired (the issuer is "{ours}")"#)),
    ] {
        let set = || KeySet::from_json(jwks(&["rs256", "es256"]).as_bytes()).unwrap();
        let builder = TokenVerifier::key_set(ISSUER, set()).audience(AUDIENCE);
        let told = told(builder, &sealed(&header, &claims)).await;
        assert_eq!(told.cause.as_deref(), Some(&*cause), "{name}");
        // Without the trace id, whose random digits may be any.
        let mut body = told.body.clone();
        body["error"].as_object_mut().unwrap().remove("trace_id").unwrap();
        let shown = format!("{body} {:?}", told.challenges);
        assert!(
            !["expects", "billing", "2019", "issuer.test", "JWT\""].iter().any(|part| shown.contains(part)),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn p84_a_slash_too_many_is_told_too_and_before_any_key_is_there() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    for _ in 0..2 {
        let token = OLD.sign(&OLD.header(), "https://id.example.com");
        let error = desk.tokens.verify(&token, &desk.clock()).await.unwrap_err();
        assert_eq!(
            desk.tokens.explain(&token, &error),
            "the token's issuer is \"https://id.example.com\", and the verifier expects \"https://id.example.com/\": \
             they differ in the last slash"
        );
        desk.fate(&OLD).await;
    }
    let set = KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap();
    let builder = TokenVerifier::key_set("https://issuer.test", set).audience(AUDIENCE);
    let told = told(builder, &key("rs256").token(NOW)).await;
    assert!(
        told.cause.unwrap().ends_with("the verifier expects \"https://issuer.test\": they differ in the last slash")
    );
}

#[tokio::test]
async fn p84_among_several_issuers_all_are_named() {
    let set = || KeySet::from_json(jwks(&["rs256"]).as_bytes()).unwrap();
    let other = TokenVerifier::key_set("https://staff.test", set()).audience(AUDIENCE).build().unwrap();
    let stack = stack_of(BearerLayer::new(strict().build().unwrap()).or(other));
    for (issuer, cause) in [
        (
            "https://third.test/",
            "the token's issuer is \"https://third.test/\", and the verifiers are for \"https://issuer.test/\", \
             \"https://staff.test\"",
        ),
        (
            "https://staff.test/",
            "the token's issuer is \"https://staff.test/\", and the verifier expects \"https://staff.test\": they differ in the \
             last slash",
        ),
    ] {
        let told = present(&stack, &sealed(&header(), &claims(NOW).text("iss", issuer))).await;
        told.assert_invalid();
        assert_eq!(told.cause.as_deref(), Some(cause));
    }
    let told = present(&stack, "a.b.c").await;
    told.assert_invalid();
    assert!(told.cause.unwrap().starts_with("the token's issuer cannot be read"));
}

#[tokio::test]
async fn p84_what_stands_in_a_token_is_escaped_and_cut() {
    let long = "x".repeat(2_000);
    let odd = "\u{1b}[31m\r\nlevel=error \u{202e}\u{0}\"";
    for value in [&*long, odd] {
        for (header, claims) in [
            (header().text("kid", &value[..value.len().min(250)]), claims(NOW)),
            (header().text("typ", value), claims(NOW)),
            (header(), claims(NOW).text("iss", value)),
            (header(), claims(NOW).text("aud", value)),
            (header(), claims(NOW).raw("aud", serde_json::json!(vec![value; 3]))),
        ] {
            let token = sealed(&header, &claims);
            let logs = Logs::capture();
            let cause = told(strict(), &token).await.cause.unwrap();
            assert!(cause.len() < 600 && !cause.contains(|c: char| c.is_control() || c == '\u{202e}'), "{cause}");
            let signature = token.rsplit('.').next().unwrap();
            for secret in [&*token, signature, &signature[..40]] {
                assert!(!cause.contains(secret) && !logs.text().contains(secret), "{cause}");
            }
            assert!(!logs.text().contains('\u{1b}') && !logs.text().contains("\nlevel=error"), "{}", logs.text());
        }
    }
}

#[tokio::test]
async fn p84_a_fetch_that_fails_names_the_issuer_and_the_address() {
    let server = Issuer::start();
    let refused = format!("http://{}{JWKS}", nobody());
    let hanging = Act::Forever(Vec::new(), Vec::new(), std::time::Duration::from_millis(20));
    let html = Act::answer("200 OK", &["content-type: text/html"], b"<html>");
    for (act, url, why) in [
        (Act::answer("500 Internal Server Error", &[], b""), server.url(JWKS), "the answer is 500"),
        (html, server.url(JWKS), "Content-Type is \"text/html\""),
        (Act::json(b"{}"), server.url(JWKS), "no list"),
        (hanging, server.url(JWKS), "no answer within 300ms"),
        (Act::json(b""), refused, "refused"),
    ] {
        server.serve(JWKS, act);
        let client = JwksClient::new(&*url).insecure_http();
        let builder = TokenVerifier::source(crate::key_sets::ISSUER, client).audience(crate::key_sets::AUDIENCE);
        let tokens = builder.fetch_timeout(std::time::Duration::from_millis(300)).build().unwrap();
        let logs = Logs::capture();
        let error = tokens.verify(&OLD.token(), &Clock::system()).await.unwrap_err();
        let cause = tokens.explain(&OLD.token(), &error);
        for said in [cause, error.to_string()] {
            assert!(said.contains(&url) && said.contains(why), "{said}");
            assert!(!said.contains("redirect"), "{said}");
        }
        let warning = logs.text();
        let warning =
            warning.lines().find(|line| line.contains("could not be fetched")).unwrap_or_else(|| panic!("{warning}"));
        assert!(warning.contains("https://id.example.com/") && warning.contains(&url), "{warning}");
    }
    let moved = Act::answer("302 Found", &["location: https://user:hunter2@login.example.com/"], b"");
    server.serve(JWKS, moved);
    let client = JwksClient::new(server.url(JWKS)).insecure_http();
    let why = client.fetch().await.unwrap_err();
    let why = format!("{why}: {}", why.source().unwrap());
    assert!(
        why.contains("302") && why.contains("login.example.com") && why.contains("redirects are not followed"),
        "{why}"
    );
    assert!(!why.contains("hunter2"), "{why}");
}

#[tokio::test]
async fn p84_no_password_and_no_query_of_an_address_is_shown() {
    let url = format!("http://user:hunter2@{}{JWKS}?token=hunter3", nobody());
    let client = JwksClient::new(&*url).insecure_http();
    let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
    let logs = Logs::capture();
    let outcome = judged(
        TokenVerifier::source(ISSUER, JwksClient::new(&*url).insecure_http()).audience(AUDIENCE),
        &key("rs256").token(NOW),
    )
    .await;
    assert!(matches!(outcome, Err(TokenError::Unavailable(_))), "{outcome:?}");
    let refused = TokenVerifier::jwks(ISSUER, url).audience(AUDIENCE).build().unwrap_err();
    let all = format!("{outcome:?} {:?} {refused} {refused:?} {} {tokens:?}", tokens.health(), logs.text());
    assert!(!all.contains("hunter2"), "{all}");
    assert!(!format!("{outcome:?} {}", logs.text()).contains("hunter3"), "{all}");
}

#[test]
fn p84_plain_http_is_told_how_it_could_be_allowed() {
    for url in ["http://localhost:8080/jwks.json", "http://id.internal/jwks.json"] {
        for built in [
            TokenVerifier::jwks(ISSUER, url).audience(AUDIENCE).build(),
            TokenVerifier::source(ISSUER, JwksClient::new(url)).audience(AUDIENCE).build(),
            TokenVerifier::discover(url).audience(AUDIENCE).build(),
        ] {
            let error = built.unwrap_err().to_string();
            assert!(
                error.contains(url) && error.contains("insecure_http()") && error.contains("http and not with https"),
                "{error}"
            );
        }
    }
    let other = TokenVerifier::jwks(ISSUER, "ftp://id.internal/").audience(AUDIENCE).build().unwrap_err().to_string();
    assert!(!other.contains("insecure_http"), "{other}");
}

#[tokio::test]
async fn p84_the_signature_that_does_not_hold_is_told_of_which_key() {
    let desk = Desk::new(Does::publish(&[&OLD]));
    let forged = STRANGER.sign(&OLD.header(), crate::key_sets::ISSUER);
    let error = desk.tokens.verify(&forged, &desk.clock()).await.unwrap_err();
    let said = desk.tokens.explain(&forged, &error);
    assert!(said.contains("\"old\"") && said.contains("https://id.example.com/"), "{said}");
    let nameless = STRANGER.sign(&Header { kid: None, ..OLD.header() }, crate::key_sets::ISSUER);
    let error = desk.tokens.verify(&nameless, &desk.clock()).await.unwrap_err();
    assert!(desk.tokens.explain(&nameless, &error).contains("no kid"));
    desk.source.now(Does::Fail("down"));
    desk.later(FRESH.max(COOLDOWN));
    let error = desk.tokens.verify(&STRANGER.token(), &desk.clock()).await.unwrap_err();
    let said = desk.tokens.explain(&STRANGER.token(), &error);
    assert_eq!(said, "the keys of the issuer \"https://id.example.com/\" could not be fetched: down");
}
