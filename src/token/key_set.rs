use std::{fmt, sync::Arc};

use serde_json::{Map, Value};

use super::{algorithm::Algorithm, key::VerifyingKey};
use crate::ConfigError;

/// The keys of an issuer, read from a JSON Web Key Set (RFC 7517, section 5).
///
/// Unusable keys (of an unknown type, too weak, or not for signatures) are skipped. The other keys are used.
///
/// ```
/// use tower_auth::token::KeySet;
///
/// let set = KeySet::from_json(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","use":"sig",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"unknown"}]}"#)?;
/// assert_eq!(set.len(), 1);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct KeySet(Arc<[VerifyingKey]>);

/// The maximum number of keys in a set. Issuers publish far fewer.
const MOST_KEYS: usize = 64;

impl KeySet {
    /// Parses a key set. Secrets (`kty` `oct`) are accepted too, so protect a document that contains them.
    ///
    /// # Errors
    /// If the document is not a key set, has more than 64 keys, or has no usable key.
    pub fn from_json(document: &[u8]) -> Result<Self, ConfigError> {
        Self::private(document, Algorithm::Rs256).map_err(|what| faulty(&what))
    }

    /// Parses a JSON object of public keys or certificates in PEM by their ids, which all have this algorithm. Google publishes
    /// keys in this form too.
    ///
    /// ```
    /// use tower_auth::token::{Algorithm, KeySet};
    ///
    /// let set = KeySet::from_pem_map(Algorithm::Ed25519, br#"{"1":"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n"}"#)?;
    /// assert_eq!(set.len(), 1);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// If the document is not such an object, has more than 64 keys, or has no usable key.
    pub fn from_pem_map(algorithm: Algorithm, document: &[u8]) -> Result<Self, ConfigError> {
        Self::read_pem_map(algorithm, document).map_err(|what| {
            ConfigError::new(
                format!("the keys in PEM cannot be used: {what}"),
                "use a JSON object with an id and a PEM for each key, and the algorithm of the issuer",
            )
        })
    }

    pub(super) fn read_pem_map(algorithm: Algorithm, document: &[u8]) -> Result<Self, String> {
        let all: Map<String, Value> =
            serde_json::from_slice(document).map_err(|error| format!("it is not a JSON object: {error}"))?;
        if all.len() > MOST_KEYS {
            return Err(format!("it has {} keys, and at most {MOST_KEYS} are read", all.len()));
        }
        let (mut good, mut first_fault) = (Vec::new(), None);
        for (id, pem) in &all {
            let key = pem.as_str().ok_or_else(|| "it is not a text".to_owned());
            match key.and_then(|pem| VerifyingKey::from_pem(algorithm, pem).map_err(|error| error.to_string())) {
                Ok(key) => good.push(key.id(id)),
                Err(why) => {
                    tracing::debug!(target: "tower_auth", id, why, "a key of a set is skipped");
                    first_fault.get_or_insert(why);
                }
            }
        }
        match first_fault {
            _ if !good.is_empty() => Ok(Self(good.into())),
            None => Err("it has no key".to_owned()),
            Some(why) => Err(format!("no key can be used (the first: {why})")),
        }
    }

    /// Parses a published key set. Secrets in it are skipped.
    pub(super) fn published(document: &[u8], rsa: Algorithm) -> Result<Self, String> {
        Self::read(document, |key| {
            let key = VerifyingKey::read_jwk(key, rsa)?;
            if key.is_secret() { Err("it is a secret in a published set".to_owned()) } else { Ok(key) }
        })
    }

    /// Parses a key set that only this service can read.
    pub(super) fn private(document: &[u8], rsa: Algorithm) -> Result<Self, String> {
        Self::read(document, |key| VerifyingKey::read_jwk(key, rsa))
    }

    /// Parses a SPIFFE bundle (SPIFFE Trust Domain and Bundle, section 4): only keys for tokens are taken.
    pub(super) fn spiffe(document: &[u8], rsa: Algorithm) -> Result<Self, String> {
        Self::read(document, |mut key| {
            let usage = key.as_object_mut().and_then(|members| members.remove("use"));
            if usage.as_ref().and_then(Value::as_str) != Some("jwt-svid") {
                return Err("it is not for tokens (its use is not jwt-svid)".to_owned());
            }
            let key = VerifyingKey::read_jwk(key, rsa)?;
            match key.key_id() {
                _ if key.is_secret() => Err("it is a secret in a published set".to_owned()),
                None => Err("it has no kid".to_owned()),
                Some(_) => Ok(key),
            }
        })
    }

    fn read(document: &[u8], parse: impl Fn(Value) -> Result<VerifyingKey, String>) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(document).map_err(|error| format!("it is not JSON: {error}"))?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or("it has no list `keys`")?;
        if keys.len() > MOST_KEYS {
            return Err(format!("it has {} keys, and at most {MOST_KEYS} are read", keys.len()));
        }
        let (mut good, mut first_fault) = (Vec::new(), None);
        for (place, key) in keys.iter().enumerate() {
            match parse(key.clone()) {
                Ok(key) => good.push(key),
                Err(why) => {
                    tracing::debug!(target: "tower_auth", place, why, "a key of a set is skipped");
                    first_fault.get_or_insert(why);
                }
            }
        }
        match first_fault {
            _ if !good.is_empty() => Ok(Self(good.into())),
            None => Err("no key in the set can be used: it has none".to_owned()),
            Some(why) => Err(format!("no key in the set can be used (the first: {why})")),
        }
    }

    /// Returns the number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the set has no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether both are the same set in memory. A set that was parsed again is a different one.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether no key has an id. The `kid` of a token is ignored then.
    pub(super) fn is_nameless(&self) -> bool {
        self.0.iter().all(|key| key.key_id().is_none())
    }

    /// Returns the key with this id.
    #[cfg(feature = "strict-body")]
    pub(crate) fn named(&self, id: &str) -> Option<&VerifyingKey> {
        self.iter().find(|key| key.key_id() == Some(id))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter()
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter()).finish()
    }
}

fn faulty(what: &str) -> ConfigError {
    ConfigError::new(format!("the key set cannot be used: {what}"), "use the document at the issuer's jwks_uri")
}
