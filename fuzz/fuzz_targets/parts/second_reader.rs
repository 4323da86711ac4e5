//! The expected verdict on a token, from the manual page of `token` and with `serde_json` as the reader.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value};
use tower_auth::{
    AuthMethod,
    json::{self, JsonLimits},
    token::{Algorithm, Claims, TokenError},
};

use crate::strict::Strict;

/// The time of every check, since 1970.
pub(crate) const NOW: Duration = Duration::from_secs(1_700_000_000);
pub(crate) const ISSUER: &str = "i";
const HEADER_DEPTH: usize = 8;
const CLAIMS_DEPTH: usize = 32;
const LONGEST_KID: usize = 256;
/// The most keys of its algorithm that are tried for a token without `kid`.
const MOST_TRIES: usize = 4;

/// The settings of a verifier.
pub(crate) struct Settings {
    pub(crate) audiences: &'static [&'static str],
    pub(crate) types: &'static [&'static str],
    pub(crate) missing_type: bool,
    pub(crate) leeway: Duration,
    pub(crate) longest: usize,
    pub(crate) subject: &'static str,
    pub(crate) scopes: &'static str,
    pub(crate) roles: Option<&'static str>,
    pub(crate) organizations: Option<&'static str>,
    pub(crate) account: Option<&'static str>,
    pub(crate) plan: Option<&'static str>,
    /// Whether the profile of RFC 9068 is on.
    pub(crate) profile: bool,
    /// Whether claims are also read into a type of the service.
    pub(crate) own: bool,
    pub(crate) keys: &'static [(Option<&'static str>, Algorithm)],
    /// The places of the keys that sign.
    pub(crate) signers: &'static [usize],
}

/// Why a token is refused, in the order of the manual page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Malformed,
    UnknownKey,
    BadSignature,
    /// The signature is good, but the claims cannot be read.
    Unreadable,
    WrongType,
    WrongIssuer,
    WrongAudience,
    BadClaim,
    Expired,
    NotYetValid,
}

impl Fault {
    /// Returns whether this error may be reported for a token with an unverified signature.
    pub(crate) fn is_unsigned(self) -> bool {
        matches!(self, Self::Malformed | Self::UnknownKey | Self::BadSignature)
    }

    pub(crate) fn of(error: &TokenError) -> Self {
        match error {
            TokenError::Malformed(what) if what.contains("claims") => Self::Unreadable,
            TokenError::Malformed(_) => Self::Malformed,
            TokenError::UnknownKey => Self::UnknownKey,
            TokenError::BadSignature => Self::BadSignature,
            TokenError::WrongType => Self::WrongType,
            TokenError::WrongIssuer => Self::WrongIssuer,
            TokenError::WrongAudience => Self::WrongAudience,
            TokenError::BadClaim(_) => Self::BadClaim,
            TokenError::NotYetValid => Self::NotYetValid,
            TokenError::Expired => Self::Expired,
            other => panic!("fixed keys cannot cause this error: {other}"),
        }
    }
}

/// The claims as the second reader reads them.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    subject: String,
    account: Option<String>,
    organizations: Vec<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    plan: Option<String>,
    id: Option<String>,
    own: Option<Value>,
    pub(crate) expires: Duration,
    pub(crate) not_before: Option<Duration>,
    issued: Option<Duration>,
    /// Whether there is a claim `cnf`, whatever it says.
    bound: bool,
}

impl Reading {
    pub(crate) fn of(claims: &Claims) -> Self {
        let who = claims.principal();
        assert_eq!(who.method(), &AuthMethod::Token);
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Self {
            subject: who.subject().to_owned(),
            account: who.account().map(str::to_owned),
            organizations: who.organizations().to_vec(),
            scopes: who.scopes().to_vec(),
            roles: who.roles().to_vec(),
            plan: who.plan().map(str::to_owned),
            id: who.credential_id().map(str::to_owned),
            own: who.claims::<Value>().cloned(),
            expires: since(claims.expires_at()),
            not_before: claims.not_before().map(since),
            issued: claims.issued_at().map(since),
            bound: claims.confirmation().is_some(),
        }
    }
}

/// Reads an object without duplicate names, if this crate's reader accepts it. Asserts that `serde_json` accepts it too.
fn object(bytes: &[u8], deepest: usize) -> Option<Map<String, Value>> {
    json::check(bytes, &JsonLimits::new().max_depth(deepest)).ok()?;
    serde_json::from_slice::<Strict>(bytes).expect("serde_json refuses this");
    let value: Value = serde_json::from_slice(bytes).unwrap();
    assert!(depth(&value) <= deepest, "deeper than {deepest}");
    match value {
        // Names that `serde_json` reserves are refused.
        Value::Object(members) if !members.keys().any(|name| name.starts_with("$serde_json::private::")) => {
            Some(members)
        }
        _ => None,
    }
}

/// Returns the depth of nested arrays and objects.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(elements) => 1 + elements.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn text(value: &Value) -> Result<Option<String>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        _ => Err(Fault::Unreadable),
    }
}

fn texts(value: &Value) -> Result<Vec<String>, Fault> {
    match value {
        Value::Array(all) => all.iter().map(|one| one.as_str().map(str::to_owned).ok_or(Fault::Unreadable)).collect(),
        one => Ok(text(one)?.into_iter().collect()),
    }
}

