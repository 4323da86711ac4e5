//! What the claims of a token must say, and the principal that they make.

use std::{
    any::Any,
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::de::DeserializeOwned;

use super::{
    claims::{Claims, Date},
    confirmation::Confirmation,
    demands::Demands,
    error::TokenError,
    issuers::{Issued, Issuers},
    names::{Names, ReadInto},
    raw::{Part, Raw},
};
use crate::{
    AuthMethod, Principal, PrincipalBuilder,
    json::{self, JsonLimits},
    limit::Limits,
};

/// The settings of a verifier that concern claims. They need neither a key nor the header of a token.
pub(super) struct Terms {
    pub(super) issuers: Issuers,
    pub(super) audiences: Vec<String>,
    pub(super) leeway: Duration,
    pub(super) names: Names,
    pub(super) required: Vec<Required>,
    pub(super) demands: Demands,
    pub(super) extra: Option<Extra>,
    /// Whether a token that is bound to a key is accepted without a proof.
    pub(super) ignores_binding: bool,
}

/// A claim that the profile of access tokens requires (RFC 9068, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Required {
    IssuedAt,
    Id,
    Client,
}

/// Deserializes claims into a custom type.
pub(super) type Extra = fn(&[u8]) -> Option<Arc<dyn Any + Send + Sync>>;

pub(super) fn extra<T: DeserializeOwned + Send + Sync + 'static>(claims: &[u8]) -> Option<Arc<dyn Any + Send + Sync>> {
    // The claims have passed the strict parser, so every parser reads the same values.
    serde_json::from_slice::<T>(claims).ok().map(|claims| Arc::new(claims) as _)
}

pub(super) const UNREADABLE: &str = "its claims cannot be read";
pub(super) const NO_SUBJECT: &str = "the subject is missing";

pub(super) const LIMITS: JsonLimits = JsonLimits::new().max_depth(32);

impl Terms {
    pub(super) fn read<'a>(&self, claims: &'a [u8]) -> Result<Raw<'a>, TokenError> {
        let mut raw = Raw::default();
        self.read_into(&mut raw, claims).map(|()| raw)
    }

    fn read_into<'a>(&self, raw: &mut Raw<'a>, claims: &'a [u8]) -> Result<(), TokenError> {
        let read = json::from_slice_seed(ReadInto(&self.names, raw), claims, &LIMITS);
        read.map_err(|_| TokenError::Malformed(UNREADABLE))
    }

    /// Checks everything except times.
    pub(super) fn judge(&self, claims: &[u8]) -> Result<Claims, TokenError> {
        let mut raw = Raw::default();
        self.read_into(&mut raw, claims)?;
        let issued = self.issuers.judge(raw.issuer.as_deref(), claims)?;
        self.issuers.check_subject(raw.subject.as_deref())?;
        self.demands.check_recipient(&self.audiences, &raw)?;
        let expires_at = raw.expires.ok_or(TokenError::BadClaim("exp is missing"))?.time();
        for required in &self.required {
            let (missing, what) = match required {
                Required::IssuedAt => (raw.issued.is_none(), "iat is missing"),
                Required::Id => (raw.id.is_none(), "jti is missing"),
                Required::Client => (raw.client.is_none(), "client_id is missing"),
            };
            if missing {
                return Err(TokenError::BadClaim(what));
            }
        }
        self.demands.check_values(&raw)?;
        self.demands.check_dates(&raw, expires_at)?;
        let extra = match self.extra {
            None => None,
            Some(read) => Some(
                read(claims)
                    .ok_or(TokenError::BadClaim("the claims do not match the type of TokenVerifierBuilder::claims"))?,
            ),
        };
        let (not_before, issued_at) = (raw.not_before.map(Date::time), raw.issued.map(Date::time));
        let client = raw.named_client.take().or_else(|| raw.client.take());
        let (session_id, client_id) = (raw.session.take().map(Arc::from), client.map(Arc::from));
        let odd_id = raw.odd_id;
        let confirmation = raw.confirmation.take().map(|claim| {
            let read = Confirmation::read(&claim);
            Arc::new(if self.ignores_binding { read.ignored() } else { read })
        });
        let principal = principal(&mut raw, issued, extra)?;
        Ok(Claims { principal, expires_at, not_before, issued_at, session_id, client_id, odd_id, confirmation })
    }

    /// Checks what may have changed since a token was judged: the time, and whether its tenant is accepted.
    pub(super) fn again(&self, claims: Claims, now: SystemTime) -> Result<Claims, TokenError> {
        if claims.principal.issuer().is_some_and(|issuer| !self.issuers.still_take(issuer)) {
            return Err(TokenError::WrongIssuer);
        }
        self.in_time(claims, now)
    }

    pub(super) fn in_time(&self, claims: Claims, now: SystemTime) -> Result<Claims, TokenError> {
        // A token is valid before `exp`, and expired at `exp` (RFC 7519, section 4.1.4).
        let late = now.duration_since(claims.expires_at).is_ok_and(|late| late >= self.leeway);
        if late {
            return Err(TokenError::Expired);
        }
        let early = claims.not_before.and_then(|start| start.duration_since(now).ok());
        if early.is_some_and(|early| early > self.leeway) {
            return Err(TokenError::NotYetValid);
        }
        self.demands.check_age(&claims, now, self.leeway)?;
        Ok(claims)
    }

    /// Returns the holder of a token with a valid signature, even if another check failed.
    pub(super) fn holder(&self, claims: &[u8]) -> Option<Principal> {
        let raw = self.read(claims).ok()?;
        let issuer = self.issuers.named_or_first(raw.issuer.as_deref());
        let builder = Principal::builder(raw.subject.unwrap_or_default()).method(AuthMethod::Token);
        // A refused token is charged to the budget of its key, as an accepted one is.
        let builder = exchanged_for(builder.issuer(issuer), raw.key).ok()?;
        Some(match raw.id {
            Some(id) => builder.credential_id(id).build(),
            None => builder.build(),
        })
    }
}

