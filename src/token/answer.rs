//! The answer of an authorization server about a token (RFC 7662, section 2.2), and what it makes of the token.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::{
    claims::Claims,
    error::TokenError,
    shown::{List, Shown},
    terms::{LIMITS, Terms},
};
use crate::{Principal, json};

/// Why a token is not accepted.
#[derive(Clone, Debug)]
pub(super) struct No {
    pub(super) error: TokenError,
    /// The holder that the answer names, if the token is active.
    pub(super) holder: Option<Principal>,
    /// What the answer says, for the log.
    pub(super) told: String,
}

impl No {
    pub(super) fn unavailable(why: String) -> Self {
        Self { told: why.clone(), error: TokenError::Unavailable(why.into()), holder: None }
    }

    fn of(error: TokenError, told: String) -> Self {
        Self { error, holder: None, told }
    }
}

/// How an answer is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// Whether an answer without `aud` is for this service.
    pub(super) for_this_service: bool,
    /// How long an answer without `exp` counts.
    pub(super) lasting: Duration,
}

/// Judges a token by the answer.
pub(super) fn judge(answer: &[u8], terms: &Terms, reading: Reading, now: SystemTime) -> Result<Claims, No> {
    let mut members: Map<String, Value> = json::from_slice(answer, &LIMITS).map_err(|error| {
        No::unavailable(format!("the answer is not a JSON object without duplicate names: {error}"))
    })?;
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(No::of(TokenError::Inactive, TokenError::Inactive.to_string())),
        // A text is no boolean: who reads `"false"` as true admits everybody.
        _ => return Err(No::unavailable("the answer has no `active` that is true or false".to_owned())),
    }
    if let Some((name, kind)) = other_kind(&members) {
        let told = format!("the token is active, and is no access token: its {name} is {}", Shown(kind));
        return Err(No::of(TokenError::WrongType, told));
    }
    let by_dpop =
        members.get("token_type").and_then(Value::as_str).is_some_and(|kind| kind.eq_ignore_ascii_case("dpop"));
    complete(&mut members, terms, reading, now);
    let claims = Value::Object(members).to_string();
    let judged = terms.judge(claims.as_bytes()).and_then(|claims| terms.in_time(claims, now));
    let judged = judged.and_then(|claims| if by_dpop { bound(claims, terms.ignores_binding) } else { Ok(claims) });
    judged.map_err(|error| {
        let told = explain(&error, claims.as_bytes(), terms);
        No { holder: terms.holder(claims.as_bytes()), told, error }
    })
}

/// Refuses a token that the server calls bound to a key without naming the key (RFC 9449, section 6.2): it would be accepted
/// from anybody.
fn bound(claims: Claims, ignores_binding: bool) -> Result<Claims, TokenError> {
    let named = claims.confirmation().is_some_and(|bound| bound.jkt().is_some());
    if named || ignores_binding {
        return Ok(claims);
    }
    Err(TokenError::Unproven("the token_type of the answer is DPoP, and the answer names no key (cnf with jkt)"))
}

/// Returns the member that says that the token is something else than an access token, such as a refresh token.
///
/// `token_type` is how the token is presented (RFC 6749, section 7.1); the others are not standardised.
fn other_kind(members: &Map<String, Value>) -> Option<(&'static str, &str)> {
    const PRESENTED: [&str; 4] = ["bearer", "dpop", "access_token", "urn:ietf:params:oauth:token-type:access_token"];
    const USED: [&str; 2] = ["access_token", "access"];
    const OTHERS: [&str; 7] = ["refresh", "offline", "id", "logout", "refresh_token", "id_token", "logout+jwt"];
    // A value of another type may say the same.
    let text = |name| members.get(name).filter(|kind| !kind.is_null()).map(|kind| kind.as_str().unwrap_or(NO_TEXT));
    let among = |list: &[&str], kind: &str| list.iter().any(|known| known.eq_ignore_ascii_case(kind));
    let presented = text("token_type").filter(|kind| !among(&PRESENTED, kind)).map(|kind| ("token_type", kind));
    let used = || text("token_use").filter(|kind| !among(&USED, kind)).map(|kind| ("token_use", kind));
    let other = || text("typ").filter(|kind| *kind == NO_TEXT || among(&OTHERS, kind)).map(|kind| ("typ", kind));
    presented.or_else(used).or_else(other)
}

/// Stands for a kind that is no string. No server names a kind so.
const NO_TEXT: &str = "(no string)";

/// Adds what an answer may leave out: only `active` is required.
fn complete(members: &mut Map<String, Value>, terms: &Terms, reading: Reading, now: SystemTime) {
    let mut add = |name: &str, value: Option<Value>| {
        let missing = members.get(name).is_none_or(Value::is_null);
        if let Some(value) = value.filter(|_| missing) {
            members.insert(name.to_owned(), value);
        }
    };
    // The name of a template is the iss of no token.
    add("iss", terms.issuers.first_exact().map(Value::from));
    add("aud", terms.audiences.first().filter(|_| reading.for_this_service).map(|ours| Value::from(&**ours)));
    // One second more, because the fraction is cut off. The cache forgets the answer before.
    let end = now.duration_since(UNIX_EPOCH).unwrap_or_default().saturating_add(reading.lasting).as_secs();
    add("exp", Some(Value::from(end.saturating_add(1))));
}

fn explain(error: &TokenError, claims: &[u8], terms: &Terms) -> String {
    let Ok(raw) = terms.read(claims) else { return error.to_string() };
    let ours = List(&terms.audiences);
    match error {
        TokenError::WrongIssuer => {
            let ours = Shown(terms.issuers.first());
            raw.issuer.as_deref().map_or_else(
                || format!("the answer has no iss, and the verifier expects {ours}, with a tenant"),
                |named| format!("the answer's iss is {}, and the verifier expects {ours}", Shown(named)),
            )
        }
        TokenError::WrongAudience => {
            let named: Vec<&str> = raw.audience.iter().collect();
            if named.is_empty() {
                format!(
                    "the answer has no audience (aud), and the verifier expects {ours} \
                     (TokenVerifierBuilder::allow_answers_without_audience, if the server answers only for this service)"
                )
            } else {
                format!("the answer's audience is {}, and the verifier expects {ours}", List(&named))
            }
        }
        _ => terms.explain(claims, error).unwrap_or_else(|| error.to_string()),
    }
}
