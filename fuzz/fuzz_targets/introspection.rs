//! Reads any bytes as the answer of an authorization server about a token. A second reader with `serde_json` checks the verdict.
#![no_main]

use std::{
    cell::LazyCell,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower_auth::{
    BoxError, Clock, MaybeReady, TokenVerifier,
    token::{Introspector, TokenError},
};

const NOW: u64 = 1_700_000_000;
/// No part of an answer is likely to be the same.
const TOKEN: &str = "Zk3Qw8Vx1Jp7Yb5Hd";

thread_local! {
    static RUNTIME: LazyCell<Runtime> =
        LazyCell::new(|| Builder::new_current_thread().enable_time().build().unwrap());
}

struct Says(Bytes);

impl Introspector for Says {
    fn introspect(&self, _: &str) -> MaybeReady<Result<Bytes, BoxError>> {
        MaybeReady::ready(Ok(self.0.clone()))
    }
}

/// Returns whether the token may be accepted: what the manual page of `token` says about answers.
fn may_be_good(answer: &Value, without_audience: bool) -> bool {
    let member = |name: &str| answer.get(name).filter(|value| !value.is_null());
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    let among = |name: &str, list: &[&str]| {
        text(name).is_none_or(|kind| list.iter().any(|known| known.eq_ignore_ascii_case(kind)))
    };
    let audience = match member("aud") {
        None => without_audience,
        Some(Value::Array(all)) => all.iter().any(|one| one == "a"),
        Some(one) => one == "a",
    };
    #[expect(clippy::cast_precision_loss, reason = "it is exact")]
    let now = NOW as f64;
    answer.is_object()
        && answer.get("active") == Some(&Value::Bool(true))
        && member("iss").is_none_or(|issuer| issuer == "i")
        && audience
        && member("exp").is_none_or(|time| time.as_f64().is_some_and(|time| time > now))
        && member("nbf").is_none_or(|time| time.as_f64().is_some_and(|time| time <= now))
        && text("sub").is_some_and(|subject| !subject.trim().is_empty())
        && among("token_type", &["bearer", "dpop", "access_token", "urn:ietf:params:oauth:token-type:access_token"])
        && among("token_use", &["access_token", "access"])
}

fuzz_target!(|bytes: &[u8]| {
    let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let read: Option<Value> = serde_json::from_slice(bytes).ok();
    for without_audience in [false, true] {
        let builder = TokenVerifier::introspect("i", Says(Bytes::copy_from_slice(bytes))).audience("a");
        let builder = if without_audience { builder.allow_answers_without_audience() } else { builder };
        let tokens = builder.build().unwrap();
        let verify = || RUNTIME.with(|runtime| runtime.block_on(async { tokens.verify(TOKEN, &clock).await }));
        match verify() {
            Ok(claims) => {
                let read = read.as_ref().expect("an answer that is not JSON is accepted");
                assert!(may_be_good(read, without_audience), "accepted: {read}");
                assert_eq!(Some(claims.principal().subject()), read.get("sub").and_then(Value::as_str));
                assert!(verify().is_ok(), "the memory says something else");
            }
            Err(error) => {
                let inactive = read.as_ref().is_some_and(|read| read.get("active") == Some(&Value::Bool(false)));
                assert!(!matches!(error, TokenError::Inactive) || inactive, "inactive by no word of the answer");
                assert!(!format!("{error} {error:?} {}", tokens.explain(TOKEN, &error)).contains(TOKEN));
                let again = verify().expect_err("the memory says something else");
                assert_eq!(again.to_string(), error.to_string());
            }
        }
    }
});
