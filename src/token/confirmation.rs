use serde_json::Value;

/// What the holder of a token must prove to have (`cnf`; RFC 7800, section 3.1): a key (`DPoP`, RFC 9449, section 6), a
/// certificate (RFC 8705, section 3), or both.
///
/// ```
/// use tower_auth::token::Claims;
///
/// fn is_bound(token: &Claims) -> bool {
///     token.confirmation().is_some_and(|bound| bound.jkt().is_some() || bound.certificate().is_some())
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmation {
    jkt: Option<Box<str>>,
    certificate: Option<Box<str>>,
    /// Whether there is a member that is not known, or a known one with an invalid value.
    odd: bool,
    /// Whether the verifier accepts the token from anybody who presents it.
    ignored: bool,
}

impl Confirmation {
    /// Reads the claim.
    pub(super) fn read(claim: &Value) -> Self {
        let mut read = Self::default();
        let Some(members) = claim.as_object().filter(|members| !members.is_empty()) else {
            return Self { odd: true, ..read };
        };
        for (name, value) in members {
            match (name.as_str(), value.as_str().filter(|text| !text.is_empty())) {
                ("jkt", Some(text)) => read.jkt = Some(text.into()),
                ("x5t#S256", Some(text)) => read.certificate = Some(text.into()),
                _ => read.odd = true,
            }
        }
        read
    }

    /// Asks for no proof.
    pub(super) fn ignored(self) -> Self {
        Self { ignored: true, ..self }
    }

    /// Returns whether the caller must prove to have the key or the certificate.
    pub(super) const fn is_asked(&self) -> bool {
        !self.ignored
    }

    /// Returns the SHA-256 thumbprint of the key (RFC 7638), in base64url.
    #[must_use]
    pub fn jkt(&self) -> Option<&str> {
        self.jkt.as_deref()
    }

    /// Returns the SHA-256 of the certificate in DER, in base64url.
    #[must_use]
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Returns whether the claim asks for a proof that this crate does not know. Such a token must be refused.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.odd
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Confirmation;

    #[test]
    fn what_is_not_understood_is_odd() {
        for (claim, odd) in [
            (json!({"jkt": "a"}), false),
            (json!({"jkt": "a", "x5t#S256": "b"}), false),
            (json!({}), true),
            (json!(null), true),
            (json!("a"), true),
            (json!({"jkt": ""}), true),
            (json!({"jkt": 1}), true),
            (json!({"jkt": "a", "kid": "b"}), true),
            (json!({"jwk": {}}), true),
        ] {
            assert_eq!(Confirmation::read(&claim).is_unknown(), odd, "{claim}");
        }
    }
}
