use std::{fmt, sync::Arc};

use super::{algorithm::Algorithm, key::VerifyingKey};
use crate::ConfigError;

/// The keys of an issuer, read from a JSON Web Key Set (RFC 7517, section 5).
///
/// A key that cannot be used (of an unknown type, too weak, not for signatures) is left out, and the others stand.
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

/// More keys than this are no issuer's.
const MOST_KEYS: usize = 64;

impl KeySet {
    /// Reads a set; secrets in it (`kty` `oct`) are taken too, so keep it where only the service reads it.
    ///
    /// # Errors
    /// When it is no set, has more than 64 keys, or none that can be used.
    pub fn from_json(document: &[u8]) -> Result<Self, ConfigError> {
        let keys = read(document, Algorithm::Rs256).map_err(|what| faulty(&what))?;
        if keys.is_empty() {
            return Err(faulty("no key in it can be used"));
        }
        Ok(Self(keys.into()))
    }

    /// A set that somebody publishes: without secrets.
    pub(super) fn published(document: &[u8], rsa: Algorithm) -> Result<Self, String> {
        let mut keys = read(document, rsa)?;
        keys.retain(|key| !key.is_secret());
        if keys.is_empty() {
            return Err("no key in the set can be used".to_owned());
        }
        Ok(Self(keys.into()))
    }

    /// How many keys it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this is the very set, and not one that was read again.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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

fn read(document: &[u8], rsa: Algorithm) -> Result<Vec<VerifyingKey>, String> {
    let set: serde_json::Value = serde_json::from_slice(document).map_err(|error| format!("it is no JSON: {error}"))?;
    let keys = set.get("keys").and_then(serde_json::Value::as_array).ok_or("it has no list `keys`")?;
    if keys.len() > MOST_KEYS {
        return Err(format!("it has {} keys, and at most {MOST_KEYS} are read", keys.len()));
    }
    let mut good = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        match VerifyingKey::read_jwk(key.clone(), rsa) {
            Ok(key) => good.push(key),
            Err(why) => tracing::debug!(target: "tower_auth", place, why, "a key of a set is left out"),
        }
    }
    Ok(good)
}

fn faulty(what: &str) -> ConfigError {
    ConfigError::new(format!("the key set cannot be used: {what}"), "take the document behind the issuer's jwks_uri")
}
