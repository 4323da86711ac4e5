//! The issuers of a verifier: exact names, and templates with a place for the tenant.

use std::{borrow::Cow, ops::Range, sync::Arc};

use super::{claims::Issuer, error::TokenError, settings::check_issuer, shown::Shown, tenants::Tenants};
use crate::{
    ConfigError,
    json::{self, JsonLimits},
};

/// The issuers whose tokens a verifier accepts.
pub(super) struct Issuers {
    first: Pattern,
    more: Vec<Pattern>,
    /// Present if and only if a pattern has a place for the tenant.
    tenants: Option<Tenants>,
    /// How every subject begins, if tokens without `iss` are accepted.
    subjects: Option<Box<str>>,
}

pub(super) const OTHER_SUBJECT: &str =
    "the subject does not begin as TokenVerifierBuilder::issuer_by_keys_alone requires";

pub(super) const OTHER_TENANT: &str = "the claim of the tenant is missing, or names another tenant than iss";

/// An issuer, or a template.
struct Pattern {
    text: Arc<str>,
    /// Where a template has its placeholder, with the braces.
    place: Option<Range<usize>>,
}

/// The issuer of one token.
pub(super) struct Issued {
    pub(super) issuer: Arc<str>,
    tenant: Option<Range<usize>>,
}

impl Issued {
    pub(super) fn tenant(&self) -> Option<&str> {
        self.tenant.clone().and_then(|place| self.issuer.get(place))
    }
}

impl Issuers {
    pub(super) fn new(
        first: Cow<'static, str>,
        more: Vec<Cow<'static, str>>,
        tenants: Option<Tenants>,
        subjects: Option<Box<str>>,
    ) -> Result<Self, ConfigError> {
        let first = Pattern::new(first)?;
        let more = more.into_iter().map(Pattern::new).collect::<Result<_, _>>()?;
        let this = Self { first, more, tenants, subjects };
        this.check_subjects()?;
        for (at, name) in this.names().enumerate() {
            if this.names().take(at).any(|other| other == name) {
                return Err(ConfigError::new(
                    format!("the TokenVerifier has the issuer {name:?} twice"),
                    "remove one of the two",
                ));
            }
        }
        let template = this.all().find(|pattern| pattern.place.is_some());
        match (template, &this.tenants) {
            (Some(template), None) => Err(ConfigError::new(
                format!("the issuer {:?} is a template, and no tenants are accepted", &*template.text),
                "call .tenants(Tenants::only([..])), or use the issuer of one tenant: the exact value of iss",
            )),
            (None, Some(_)) => Err(ConfigError::new(
                "TokenVerifierBuilder::tenants was called, and no issuer of the TokenVerifier is a template",
                "put the placeholder into the issuer, such as https://login.microsoftonline.com/{tenantid}/v2.0",
            )),
            (_, tenants) => tenants.as_ref().map_or(Ok(()), Tenants::check).map(|()| this),
        }
    }

    /// Without a separator at its end, a prefix would also be that of other names.
    fn check_subjects(&self) -> Result<(), ConfigError> {
        let Some(prefix) = &self.subjects else { return Ok(()) };
        if self.tenants.is_some() {
            return Err(ConfigError::new(
                "a token without iss names no tenant, and the TokenVerifier has tenants",
                "remove .issuer_by_keys_alone(..), or use a verifier of its own for such tokens",
            ));
        }
        if prefix.len() > 1 && prefix.ends_with(['/', ':']) {
            return Ok(());
        }
        Err(ConfigError::new(
            format!(
                "TokenVerifierBuilder::issuer_by_keys_alone got the prefix {prefix:?}, which does not end with / or :"
            ),
            "use how the subjects begin, with the separator, such as spiffe://example.org/",
        ))
    }

    /// Returns how every subject begins, if tokens without `iss` are accepted.
    pub(super) fn subjects(&self) -> Option<&str> {
        self.subjects.as_deref()
    }

