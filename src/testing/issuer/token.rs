//! One token, as the test wants it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value};

use super::state::{State, new_key};
use crate::token::SigningKey;

/// A token that a [`TestIssuer`](super::TestIssuer) makes. It is valid unless the test says otherwise.
///
/// It has the claims `iss`, `sub`, `iat`, `exp` (five minutes later), `jti` and `client_id` (`test-client`), and the header
/// `alg`, `kid` and `typ` (`at+jwt`). It has no `aud` until [`audience`](Self::audience) sets one.
///
/// ```
/// use tower_auth::testing::TestIssuer;
///
/// let issuer = TestIssuer::new();
/// let verifier = issuer.verifier().audience("https://api.test").roles_from("/realm/roles").build()?;
/// let token = issuer
///     .token("alice")
///     .audience("https://api.test")
///     .scopes(["notes:read", "notes:write"])
///     .claim("realm", serde_json::json!({"roles": ["admin"]}))
///     .sign();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let claims = verifier.verify(&token, &Default::default()).await.unwrap();
/// let who = claims.principal();
/// assert_eq!(who.subject(), "alice");
/// assert!(who.has_scope("notes:write") && who.has_role("admin"));
/// # });
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a token does nothing until `sign`"]
pub struct TestToken {
    state: Arc<State>,
    issued: SystemTime,
    life: Duration,
    audiences: Vec<String>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    absent: Vec<String>,
    absent_from_header: Vec<String>,
    signed: By,
}

#[derive(Clone)]
enum By {
    Issuer,
    Stranger,
    Key(SigningKey),
    Nobody,
}

const LIFE: Duration = Duration::from_secs(300);

impl TestToken {
    pub(super) fn new(state: &Arc<State>, issuer: &str, subject: &str, now: SystemTime) -> Self {
        let members = [
            ("iss", Value::from(issuer)),
            ("sub", subject.into()),
            ("client_id", "test-client".into()),
            ("jti", format!("test-token-{}", state.next_token()).into()),
        ];
        Self {
            state: Arc::clone(state),
            issued: now,
            life: LIFE,
            audiences: Vec::new(),
            header: Map::new(),
            claims: members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            absent: Vec::new(),
            absent_from_header: Vec::new(),
            signed: By::Issuer,
        }
    }

    /// Adds an audience. `aud` is a string for one audience, and a list for more.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the claim `scope`, with a space between the scopes (RFC 8693, section 4.2). For another form, use
    /// [`claim`](Self::claim): `.claim("scp", ["read", "write"])`.
    pub fn scopes<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let mut joined = String::new();
        for scope in scopes {
            if !joined.is_empty() {
                joined.push(' ');
            }
            joined.push_str(scope.as_ref());
        }
        self.claim("scope", joined)
    }

    /// Sets a claim, or replaces one that the token has by default.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    pub fn claim(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        self.absent.retain(|absent| *absent != name);
        let value = json(&name, value);
        self.claims.insert(name, value);
        self
    }

    /// Removes a claim, such as `exp`.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self.absent.push(name.to_owned());
        self
    }

    /// Sets a member of the header, or replaces one that the token has by default. It has no effect on the signature: with
    /// another `alg`, the token is still signed by the key of the issuer.
    ///
    /// # Panics
    /// If the value cannot be written as JSON.
    pub fn header(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        self.absent_from_header.retain(|absent| *absent != name);
        let value = json(&name, value);
        self.header.insert(name, value);
        self
    }

    /// Removes a member of the header, such as `kid`.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self.absent_from_header.push(name.to_owned());
        self
    }

    /// Sets the type (`typ`). The default is `at+jwt`.
    pub fn typ(self, typ: &str) -> Self {
        self.header("typ", typ)
    }

    /// Sets when the token was issued. The default is now. The token expires its life later.
    pub fn issued_at(self, issued: SystemTime) -> Self {
        Self { issued, ..self }
    }

    /// Sets the life of the token: the time from `iat` to `exp`. The default is five minutes.
    pub fn expires_in(self, life: Duration) -> Self {
        Self { life, ..self }
    }

    /// Makes a token that has expired an hour ago.
    pub fn expired(self) -> Self {
        let age = self.life.saturating_add(Duration::from_secs(3600));
        let issued = self.issued.checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { issued, ..self }
    }

    /// Signs with a key that the issuer does not have. The header names the issuer's key, so only the signature is wrong.
    pub fn by_stranger(self) -> Self {
        Self { signed: By::Stranger, ..self }
    }

    /// Signs with this key. The header has the algorithm and the id of this key.
    pub fn signed_by(self, key: &SigningKey) -> Self {
        Self { signed: By::Key(key.clone()), ..self }
    }

    /// Makes a token with the `alg` `none` and without a signature.
    pub fn unsigned(self) -> Self {
        Self { signed: By::Nobody, ..self }
    }

    /// Signs the token, and returns it as a request has it behind `Bearer`.
    ///
    /// # Panics
    /// If the signature cannot be made, which has no known cause.
    #[must_use]
    pub fn sign(self) -> String {
        let named = match &self.signed {
            By::Key(key) => key.clone(),
            By::Issuer | By::Stranger | By::Nobody => self.state.signer(),
        };
        let message = format!("{}.{}", encode(&self.whole_header(&named)), encode(&self.whole_claims()));
        let signer = match self.signed {
            By::Nobody => return message + ".",
            By::Stranger => new_key(named.algorithm()),
            By::Issuer | By::Key(_) => named,
        };
        let signature = signer.sign(message.as_bytes()).expect("a key of a TestIssuer signs");
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Returns an opaque token, which stands for these claims at the introspection endpoint of
    /// [`TestIssuer::serve`](super::TestIssuer::serve), and is no JWT (feature `jwks-http`).
    #[cfg(feature = "jwks-http")]
    #[must_use]
    pub fn opaque(self) -> String {
        let claims = self.whole_claims();
        self.state.add_opaque(claims)
    }

    fn whole_header(&self, key: &SigningKey) -> Map<String, Value> {
        let alg = if matches!(self.signed, By::Nobody) { "none" } else { key.algorithm().header_name() };
        let defaults = [("alg", Value::from(alg)), ("kid", key.id().into()), ("typ", "at+jwt".into())];
        completed(&self.header, &self.absent_from_header, defaults)
    }

    fn whole_claims(&self) -> Map<String, Value> {
        let times = [("iat", Some(self.issued)), ("exp", self.issued.checked_add(self.life))];
        let times = times.map(|(name, time)| (name, time.map_or(Value::Null, |time| seconds(time).into())));
        let audience = match &*self.audiences {
            [] => None,
            [audience] => Some(("aud", Value::from(&**audience))),
            several => Some(("aud", several.into())),
        };
        completed(&self.claims, &self.absent, times.into_iter().chain(audience))
    }
}

/// Adds the members that the test has neither set nor removed.
fn completed<'a>(
    members: &Map<String, Value>,
    absent: &[String],
    defaults: impl IntoIterator<Item = (&'a str, Value)>,
) -> Map<String, Value> {
    let mut all = members.clone();
    for (name, value) in defaults {
        if !absent.iter().any(|absent| absent == name) {
            all.entry(name).or_insert(value);
        }
    }
    all
}

fn json(name: &str, value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_else(|error| panic!("`{name}` of a TestToken is not JSON: {error}"))
}

fn encode(members: &Map<String, Value>) -> String {
    let text = serde_json::to_vec(members).expect("a map of JSON values is JSON");
    URL_SAFE_NO_PAD.encode(text)
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl fmt::Debug for TestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestToken").field("claims", &self.whole_claims()).finish_non_exhaustive()
    }
}
