//! Which tenants of an issuer's template are accepted.

use std::{borrow::Cow, fmt, sync::Arc};

use super::{settings::check_claim, text_of::TextOf};
use crate::{
    ConfigError,
    json::{self, JsonLimits},
};

/// The tenants whose tokens a verifier accepts, if its issuer is a template such as
/// `https://login.microsoftonline.com/{tenantid}/v2.0`; see
/// [`TokenVerifierBuilder::tenants`](super::TokenVerifierBuilder::tenants).
///
/// A tenant is an ASCII name of at most 128 letters, digits, `-`, `_` and `.`, and is compared exactly. A token names its
/// tenant twice: in `iss`, and in a claim, which is `tid` by default. Both must be equal.
///
/// ```
/// use tower_auth::token::Tenants;
///
/// let two = Tenants::only(["5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11", "9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3"]).guids();
/// let paying = Tenants::when(|tenant| tenant.starts_with("5f0c")).guids();
/// ```
#[derive(Clone)]
#[must_use = "tenants do nothing until a verifier has them"]
pub struct Tenants {
    pub(super) claim: Cow<'static, str>,
    guids: bool,
    allowed: Allowed,
}

#[derive(Clone)]
enum Allowed {
    Only(Arc<[String]>),
    When(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

const LIMITS: JsonLimits = JsonLimits::new().max_depth(32);

/// The maximum length of a tenant, in bytes. A GUID has 36, and a host name of one label 63.
const LONGEST: usize = 128;

impl Tenants {
    /// Accepts these tenants.
    pub fn only<S: Into<String>>(tenants: impl IntoIterator<Item = S>) -> Self {
        Self::new(Allowed::Only(tenants.into_iter().map(Into::into).collect()))
    }

    /// Accepts the tenants for which this function returns `true`.
    ///
    /// It is called for every request with a token of a well-formed tenant, also if the token is in the
    /// [cache](super::TokenVerifierBuilder::cache), and may be called before the signature is checked: anybody can make up a
    /// tenant. So it must be cheap, it must not block, and it must not remember the names. Use a
    /// [`Permission`](crate::Permission) for a decision that needs a database.
    pub fn when(decide: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self::new(Allowed::When(Arc::new(decide)))
    }

    /// Accepts every tenant. Anybody may be able to register a tenant with the issuer, so a verified token then says who is
    /// calling, and not that the caller is a customer.
    pub fn any() -> Self {
        Self::when(|_| true)
    }

    fn new(allowed: Allowed) -> Self {
        Self { claim: Cow::Borrowed("tid"), guids: false, allowed }
    }

    /// Sets the claim that names the tenant. The default is `tid`. It is a claim at the top level, and must be a string.
    pub fn claim(self, name: impl Into<Cow<'static, str>>) -> Self {
        Self { claim: name.into(), ..self }
    }

    /// Refuses every tenant that is not a GUID in its canonical form: 32 hexadecimal digits in lower case, with hyphens. Microsoft
    /// Entra's tenants are GUIDs.
    pub fn guids(self) -> Self {
        Self { guids: true, ..self }
    }

    /// Returns the tenants, if they are a list.
    pub(super) fn list(&self) -> Option<&[String]> {
        match &self.allowed {
            Allowed::Only(list) => Some(list),
            Allowed::When(_) => None,
        }
    }

    /// Returns whether a text can be a tenant at all. No such text can change the structure of a URL.
    pub(super) fn is_formed(&self, tenant: &str) -> bool {
        if self.guids {
            return is_guid(tenant);
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        (1..=LONGEST).contains(&tenant.len()) && tenant.bytes().all(letter) && !tenant.bytes().all(|byte| byte == b'.')
    }

    /// Returns whether a well-formed tenant is accepted.
    pub(super) fn allow(&self, tenant: &str) -> bool {
        match &self.allowed {
            Allowed::Only(list) => list.iter().any(|known| known == tenant),
            Allowed::When(decide) => decide(tenant),
        }
    }

    /// Returns the tenant that a token with these claims names in its claim.
    pub(super) fn named_in<'a>(&self, claims: &'a [u8]) -> Option<Cow<'a, str>> {
        json::from_slice_seed(TextOf(&self.claim), claims, &LIMITS).ok().flatten()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        check_claim("tenants", &self.claim)?;
        if self.claim.starts_with('/') {
            return Err(ConfigError::new(
                format!("the claim {:?} of the Tenants is a JSON Pointer", self.claim),
                "use the name of a claim at the top level, such as tid",
            ));
        }
        let Some(list) = self.list() else { return Ok(()) };
        if list.is_empty() {
            return Err(ConfigError::new(
                "the list of Tenants is empty, so every token would be refused",
                "name the tenants, or call Tenants::when",
            ));
        }
        match list.iter().find(|tenant| !self.is_formed(tenant)) {
            None => Ok(()),
            Some(odd) => Err(ConfigError::new(
                format!("{odd:?} is not a tenant, so no token can name it"),
                if self.guids {
                    "use the tenant's GUID in lower case, such as 5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11"
                } else {
                    "use the name exactly as in iss: letters, digits, -, _ and ., at most 128"
                },
            )),
        }
    }
}

pub(super) fn is_guid(text: &str) -> bool {
    let hyphen = |place: usize| [8, 13, 18, 23].contains(&place);
    let fits = |(place, byte): (usize, u8)| match byte {
        b'-' => hyphen(place),
        b'0'..=b'9' | b'a'..=b'f' => !hyphen(place),
        _ => false,
    };
    text.len() == 36 && text.bytes().enumerate().all(fits)
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenants").field("claim", &self.claim).field("only", &self.list()).finish_non_exhaustive()
    }
}
