use std::{any::Any, borrow::Cow, sync::Arc, time::SystemTime};

use super::{
    method::AuthMethod,
    value::{Extra, Facts, Principal, Remembered},
};
use crate::limit::Limits;

/// Builds a [`Principal`]. Each setter replaces the previous value.
///
/// ```
/// use tower_auth::{AuthMethod, Principal};
///
/// let mesh = Principal::builder("spiffe://prod/billing").method(AuthMethod::Other("mtls".into())).build();
/// assert_eq!(mesh.method().to_string(), "mtls");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct PrincipalBuilder(Facts);

impl PrincipalBuilder {
    /// Sets the account; see [`Principal::account`].
    pub fn account(self, account: impl Into<String>) -> Self {
        self.set(|facts| facts.account = Some(account.into()))
    }

    /// Sets the organisations; see [`Principal::organizations`].
    pub fn organizations<S: Into<String>>(self, organizations: impl IntoIterator<Item = S>) -> Self {
        self.set(|facts| facts.organizations = strings(organizations))
    }

    /// Sets the scopes; see [`Principal::scopes`].
    pub fn scopes<S: Into<String>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.set(|facts| facts.scopes = strings(scopes))
    }

    /// Sets the roles; see [`Principal::roles`].
    pub fn roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        self.set(|facts| facts.roles = strings(roles))
    }

    /// Sets the plan; see [`Principal::plan`].
    pub fn plan(self, plan: impl Into<String>) -> Self {
        self.set(|facts| facts.plan = Some(plan.into()))
    }

    /// Sets the class of the login; see [`Principal::acr`].
    pub fn acr(self, acr: impl Into<String>) -> Self {
        self.set(|facts| facts.acr = Some(acr.into()))
    }

    /// Sets the time of the login; see [`Principal::logged_in_at`].
    pub fn logged_in_at(self, time: SystemTime) -> Self {
        self.set(|facts| facts.logged_in_at = Some(time))
    }

    /// Sets the authentication method; see [`Principal::method`].
    pub fn method(self, method: AuthMethod) -> Self {
        self.set(|facts| facts.method = method)
    }

    /// Sets the credential id; see [`Principal::credential_id`].
    pub fn credential_id(self, id: impl Into<String>) -> Self {
        self.set(|facts| facts.credential_id = Some(id.into()))
    }

    /// Sets the hint of the key; see [`Principal::credential_hint`]. Use only a few characters, because logs show the
    /// hint.
    pub fn credential_hint(self, hint: impl Into<String>) -> Self {
        self.set(|facts| facts.credential_hint = Some(hint.into()))
    }

    /// Sets the limits; see [`Principal::limits`]. `None` is the limits of the plan.
    pub fn limits(self, limits: impl Into<Option<Limits>>) -> Self {
        self.set(|facts| facts.limits = limits.into())
    }

    /// Sets the additional claims; see [`Principal::claims`].
    pub fn claims(self, claims: Arc<dyn Any + Send + Sync>) -> Self {
        self.set(|facts| facts.claims = Some(Extra(claims)))
    }

    /// Sets the issuer; see [`Principal::issuer`].
    pub fn issuer(self, issuer: impl Into<Arc<str>>) -> Self {
        self.set(|facts| facts.issuer = Some(issuer.into()))
    }

    /// Sets the id of the key that replaces the current one. The first id of the chain is kept for the bucket.
    pub(crate) fn succeeding(self, id: &str) -> Self {
        self.set(|facts| {
            let before = facts.credential_id.replace(id.to_owned());
            facts.first_id = facts.first_id.take().or(before);
        })
    }

    pub(crate) fn first_id(self, id: String) -> Self {
        self.set(|facts| facts.first_id = Some(id))
    }

    pub(crate) fn subject(self, subject: impl Into<String>) -> Self {
        self.set(|facts| facts.subject = subject.into())
    }

    /// Builds the principal.
    #[must_use]
    pub fn build(self) -> Principal {
        Principal(Arc::new(self.0))
    }

    fn set(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(&mut self.0);
        self
    }
}

impl Principal {
    /// Returns a builder for a principal with this subject: the user, key owner or service that the credential
    /// identifies.
    pub fn builder(subject: impl Into<String>) -> PrincipalBuilder {
        PrincipalBuilder(Facts {
            subject: subject.into(),
            account: None,
            organizations: Vec::new(),
            scopes: Vec::new(),
            roles: Vec::new(),
            plan: None,
            method: AuthMethod::Other(Cow::Borrowed("custom")),
            credential_id: None,
            credential_hint: None,
            first_id: None,
            issuer: None,
            claims: None,
            limits: None,
            acr: None,
            logged_in_at: None,
            bucket: Remembered::default(),
        })
    }

    /// Returns a builder with the values of this principal.
    ///
    /// ```
    /// use tower_auth::Principal;
    ///
    /// let alice = Principal::builder("alice").roles(["admin"]).build();
    /// assert!(alice.to_builder().roles(["reader"]).build().has_role("reader"));
    /// ```
    pub fn to_builder(&self) -> PrincipalBuilder {
        self.clone().edit()
    }

    pub(crate) fn edit(self) -> PrincipalBuilder {
        let mut facts = Arc::unwrap_or_clone(self.0);
        facts.bucket = Remembered::default();
        PrincipalBuilder(facts)
    }
}

/// Returns the texts as owned ones.
pub(crate) fn strings<S: Into<String>>(all: impl IntoIterator<Item = S>) -> Vec<String> {
    all.into_iter().map(Into::into).collect()
}