fn principal(
    raw: &mut Raw<'_>,
    issued: Issued,
    extra: Option<Arc<dyn Any + Send + Sync>>,
) -> Result<Principal, TokenError> {
    let subject = raw.subject.take().ok_or(TokenError::BadClaim(NO_SUBJECT))?;
    let mut builder = Principal::builder(subject).method(AuthMethod::Token);
    if let Some(merged) = raw.merged(Part::Scopes) {
        builder = builder.scopes(merged);
    } else if !raw.scopes.is_none() {
        builder = builder.scopes(raw.scopes.words());
    }
    if let Some(merged) = raw.merged(Part::Roles) {
        builder = builder.roles(merged);
    } else if !raw.roles.is_none() {
        builder = builder.roles(raw.roles.iter());
    }
    // The tenant may also be in a claim of organisations.
    if let Some(merged) = raw.merged(Part::Organizations) {
        let tenant = issued.tenant().filter(|tenant| !merged.contains(tenant));
        builder = builder.organizations(merged.into_iter().chain(tenant));
    } else if !raw.organizations.is_none() || issued.tenant().is_some() {
        let tenant = issued.tenant().filter(|tenant| raw.organizations.iter().all(|known| known != *tenant));
        builder = builder.organizations(raw.organizations.iter().chain(tenant));
    }
    builder = builder.issuer(issued.issuer);
    if let Some(account) = raw.account.take() {
        builder = builder.account(account);
    }
    if let Some(plan) = raw.plan.take() {
        builder = builder.plan(plan);
    }
    if let Some(id) = raw.id.take() {
        builder = builder.credential_id(id);
    }
    if let Some(acr) = raw.acr.take() {
        builder = builder.acr(acr);
    }
    if let Some(time) = raw.logged_in {
        builder = builder.logged_in_at(time.time());
    }
    if let Some(extra) = extra {
        builder = builder.claims(extra);
    }
    if let Some(stored) = raw.limits.take() {
        // A limit that cannot be counted must not be ignored.
        let limits =
            Limits::from_json(&stored).map_err(|_| TokenError::BadClaim("the limits of the caller cannot be read"))?;
        builder = builder.limits(limits);
    }
    exchanged_for(builder, raw.key.take()).map(PrincipalBuilder::build)
}

/// Sets the key whose bucket the token shares.
fn exchanged_for(builder: PrincipalBuilder, key: Option<Cow<'_, str>>) -> Result<PrincipalBuilder, TokenError> {
    match key {
        None => Ok(builder),
        // All tokens with an empty id would share one bucket.
        Some(id) if id.trim().is_empty() => Err(TokenError::BadClaim("the id of the exchanged key is empty")),
        Some(id) => Ok(builder.first_id(id.into_owned())),
    }
}
