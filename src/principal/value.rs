use std::{
    any::Any,
    fmt,
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use super::method::AuthMethod;
use crate::limit::{BucketKey, Limits};

/// The authenticated caller. A principal never contains the credential itself.
///
/// Cloning increments one reference count. Handlers get the principal from
/// [`RequestExt::principal`](crate::RequestExt::principal), or as an axum extractor (feature `axum`). Tests and custom
/// authenticators create one with [`builder`](Self::builder).
///
/// ```
/// use tower_auth::Principal;
///
/// let alice = Principal::builder("alice").account("acme").scopes(["read"]).roles(["admin"]).build();
/// assert_eq!(alice.subject(), "alice");
/// assert!(alice.has_scope("read") && !alice.has_scope("write"));
/// assert!(alice.has_role("admin"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Principal(pub(super) Arc<Facts>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) subject: String,
    pub(super) account: Option<String>,
    pub(super) organizations: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) roles: Vec<String>,
    pub(super) plan: Option<String>,
    pub(super) method: AuthMethod,
    pub(super) credential_id: Option<String>,
    pub(super) credential_hint: Option<String>,
    /// The id of the first key in the chain of rotations that led to this key, or to the key of an exchanged token.
    pub(super) first_id: Option<String>,
    /// The issuer of the token. A subject is unique only within its issuer (RFC 7519, section 4.1.2).
    pub(super) issuer: Option<Arc<str>>,
    pub(super) claims: Option<Extra>,
    pub(super) limits: Option<Limits>,
    /// How strong the login was.
    pub(super) acr: Option<String>,
    pub(super) logged_in_at: Option<SystemTime>,
    pub(super) bucket: Remembered,
}

/// The bucket of the credential, computed on first use. It does not take part in comparisons.
#[derive(Clone, Debug, Default)]
pub(super) struct Remembered(OnceLock<BucketKey>);

impl PartialEq for Remembered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Remembered {}

/// Claims in a custom type.
#[derive(Clone)]
pub(super) struct Extra(pub(super) Arc<dyn Any + Send + Sync>);

impl PartialEq for Extra {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Extra {}

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Extra(..)")
    }
}