/// Reads seconds since 1970, up to the largest whole number that is exact in a double.
#[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
fn date(value: &Value) -> Result<Duration, Fault> {
    const LARGEST: u64 = 1 << 53;
    let whole = value.as_u64().filter(|seconds| *seconds <= LARGEST).map(Duration::from_secs);
    let date = whole.or_else(|| {
        let seconds = value.as_f64().filter(|_| value.is_f64())?;
        Duration::try_from_secs_f64(seconds).ok().filter(|_| seconds <= LARGEST as f64)
    });
    date.ok_or(Fault::Unreadable)
}

/// Reads the named claim, if present.
fn claim<T>(
    claims: &Map<String, Value>,
    name: Option<&str>,
    read: impl FnOnce(&Value) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    name.and_then(|name| claims.get(name)).map(read).transpose()
}

impl Settings {
    /// Returns the expected verdict on a token with this header and these claims, signed with this key.
    pub(crate) fn judge(&self, header: &[u8], claims: &[u8], signer: Option<usize>) -> Result<Reading, Fault> {
        let header = object(header, HEADER_DEPTH).ok_or(Fault::Malformed)?;
        let typ = self.choose(&header, signer)?;
        let taken = match typ {
            None => self.missing_type,
            Some(typ) => self.types.iter().any(|taken| {
                let long = format!("application/{taken}");
                typ.eq_ignore_ascii_case(taken) || typ.eq_ignore_ascii_case(&long)
            }),
        };
        if !taken {
            return Err(Fault::WrongType);
        }
        let claims = object(claims, CLAIMS_DEPTH).ok_or(Fault::Unreadable)?;
        let reading = self.read(&claims)?;
        if claims.get("iss").and_then(Value::as_str) != Some(ISSUER) {
            return Err(Fault::WrongIssuer);
        }
        let audience = claim(&claims, Some("aud"), texts)?.unwrap_or_default();
        if !audience.iter().any(|named| self.audiences.contains(&&**named)) {
            return Err(Fault::WrongAudience);
        }
        let text = |name: &str| claims.get(name).is_some_and(Value::is_string);
        let profile = reading.issued.is_some() && text("jti") && text("client_id");
        if !claims.contains_key("exp") || (self.profile && !profile) || reading.subject.is_empty() {
            return Err(Fault::BadClaim);
        }
        self.in_time(&reading, NOW)?;
        Ok(reading)
    }

    /// Returns the token's type, if the signer's key is one that the header can select.
    fn choose<'a>(&self, header: &'a Map<String, Value>, signer: Option<usize>) -> Result<Option<&'a str>, Fault> {
        if ["crit", "b64", "enc", "zip"].iter().any(|name| header.contains_key(*name)) {
            return Err(Fault::Malformed);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(&**text)),
            Some(_) => Err(Fault::Malformed),
        };
        let (alg, kid, typ) = (text("alg")?.ok_or(Fault::Malformed)?, text("kid")?, text("typ")?);
        if !Algorithm::ALL.iter().any(|known| known.name() == alg) && alg != "EdDSA"
            || kid.is_some_and(|kid| kid.len() > LONGEST_KID)
        {
            return Err(Fault::Malformed);
        }
        let meant = self.keys.iter().enumerate().filter(|(_, (id, algorithm))| {
            let nameless = self.keys.iter().all(|(id, _)| id.is_none());
            let named = kid.is_none() || kid == *id || nameless;
            named && algorithm.name() == alg
        });
        let meant: Vec<usize> = meant.map(|(place, _)| place).take(MOST_TRIES).collect();
        match signer {
            _ if meant.is_empty() => Err(Fault::UnknownKey),
            Some(signer) if meant.contains(&signer) => Ok(typ),
            _ => Err(Fault::BadSignature),
        }
    }

    fn read(&self, claims: &Map<String, Value>) -> Result<Reading, Fault> {
        claim(claims, Some("iss"), text)?;
        // The ids of a token may have any type, unless a part of the principal is read from them.
        let own_id = |name: &str| {
            let asked =
                [Some(self.subject), Some(self.scopes), self.roles, self.organizations, self.account, self.plan];
            let id = claim(claims, Some(name), text);
            if asked.contains(&Some(name)) { id } else { Ok(id.ok().flatten()) }
        };
        own_id("client_id")?;
        claim(claims, Some("aud"), texts)?;
        let scopes = claim(claims, Some(self.scopes), texts)?.unwrap_or_default();
        let words = scopes.iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty());
        Ok(Reading {
            subject: claim(claims, Some(self.subject), text)?.flatten().unwrap_or_default(),
            account: claim(claims, self.account, text)?.flatten(),
            organizations: claim(claims, self.organizations, texts)?.unwrap_or_default(),
            scopes: words.map(str::to_owned).collect(),
            roles: claim(claims, self.roles, texts)?.unwrap_or_default(),
            plan: claim(claims, self.plan, text)?.flatten(),
            id: own_id("jti")?.flatten(),
            own: self.own.then(|| Value::Object(claims.clone())),
            expires: claim(claims, Some("exp"), date)?.unwrap_or_default(),
            not_before: claim(claims, Some("nbf"), date)?,
            issued: claim(claims, Some("iat"), date)?,
            bound: claims.contains_key("cnf"),
        })
    }

    pub(crate) fn in_time(&self, reading: &Reading, now: Duration) -> Result<(), Fault> {
        if now >= reading.expires + self.leeway {
            return Err(Fault::Expired);
        }
        if reading.not_before.is_some_and(|start| now + self.leeway < start) {
            return Err(Fault::NotYetValid);
        }
        Ok(())
    }
}
