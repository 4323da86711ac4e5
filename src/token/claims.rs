//! The claims of a token (RFC 7519, section 4).

use std::{
    borrow::Cow,
    fmt, slice,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{confirmation::Confirmation, error::TokenError};
use crate::Principal;

/// The claims of a verified token.
///
/// ```
/// use std::time::SystemTime;
/// use tower_auth::token::Claims;
///
/// fn good_for(claims: &Claims) -> std::time::Duration {
///     claims.expires_at().duration_since(SystemTime::now()).unwrap_or_default()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Claims {
    pub(super) principal: Principal,
    pub(super) expires_at: SystemTime,
    pub(super) not_before: Option<SystemTime>,
    pub(super) issued_at: Option<SystemTime>,
    // The two are shared with the cache, so that a hit copies no text.
    pub(super) session_id: Option<Arc<str>>,
    pub(super) client_id: Option<Arc<str>>,
    /// Why a revocation check cannot identify the token: `jti` or `sid` is present and not a string.
    pub(super) odd_id: Option<&'static str>,
    pub(super) confirmation: Option<Arc<Confirmation>>,
}

impl Claims {
    /// Returns the caller that the token authenticates. The [`credential_id`](Principal::credential_id) of the caller
    /// is the `jti` of the token.
    #[must_use]
    pub const fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn into_principal(self) -> Principal {
        self.principal
    }

    /// Returns the time from which the token is expired (`exp`).
    #[must_use]
    pub const fn expires_at(&self) -> SystemTime {
        self.expires_at
    }

    /// Returns the time from which the token is valid (`nbf`).
    #[must_use]
    pub const fn not_before(&self) -> Option<SystemTime> {
        self.not_before
    }

    /// Returns the time at which the token was issued (`iat`).
    #[must_use]
    pub const fn issued_at(&self) -> Option<SystemTime> {
        self.issued_at
    }

    /// Returns the id of the session in which the token was issued (`sid`; `OpenID` Connect Front-Channel Logout, section
    /// 3). All tokens of a session have the same id, so a [`TokenRevocation`](super::TokenRevocation) can refuse them
    /// together. A `sid` that is not a string is treated as missing, unless there is a revocation list: it refuses such a
    /// token.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use tower_auth::token::{Claims, TokenStatus};
    ///
    /// fn status(token: &Claims, ended_sessions: &HashSet<String>) -> TokenStatus {
    ///     let ended = token.session_id().is_some_and(|session| ended_sessions.contains(session));
    ///     if ended { TokenStatus::Revoked } else { TokenStatus::Valid }
    /// }
    /// ```
    #[must_use]
    pub fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    /// Returns the client to which the token was issued: the claim of
    /// [`TokenVerifierBuilder::client`](super::TokenVerifierBuilder::client), if it is set and the token has it, and else
    /// `client_id` (RFC 9068, section 2.2). A `client_id` that is not a string is treated as missing.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }

    /// Returns the key or certificate to which the token is bound, if it is bound to one. [`BearerLayer`](crate::BearerLayer)
    /// admits such a token only with a proof; see [`verify_bound`](super::TokenVerifier::verify_bound).
    #[must_use]
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.confirmation.as_deref()
    }
}

impl Claims {
    /// Checks that a [`TokenRevocation`](super::TokenRevocation) can identify the token: it needs an `iat`, and its
    /// `jti` and `sid` must be strings or missing.
    pub(crate) fn check_revocable(&self) -> Result<(), TokenError> {
        if let Some(why) = self.odd_id {
            return Err(TokenError::BadClaim(why));
        }
        self.issued_at.map(drop).ok_or(TokenError::BadClaim("iat is missing, and the revocation check needs it"))
    }
}

/// Reads only the `iss` claim.
pub(super) struct Issuer;

