//! Verifies any claims with settings of every form, and compares the verdict with a second reader that uses `serde_json`.
#![no_main]

#[path = "parts/sign.rs"]
mod sign;

use std::{
    collections::{BTreeSet, HashSet},
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tower_auth::{
    Clock, Secret, TokenVerifier,
    json::{self, JsonLimits},
    token::{Algorithm, ClaimSource, Claims, TokenError, VerifyingKey},
};

use self::sign::sign;

const SECRET: &str = "a secret of the fuzzer and of nobody else, of 64 bytes ==========";
const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3600;

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new(SECRET)).unwrap();
    TokenVerifier::keys("i", [key])
        .audience("a")
        .client("azp", ["app", "web"])
        .audience_or_client()
        .subject_from("sub")
        .subject_from(ClaimSource::new("name").prefix("service:"))
        .scopes_from("scope")
        .scopes_from(ClaimSource::new("/o/per").comma_separated().prefix("o:"))
        .scopes_from("roles")
        .roles_from("roles")
        .roles_from(ClaimSource::new("/o/roles").member_names().prefix("o:"))
        .roles_from(ClaimSource::path(["o", "a/b"]).name_if_true().ignore_other_types())
        .roles_from(ClaimSource::new("groups").space_separated().ignore_other_types())
        .organizations_from(ClaimSource::new("o").member_names().ignore_other_types())
        .require_claim("/o/v", [1])
        .forbid_claim("sts", ["pending"])
        .max_age(Duration::from_secs(HOUR))
        .max_lifetime(Duration::from_secs(2 * HOUR))
        .build()
        .unwrap()
});

/// What a token says, or the kind of its error.
type Reading = Result<Who, &'static str>;

#[derive(Debug, PartialEq)]
struct Who {
    subject: String,
    scopes: Vec<String>,
    roles: Vec<String>,
    organizations: Vec<String>,
    client: Option<String>,
}

fn verdict(bytes: &[u8]) -> Reading {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"at+jwt"}"#);
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(bytes));
    let signature = sign(Algorithm::Hs256, SECRET.as_bytes(), signed.as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    let clock = Clock::from_fn(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW));
    let outcome = match pin!(VERIFIER.verify(&token, &clock)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("the future is pending, although it has nothing to wait for"),
    };
    outcome.map(|claims| who(&claims)).map_err(|error| {
        let told = VERIFIER.explain(&token, &error);
        assert!(told.len() < 4000 && !told.chars().any(char::is_control), "{told:?}");
        kind(&error)
    })
}

fn who(claims: &Claims) -> Who {
    let who = claims.principal();
    Who {
        subject: who.subject().to_owned(),
        // Values of one claim alone may be repeated.
        scopes: once(who.scopes().iter().cloned()),
        roles: once(who.roles().iter().cloned()),
        organizations: who.organizations().to_vec(),
        client: claims.client_id().map(str::to_owned),
    }
}

fn kind(error: &TokenError) -> &'static str {
    match error {
        TokenError::Malformed(_) => "malformed",
        TokenError::WrongIssuer => "issuer",
        TokenError::WrongAudience => "audience",
        TokenError::WrongClient => "client",
        TokenError::WrongClaim(_) => "claim",
        TokenError::BadClaim(_) => "bad",
        TokenError::NotYetValid => "early",
        TokenError::Expired => "expired",
        TokenError::TooOld => "old",
        other => panic!("these settings cannot cause this error: {other}"),
    }
}

/// The second reader: the claims from one document, by the manual page.
struct Second(Map<String, Value>);

