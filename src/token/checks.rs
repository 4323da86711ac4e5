//! Claims that must have, or must not have, certain values.

use std::{fmt, sync::Arc};

use serde_json::Value;

use super::{
    claim_source::Name,
    raw::Found,
    shapes::kind,
    shown::{Shown, first_of},
};

/// A value that a claim is compared with: a string, a boolean or an integer.
///
/// ```
/// use tower_auth::{Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key])
///     .audience("https://api.example.com")
///     .require_claim("token_use", ["access"])
///     .require_claim("email_verified", [true])
///     .require_claim("/org/tier", [2, 3])
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimValue(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Text(String),
    Boolean(bool),
    Integer(i64),
}

impl From<&str> for ClaimValue {
    fn from(text: &str) -> Self {
        Self(Kind::Text(text.to_owned()))
    }
}

impl From<String> for ClaimValue {
    fn from(text: String) -> Self {
        Self(Kind::Text(text))
    }
}

impl From<bool> for ClaimValue {
    fn from(boolean: bool) -> Self {
        Self(Kind::Boolean(boolean))
    }
}

impl From<i64> for ClaimValue {
    fn from(integer: i64) -> Self {
        Self(Kind::Integer(integer))
    }
}

impl ClaimValue {
    fn equals(&self, found: &Value) -> bool {
        match (&self.0, found) {
            (Kind::Text(ours), Value::String(text)) => ours == text,
            (Kind::Boolean(ours), Value::Bool(boolean)) => ours == boolean,
            (Kind::Integer(ours), Value::Number(number)) => number.as_i64() == Some(*ours),
            _ => false,
        }
    }

    /// Returns whether the value can be compared: it has the same type. A number with a fraction or an exponent may be the same
    /// integer.
    fn compares(&self, found: &Value) -> bool {
        match (&self.0, found) {
            (Kind::Text(_), Value::String(_)) | (Kind::Boolean(_), Value::Bool(_)) => true,
            (Kind::Integer(_), Value::Number(number)) => number.is_i64() || number.is_u64(),
            _ => false,
        }
    }
}

/// Writes a string in quotes, as the value of a token is written.
impl fmt::Display for ClaimValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Text(text) => Shown(text).fmt(f),
            Kind::Boolean(boolean) => boolean.fmt(f),
            Kind::Integer(integer) => integer.fmt(f),
        }
    }
}

/// What a claim must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) name: Name,
    /// The name, for errors.
    pub(super) claim: Arc<str>,
    pub(super) rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    OneOf(Vec<ClaimValue>),
    NoneOf(Vec<ClaimValue>),
}

impl Check {
    pub(super) fn new(name: Name, rule: Rule) -> Self {
        Self { claim: name.to_string().into(), name, rule }
    }

    /// Decides about what was found, which is `None` if the claim is missing or `null`.
    pub(super) fn admits(&self, found: Option<&Found>) -> bool {
        match (&self.rule, found) {
            // A value that cannot be read could be the forbidden one.
            (Rule::OneOf(_), None | Some(Found::Behind(_))) | (Rule::NoneOf(_), Some(Found::Behind(_))) => false,
            (Rule::NoneOf(_), None) => true,
            (Rule::OneOf(values), Some(Found::Value(found))) => values.iter().any(|value| value.equals(found)),
            // A value of a type that is not compared could mean the same.
            (Rule::NoneOf(values), Some(Found::Value(found))) => {
                values.iter().any(|value| value.compares(found)) && !values.iter().any(|value| value.equals(found))
            }
        }
    }

    /// Says why a token is refused.
    pub(super) fn explain(&self, found: Option<&Found>) -> String {
        let claim = &self.claim;
        let has = match found {
            None => format!("the token has no claim {claim}"),
            Some(Found::Behind(kind)) => {
                format!("the token's claim {claim} cannot be read, because a claim around it is {kind}")
            }
            Some(Found::Value(Value::String(text))) => format!("the token's claim {claim} is {}", Shown(text)),
            Some(Found::Value(Value::Bool(boolean))) => format!("the token's claim {claim} is {boolean}"),
            Some(Found::Value(Value::Number(number))) if number.is_i64() || number.is_u64() => {
                format!("the token's claim {claim} is {number}")
            }
            Some(Found::Value(other)) => format!("the token's claim {claim} is {}", kind(other)),
        };
        match &self.rule {
            Rule::OneOf(values) => {
                format!("{has}, and the verifier expects {} (TokenVerifierBuilder::require_claim)", Values(values))
            }
            Rule::NoneOf(values) => {
                format!("{has}, and the verifier refuses {} (TokenVerifierBuilder::forbid_claim)", Values(values))
            }
        }
    }
}

/// Writes the first values.
struct Values<'a>(&'a [ClaimValue]);

impl fmt::Display for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        first_of(self.0, f, fmt::Display::fmt)
    }
}