    /// Refuses a subject of others. One that is missing is refused elsewhere.
    #[inline]
    pub(super) fn check_subject(&self, subject: Option<&str>) -> Result<(), TokenError> {
        match (&self.subjects, subject) {
            (Some(prefix), Some(subject)) if subject.strip_prefix(&**prefix).is_none_or(str::is_empty) => {
                Err(TokenError::BadClaim(OTHER_SUBJECT))
            }
            _ => Ok(()),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Pattern> {
        [&self.first].into_iter().chain(&self.more)
    }

    /// Returns the first issuer or template.
    pub(super) const fn first(&self) -> &Arc<str> {
        &self.first.text
    }

    /// Returns the first issuer, if it is no template.
    pub(super) fn first_exact(&self) -> Option<&str> {
        self.first.place.is_none().then_some(&*self.first.text)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.all().map(|pattern| &*pattern.text)
    }

    /// Decides whether tokens of this `iss` are accepted, and the tenant that the claims must name.
    pub(super) fn judge(&self, named: Option<&str>, claims: &[u8]) -> Result<Issued, TokenError> {
        let Some(named) = named else {
            // `null` counts as missing where a text is optional. Here it is an issuer that cannot be read, as it is for a layer that
            // selects a verifier.
            let none = || matches!(json::from_slice_seed(Issuer, claims, &LIMITS), Ok(None));
            let alone = self.subjects.is_some() && none();
            let issued = alone.then(|| Issued { issuer: Arc::clone(self.first()), tenant: None });
            return issued.ok_or(TokenError::WrongIssuer);
        };
        let (pattern, tenant) = self.find(named).ok_or(TokenError::WrongIssuer)?;
        let (Some(tenant), Some(tenants)) = (tenant, &self.tenants) else {
            return Ok(Issued { issuer: Arc::clone(&pattern.text), tenant: None });
        };
        let name = &named[tenant.clone()];
        if !tenants.allow(name) {
            return Err(TokenError::WrongIssuer);
        }
        if tenants.named_in(claims).as_deref() != Some(name) {
            return Err(TokenError::BadClaim(OTHER_TENANT));
        }
        Ok(Issued { issuer: named.into(), tenant: Some(tenant) })
    }

    /// Says which tenants a token names in its `iss` and in its claim.
    pub(super) fn explain_tenant(&self, named: Option<&str>, claims: &[u8]) -> Option<String> {
        let (named, tenants) = (named?, self.tenants.as_ref()?);
        let (in_issuer, claim) = (Shown(&named[self.find(named)?.1?]), &tenants.claim);
        let has = tenants.named_in(claims).map_or_else(
            || format!("the token has no {claim} that is a string"),
            |tenant| format!("the token's {claim} is {}", Shown(&tenant)),
        );
        Some(format!("{has}, and the tenant in its iss is {in_issuer}"))
    }

    /// Decides again about the `iss` of a token that was accepted: only a tenant may have left.
    #[inline]
    pub(super) fn still_take(&self, named: &str) -> bool {
        let Some(tenants) = &self.tenants else { return true };
        self.find(named).is_some_and(|(_, tenant)| tenant.is_none_or(|place| tenants.allow(&named[place])))
    }

    /// Returns whether tokens of this `iss` are for this verifier. The tenant may be one that is not accepted.
    pub(super) fn are_for(&self, named: &str) -> bool {
        self.find(named).is_some()
    }

    /// Returns whether tokens of this `iss` are for this verifier, and its tenant, if there is a list of them, is on it.
    pub(super) fn list(&self, named: &str) -> bool {
        let listed = |tenants: &Tenants, tenant| tenants.list().is_none() || tenants.allow(tenant);
        self.find(named).is_some_and(|(_, tenant)| {
            tenant.is_none_or(|place| self.tenants.as_ref().is_some_and(|tenants| listed(tenants, &named[place])))
        })
    }

    /// Decides whether a key that its set binds to an issuer may verify a token with these claims. An issuer without
    /// tenants may mean something else by that member.
    #[inline]
    pub(super) fn take_key(&self, bound: Option<&str>, claims: &[u8]) -> bool {
        match bound {
            Some(bound) if self.tenants.is_some() => self.is_bound(bound, claims),
            _ => true,
        }
    }

    fn is_bound(&self, bound: &str, claims: &[u8]) -> bool {
        let Ok(Some(named)) = json::from_slice_seed(Issuer, claims, &LIMITS) else { return false };
        let Some((_, tenant)) = self.find(&named) else { return false };
        let tenant = tenant.map(|place| &named[place]);
        let whole = match (around(bound), tenant) {
            (None, _) => Cow::Borrowed(bound),
            (Some((before, behind)), Some(tenant)) => Cow::Owned(format!("{before}{tenant}{behind}")),
            (Some(_), None) => return false,
        };
        // A key of the one template also verifies tokens of another template of the verifier, for the same tenant: Entra's
        // keys for v2 sign tokens of v1.
        let same = || {
            self.find(&whole).is_some_and(|(_, place)| place.map(|place| &whole[place]) == tenant && tenant.is_some())
        };
        *whole == *named || same()
    }

    /// Returns the issuer that a refused token names, if it is one of these, and the first otherwise.
    pub(super) fn named_or_first(&self, named: Option<&str>) -> Arc<str> {
        match named.and_then(|named| Some((named, self.find(named)?))) {
            Some((named, (_, Some(_)))) => named.into(),
            Some((_, (pattern, None))) => Arc::clone(&pattern.text),
            None => Arc::clone(self.first()),
        }
    }

    /// Returns the pattern that an `iss` matches, and the place of the tenant in the `iss`.
    fn find(&self, named: &str) -> Option<(&Pattern, Option<Range<usize>>)> {
        self.all().find_map(|pattern| match (&pattern.place, &self.tenants) {
            (Some(_), Some(tenants)) => {
                let place = pattern.tenant_in(named)?;
                tenants.is_formed(&named[place.clone()]).then_some((pattern, Some(place)))
            }
            _ => (*pattern.text == *named).then_some((pattern, None)),
        })
    }

    /// Returns an issuer or template that tokens of one `iss` could match in both.
    pub(super) fn shared_with(&self, other: &Self) -> Option<&str> {
        let ours = self.all().find(|ours| {
            other.all().any(|theirs| match (self.spelled(ours), other.spelled(theirs)) {
                (Some(all), _) => all.iter().any(|named| theirs.fits(named, other)),
                (_, Some(all)) => all.iter().any(|named| ours.fits(named, self)),
                (None, None) => ours.could_be(theirs),
            })
        });
        ours.map(|pattern| &*pattern.text)
    }

    /// Returns all issuers that a pattern stands for, if they are known.
    fn spelled(&self, pattern: &Pattern) -> Option<Vec<String>> {
        if pattern.place.is_none() {
            return Some(vec![pattern.text.to_string()]);
        }
        let tenants = self.tenants.as_ref()?.list()?;
        Some(tenants.iter().map(|tenant| pattern.filled(tenant)).collect())
    }
}

impl Pattern {
    fn new(name: Cow<'static, str>) -> Result<Self, ConfigError> {
        check_issuer(&name)?;
        if name.is_empty() {
            return Err(ConfigError::new(
                "the TokenVerifier has no issuer",
                "use the exact value of iss in the tokens",
            ));
        }
        let wrong = |what: &str| {
            Err(ConfigError::new(
                format!("the issuer {name:?} {what}"),
                "use one placeholder in one segment, such as https://login.microsoftonline.com/{tenantid}/v2.0, or the exact \
                 value of iss in the tokens",
            ))
        };
        let place = match (name.find('{'), name.find('}')) {
            (None, None) => None,
            (Some(start), Some(end)) if start + 1 < end => Some(start..end + 1),
            _ => return wrong("has braces that are not a placeholder"),
        };
        if name.matches(['{', '}']).count() > 2 {
            return wrong("has more than one placeholder");
        }
        if place.as_ref().is_some_and(|place| name[place.clone()].contains(['/', '?', '#'])) {
            return wrong("has a placeholder over several segments");
        }
        Ok(Self { text: name.into(), place })
    }

    /// Returns the place of the text that stands where the placeholder is.
    fn tenant_in(&self, named: &str) -> Option<Range<usize>> {
        let (before, behind) = around(&self.text)?;
        let rest = named.strip_prefix(before)?.strip_suffix(behind)?;
        Some(before.len()..before.len() + rest.len())
    }

    fn filled(&self, tenant: &str) -> String {
        around(&self.text).map_or_else(|| self.text.to_string(), |(before, behind)| format!("{before}{tenant}{behind}"))
    }

    /// Returns whether this pattern of `all` matches an issuer.
    fn fits(&self, named: &str, all: &Issuers) -> bool {
        match &all.tenants {
            Some(tenants) if self.place.is_some() => {
                let tenant = self.tenant_in(named).map(|place| &named[place]);
                let listed = |tenant| tenants.list().is_none() || tenants.allow(tenant);
                tenant.is_some_and(|tenant| tenants.is_formed(tenant) && listed(tenant))
            }
            _ => *self.text == *named,
        }
    }

    /// Returns whether one issuer could match two templates. A tenant has no slash, so segments are compared.
    fn could_be(&self, other: &Self) -> bool {
        let within = |(before, behind): (&str, &str), text: &str| {
            text.len() > before.len() + behind.len() && text.starts_with(before) && text.ends_with(behind)
        };
        let either = |one: &str, two: &str, holds: fn(&str, &str) -> bool| holds(one, two) || holds(two, one);
        let (ours, theirs) = (self.text.split('/'), other.text.split('/'));
        ours.clone().count() == theirs.clone().count()
            && ours.zip(theirs).all(|(one, two)| match (around(one), around(two)) {
                (None, None) => one == two,
                (Some(open), None) => within(open, two),
                (None, Some(open)) => within(open, one),
                (Some((before, behind)), Some((before_too, behind_too))) => {
                    either(before, before_too, |one, two| one.starts_with(two))
                        && either(behind, behind_too, |one, two| one.ends_with(two))
                }
            })
    }
}

/// Returns the text before and behind a placeholder.
fn around(text: &str) -> Option<(&str, &str)> {
    let (before, rest) = text.split_once('{')?;
    Some((before, rest.split_once('}')?.1))
}

const LIMITS: JsonLimits = JsonLimits::new().max_depth(32);