impl Second {
    /// A claim that is there and not `null`.
    fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    fn inner(&self, name: &str) -> Option<&Value> {
        self.get("o")?.as_object()?.get(name).filter(|value| !value.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&str>, &'static str> {
        self.get(name).map(|value| value.as_str().ok_or("malformed")).transpose()
    }

    fn texts(value: Option<&Value>) -> Result<Vec<&str>, &'static str> {
        match value {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text]),
            Some(Value::Array(all)) => all.iter().map(|one| one.as_str().ok_or("malformed")).collect(),
            Some(_) => Err("malformed"),
        }
    }

    fn date(&self, name: &str) -> Result<Option<Duration>, &'static str> {
        const LARGEST: u64 = 1 << 53;
        // A date that is `null` is no date.
        let date = |value: &Value| match (value.as_u64(), value.as_f64()) {
            (Some(whole), _) if whole <= LARGEST => Some(Duration::from_secs(whole)),
            (None, Some(part)) if part <= LARGEST as f64 => Duration::try_from_secs_f64(part).ok(),
            _ => None,
        };
        self.0.get(name).map(|value| date(value).ok_or("malformed")).transpose()
    }

    fn scopes(&self) -> Result<Vec<String>, &'static str> {
        let words = |texts: Vec<&str>| -> Vec<String> {
            texts.iter().flat_map(|text| text.split(' ')).map(str::to_owned).collect()
        };
        let mut all = words(Self::texts(self.get("scope"))?);
        for text in Self::texts(self.inner("per"))? {
            for part in text.split(',').map(|part| part.trim_matches(' ')).filter(|part| !part.is_empty()) {
                if part.contains(' ') {
                    return Err("malformed");
                }
                if !part.trim().is_empty() {
                    all.push(format!("o:{part}"));
                }
            }
        }
        all.extend(words(Self::texts(self.get("roles"))?));
        Ok(once(all.into_iter().filter(|scope| !scope.is_empty())))
    }

    fn names(object: &Value) -> Option<BTreeSet<String>> {
        let granted = |value: &Value| !value.is_null() && *value != Value::Bool(false);
        let members = object.as_object()?.iter().filter(|(_, value)| granted(value));
        Some(members.map(|(name, _)| name.clone()).collect())
    }

    fn roles(&self) -> Result<Vec<String>, &'static str> {
        let mut all: Vec<String> = Self::texts(self.get("roles"))?.iter().map(|role| (*role).to_owned()).collect();
        let mut names = BTreeSet::new();
        match self.inner("roles") {
            None => {}
            Some(Value::Array(objects)) => {
                for object in objects {
                    names.extend(Self::names(object).ok_or("malformed")?);
                }
            }
            Some(other) => names.extend(Self::names(other).ok_or("malformed")?),
        }
        all.extend(names.iter().filter(|name| !name.trim().is_empty()).map(|name| format!("o:{name}")));
        if self.inner("a/b") == Some(&Value::Bool(true)) {
            all.push("a/b".to_owned());
        }
        let groups: Vec<&str> = match self.get("groups") {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        all.extend(groups.iter().flat_map(|text| text.split(' ')).filter(|part| !part.is_empty()).map(str::to_owned));
        Ok(all)
    }

    fn organizations(&self) -> Vec<String> {
        let mut names = BTreeSet::new();
        match self.get("o") {
            Some(Value::Array(objects)) => objects.iter().filter_map(Self::names).for_each(|more| names.extend(more)),
            Some(other) => names.extend(Self::names(other).unwrap_or_default()),
            None => {}
        }
        names.into_iter().collect()
    }

    fn read(&self) -> Reading {
        let (expires, starts, issued) = (self.date("exp")?, self.date("nbf")?, self.date("iat")?);
        let (issuer, audience) = (self.text("iss")?, Self::texts(self.get("aud"))?);
        let (sub, name, azp) = (self.text("sub")?, self.text("name")?, self.text("azp")?);
        let (scopes, roles) = (self.scopes()?, self.roles()?);
        if issuer != Some("i") {
            return Err("issuer");
        }
        if !audience.is_empty() && !audience.contains(&"a") {
            return Err("audience");
        }
        if audience.is_empty() && !matches!(azp, Some("app" | "web")) {
            return Err("client");
        }
        let expires = expires.ok_or("bad")?;
        if self.inner("v").and_then(Value::as_i64) != Some(1) {
            return Err("claim");
        }
        if self.get("sts").is_some_and(|sts| sts.as_str().is_none_or(|text| text == "pending")) {
            return Err("claim");
        }
        let issued = issued.ok_or("bad")?;
        if expires.saturating_sub(issued) > Duration::from_secs(2 * HOUR) {
            return Err("bad");
        }
        let full = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(str::to_owned);
        let subject = full(sub).or_else(|| full(name).map(|name| format!("service:{name}"))).ok_or("bad")?;
        let now = Duration::from_secs(NOW);
        if now >= expires {
            return Err("expired");
        }
        if starts.is_some_and(|start| start > now) {
            return Err("early");
        }
        if now.saturating_sub(issued) >= Duration::from_secs(HOUR) {
            return Err("old");
        }
        if issued.saturating_sub(now) > Duration::from_secs(60) {
            return Err("bad");
        }
        let client = azp.or_else(|| self.get("client_id").and_then(Value::as_str)).map(str::to_owned);
        Ok(Who { subject, scopes, roles: once(roles.into_iter()), organizations: self.organizations(), client })
    }
}

fn once(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = HashSet::new();
    all.filter(|one| seen.insert(one.clone())).collect()
}

/// Whether a name is one that `serde_json` reserves.
fn is_reserved(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, value)| name.starts_with("$serde_json::private::") || is_reserved(value))
        }
        Value::Array(all) => all.iter().any(is_reserved),
        _ => false,
    }
}

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > 4096 {
        return;
    }
    let verdict = verdict(bytes);
    if json::check(bytes, &JsonLimits::new().max_depth(32)).is_err() {
        assert_eq!(verdict, Err("malformed"));
        return;
    }
    let value: Value = serde_json::from_slice(bytes).unwrap();
    if is_reserved(&value) {
        return;
    }
    let Value::Object(claims) = value else { return assert_eq!(verdict, Err("malformed")) };
    assert_eq!(verdict, Second(claims).read());
});
