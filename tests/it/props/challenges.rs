use http::{HeaderValue, header};
use proptest::{collection::vec, prelude::*};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthFuture, AuthLayer, AuthOutcome, Authenticator, Challenge, RequestHead};

use super::cases;
use crate::support::{get, ok};

/// One challenge read back: its scheme, and its parameters in their order.
#[derive(Debug, PartialEq)]
struct Read {
    scheme: String,
    params: Vec<(String, String)>,
}

/// Reads `scheme name="value", name="value"` as RFC 9110, section 11.6.1 writes it, and nothing else.
fn read(text: &str) -> Option<Read> {
    let (scheme, mut rest) = token_at_start(text)?;
    let mut params = Vec::new();
    while !rest.is_empty() {
        rest = rest.strip_prefix(if params.is_empty() { " " } else { ", " })?;
        let (name, behind) = token_at_start(rest)?;
        let mut characters = behind.strip_prefix("=\"")?.chars();
        let mut value = String::new();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => value.push(characters.next()?),
                c => value.push(c),
            }
        }
        params.push((name, value));
        rest = characters.as_str();
    }
    Some(Read { scheme, params })
}

/// A token is not empty.
fn token_at_start(text: &str) -> Option<(String, &str)> {
    let token: String = text.chars().take_while(|c| in_token(*c)).collect();
    if token.is_empty() { None } else { Some((token.clone(), &text[token.len()..])) }
}

fn in_token(c: char) -> bool {
    c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c)
}

fn token(text: &str) -> String {
    text.chars().filter(|c| in_token(*c)).collect()
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c == ' ' || c.is_ascii_graphic() { c } else { '?' }).collect()
}

fn challenge(scheme: &str, params: &[(String, String)]) -> Challenge {
    params.iter().fold(Challenge::new(scheme), |challenge, (name, value)| challenge.param(name, value))
}

/// Any text, with the characters that matter more often than chance gives them.
fn text() -> impl Strategy<Value = String> {
    vec(
        prop_oneof![any::<char>(), prop::sample::select("aZ0-\\\"\"\\,;= \t\r\n\0é\u{7f}".chars().collect::<Vec<_>>())],
        0..12,
    )
    .prop_map(|characters| characters.into_iter().collect())
}

/// Mostly with a letter in it, sometimes with nothing that may stand in a name.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        2 => (text(), "[a-cA-C]", text()).prop_map(|(before, letter, behind)| format!("{before}{letter}{behind}")),
        1 => text(),
    ]
}

proptest! {
    #![proptest_config(cases(1_000))]

    #[test]
    fn a_challenge_reads_back_as_it_was_put_together(
        scheme in name(),
        params in vec((name(), text()), 0..5),
    ) {
        let challenge = challenge(&scheme, &params);
        let mut expected: Vec<(String, String)> = Vec::new();
        for (name, value) in &params {
            let name = token(name);
            if !name.is_empty() && !expected.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                expected.push((name, printable(value)));
            }
        }
        prop_assert!(HeaderValue::from_str(challenge.as_str()).is_ok());
        let scheme = Some(token(&scheme)).filter(|scheme| !scheme.is_empty()).unwrap_or("Unknown".to_owned());
        prop_assert_eq!(read(challenge.as_str()), Some(Read { scheme, params: expected }));
    }

    /// A method of somebody else's may offer anything: the 401 that is made of it stands all the same.
    #[test]
    fn a_method_may_offer_any_text(offer in text()) {
        struct Offers(String);

        impl Authenticator for Offers {
            fn authenticate(&self, _: &RequestHead<'_>) -> AuthFuture {
                AuthFuture::ready(AuthOutcome::NoCredential)
            }

            fn challenge(&self) -> &str {
                &self.0
            }
        }

        let layer = AuthLayer::first(Offers(offer.clone()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let response = runtime.block_on(layer.layer(ok()).oneshot(get("/", &[]))).unwrap();
        let told = response.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        let fallback = "Bearer realm=\"api\"";
        prop_assert_eq!(told, if offer.is_empty() { fallback.to_owned() } else { printable(&offer) });
    }
}