impl<'de> DeserializeSeed<'de> for Issuer {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Issuer {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Option<String>, A::Error> {
        let mut issuer = None;
        while let Some(name) = members.next_key::<Text<'de>>()? {
            if &*name.0 == "iss" {
                issuer = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(issuer)
    }
}

/// Seconds since 1970, with or without a fraction (RFC 7519, section 2), from 0 to 2^53. Doubles are exact in this
/// range.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Date(Duration);

/// 2^53 seconds.
const LARGEST: u64 = 1 << 53;

impl Date {
    /// Converts to a system time. The value is small enough that later sums do not overflow.
    pub(crate) fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH.checked_add(self.0).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DateVisitor;

        impl Visitor<'_> for DateVisitor {
            type Value = Date;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E: Error>(self, seconds: u64) -> Result<Date, E> {
                if seconds > LARGEST { Err(E::custom("too late")) } else { Ok(Date(Duration::from_secs(seconds))) }
            }

            fn visit_f64<E: Error>(self, seconds: f64) -> Result<Date, E> {
                #[expect(clippy::cast_precision_loss, reason = "2^53 is exact")]
                let in_range = (0.0..=LARGEST as f64).contains(&seconds);
                let date = Duration::try_from_secs_f64(seconds).ok().filter(|_| in_range);
                date.map(Date).ok_or_else(|| E::custom("not a time"))
            }
        }

        deserializer.deserialize_f64(DateVisitor)
    }
}

/// A time that no check requires. A value of another type, or out of range, counts as missing.
pub(super) struct Lenient(pub(super) Option<Date>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(Date::deserialize(value).ok()))
    }
}

/// A string, borrowed if it contains no escapes.
pub(super) struct Text<'de>(pub(super) Cow<'de, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// A claim that no setting requires to be a string. A value of another type is ignored and not refused.
pub(super) enum Unasked<'de> {
    Text(Cow<'de, str>),
    Null,
    Other,
}

impl From<&Value> for Unasked<'_> {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Cow::Owned(text.clone())),
            Value::Null => Self::Null,
            _ => Self::Other,
        }
    }
}

impl<'de> Deserialize<'de> for Unasked<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UnaskedVisitor;

        impl<'de> Visitor<'de> for UnaskedVisitor {
            type Value = Unasked<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_unit<E: Error>(self) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Null)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Other)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Other)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Other)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Unasked<'de>, E> {
                Ok(Unasked::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Unasked<'de>, A::Error> {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Unasked::Other)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unasked<'de>, A::Error> {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Unasked::Other)
            }
        }

        deserializer.deserialize_any(UnaskedVisitor)
    }
}

/// One string or a list of strings. `null` counts as missing.
#[derive(Clone, Default)]
pub(super) enum Texts<'de> {
    #[default]
    None,
    One(Cow<'de, str>),
    Many(Vec<Cow<'de, str>>),
}

impl Texts<'_> {
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::None => &[],
            Self::One(text) => slice::from_ref(text),
            Self::Many(texts) => texts.as_slice(),
        };
        all.iter().map(|text| &**text)
    }

    pub(super) const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Returns whether there is no string.
    pub(super) const fn is_empty(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(_) => false,
            Self::Many(texts) => texts.is_empty(),
        }
    }

    /// Returns the words of all strings, separated by spaces (RFC 6749, section 3.3).
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        self.iter().flat_map(|text| text.split(' ')).filter(|word| !word.is_empty())
    }
}

impl<'de> Deserialize<'de> for Texts<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextsVisitor;

        impl<'de> Visitor<'de> for TextsVisitor {
            type Value = Texts<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Texts<'de>, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Texts<'de>, E> {
                Ok(Texts::One(Cow::Owned(text)))
            }

            fn visit_unit<E: Error>(self) -> Result<Texts<'de>, E> {
                Ok(Texts::None)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some(Text(text)) = elements.next_element()? {
                    texts.push(text);
                }
                Ok(Texts::Many(texts))
            }
        }

        deserializer.deserialize_any(TextsVisitor)
    }
}