impl Principal {
    /// Returns the subject: the name of the caller.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// Returns the account that pays for the caller's requests.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.0.account.as_deref()
    }

    /// Returns the organisations of which the caller is a member.
    #[must_use]
    pub fn organizations(&self) -> &[String] {
        &self.0.organizations
    }

    /// Returns the scopes granted to the credential (RFC 6749, section 3.3).
    #[must_use]
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// Returns the roles of the caller.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Returns the name of the plan that limits the caller.
    #[must_use]
    pub fn plan(&self) -> Option<&str> {
        self.0.plan.as_deref()
    }

    /// Returns the limits for this caller, if any. They replace the limits of the plan. The holder of a key whose stored
    /// limits cannot be read has none here, but every use of that key is refused
    /// ([`KeyRecord::limits_from_json`](crate::KeyRecord::limits_from_json)).
    #[must_use]
    pub fn limits(&self) -> Option<&Limits> {
        self.0.limits.as_ref()
    }

    /// Returns the authentication method that identified the caller.
    #[must_use]
    pub fn method(&self) -> &AuthMethod {
        &self.0.method
    }

    /// Returns the id of the key or token, never the secret.
    #[must_use]
    pub fn credential_id(&self) -> Option<&str> {
        self.0.credential_id.as_deref()
    }

    /// Returns a few characters of the key, such as `ak_…x9Yz`, by which the owner recognises the key.
    #[must_use]
    pub fn credential_hint(&self) -> Option<&str> {
        self.0.credential_hint.as_deref()
    }

    /// Returns the class of the login that led to the token (`acr`; RFC 9470, section 6), such as `urn:example:mfa`.
    ///
    /// ```
    /// use tower_auth::Principal;
    ///
    /// let alice = Principal::builder("alice").acr("urn:example:mfa").build();
    /// assert_eq!(alice.acr(), Some("urn:example:mfa"));
    /// ```
    #[must_use]
    pub fn acr(&self) -> Option<&str> {
        self.0.acr.as_deref()
    }

    /// Returns the time at which the user logged in (`auth_time`; RFC 9470, section 6). A token may be much younger: it may be
    /// from a refresh.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_auth::Principal;
    ///
    /// let login = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    /// assert_eq!(Principal::builder("alice").logged_in_at(login).build().logged_in_at(), Some(login));
    /// ```
    #[must_use]
    pub fn logged_in_at(&self) -> Option<SystemTime> {
        self.0.logged_in_at
    }

    /// Returns additional claims of a custom type, or `None` if the type differs. The claims were set by
    /// [`PrincipalBuilder::claims`](crate::PrincipalBuilder::claims) or, for tokens, by the builder method `claims` of the token verifier.
    ///
    /// ```
    /// use tower_auth::Principal;
    ///
    /// struct Department(String);
    ///
    /// let alice = Principal::builder("alice").claims(std::sync::Arc::new(Department("sales".to_owned()))).build();
    /// assert_eq!(alice.claims::<Department>().unwrap().0, "sales");
    /// assert!(alice.claims::<String>().is_none());
    /// ```
    #[must_use]
    pub fn claims<T: 'static>(&self) -> Option<&T> {
        self.0.claims.as_ref()?.0.downcast_ref()
    }

    /// Returns whether the credential was granted exactly this scope. Here, no scope implies another; see
    /// [`ScopeHierarchy`](crate::permission::ScopeHierarchy).
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.iter().any(|s| s == scope)
    }

    /// Returns whether the caller has this role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|r| r == role)
    }

    /// Returns whether the caller is a member of this organisation.
    #[must_use]
    pub fn is_member_of(&self, organization: &str) -> bool {
        self.0.organizations.iter().any(|o| o == organization)
    }

    /// Returns the issuer of the token (`iss`), or the issuer that a custom authenticator has set. A subject is unique
    /// only within its issuer: `42` at two issuers is two callers.
    ///
    /// ```
    /// use tower_auth::Principal;
    ///
    /// /// The key under which a service stores the data of a caller.
    /// fn owner(who: &Principal) -> String {
    ///     format!("{} {}", who.issuer().unwrap_or("local"), who.subject())
    /// }
    ///
    /// let staff = Principal::builder("42").issuer("https://staff.example.com/").build();
    /// let customer = Principal::builder("42").issuer("https://id.example.com/").build();
    /// assert_ne!(owner(&staff), owner(&customer));
    /// ```
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Returns whether both are clones of one principal.
    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the bucket for limits per credential. An API key is counted by the id of the first key in its chain of
    /// rotations, and so is a token that was exchanged for it. Another token is counted by its subject, because a new token
    /// of the same subject is not a new caller.
    pub(crate) fn bucket(&self) -> BucketKey {
        let facts = &*self.0;
        let own = || facts.credential_id.as_ref().filter(|_| facts.method == AuthMethod::ApiKey);
        *facts.bucket.0.get_or_init(|| match (&facts.method, facts.first_id.as_ref().or_else(own)) {
            (_, Some(id)) => BucketKey::new(["key", id]),
            (AuthMethod::Other(method), _) => {
                let issuer = facts.issuer.as_deref().unwrap_or_default();
                BucketKey::new(["subject", "other", method, issuer, &facts.subject])
            }
            (method, _) => {
                let issuer = facts.issuer.as_deref().unwrap_or_default();
                BucketKey::new(["subject", &method.to_string(), issuer, &facts.subject])
            }
        })
    }

    /// Returns the id of the first key in the chain of rotations, for a later key of it and for a token exchanged for a key.
    pub(crate) fn first_id(&self) -> Option<&str> {
        self.0.first_id.as_deref()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("subject", &self.0.subject)
            .field("issuer", &self.0.issuer)
            .field("account", &self.0.account)
            .field("organizations", &self.0.organizations)
            .field("scopes", &self.0.scopes)
            .field("roles", &self.0.roles)
            .field("plan", &self.0.plan)
            .field("method", &self.0.method)
            .field("credential_id", &self.0.credential_id)
            .finish_non_exhaustive()
    }
}
