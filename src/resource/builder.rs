use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use super::service::{ProtectedResource, Published, WELL_KNOWN};
use crate::{
    ConfigError, Rules, TokenVerifier,
    base::{challenges::may_be_named, url},
    key::sha256,
};

/// Builds a [`ProtectedResource`].
///
/// ```
/// use tower_auth::resource::ProtectedResource;
///
/// let resource = ProtectedResource::builder("https://api.example.com/mcp")
///     .issuer("https://id.example.com/")
///     .scopes(["notes:read"])
///     .name("Notes")
///     .member("resource_name#de", "Notizen")
///     .documentation("https://api.example.com/docs")
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct ProtectedResourceBuilder {
    resource: String,
    issuers: Vec<String>,
    scopes: Vec<String>,
    /// The other members, in the order in which they were set.
    members: Vec<(String, Value)>,
    at_root: bool,
    /// The first error.
    fault: Option<ConfigError>,
}

/// Members that have methods of their own.
const OWN: [(&str, &str); 4] = [
    ("resource", "ProtectedResource::builder"),
    ("authorization_servers", "issuer(..) or verifier(..)"),
    ("scopes_supported", "scopes(..) or rules(..)"),
    ("bearer_methods_supported", "no method: it is always [\"header\"]"),
];

impl ProtectedResource {
    /// Returns a builder for the resource with this identifier: the URL of the service, as its users type it. The [module
    /// page](crate::resource#the-identifier) says how to write it.
    pub fn builder(resource: &str) -> ProtectedResourceBuilder {
        ProtectedResourceBuilder {
            resource: resource.to_owned(),
            issuers: Vec::new(),
            scopes: Vec::new(),
            members: Vec::new(),
            at_root: true,
            fault: None,
        }
    }
}

impl ProtectedResourceBuilder {
    /// Adds the issuers of this verifier as authorization servers.
    ///
    /// Clients find the metadata of an authorization server by its issuer. An issuer that is not a URL, such as the other name
    /// of one that is, is left out. If there is no other, or only a template of issuers, [`build`](Self::build) fails: name
    /// the authorization servers with [`issuer`](Self::issuer) instead.
    pub fn verifier(mut self, tokens: &TokenVerifier) -> Self {
        let (usable, others): (Vec<&str>, Vec<&str>) = tokens.issuers().partition(|issuer| check(issuer).is_ok());
        match (usable.is_empty(), others.first()) {
            (true, Some(issuer)) if issuer.contains('{') => self.faulty(ConfigError::new(
                format!("the issuer {issuer:?} is a template, by which clients find no authorization server"),
                "call issuer(..) with each authorization server, and not verifier(..)",
            )),
            (true, Some(issuer)) => self.issuer(issuer),
            _ => {
                for issuer in usable {
                    self = self.issuer(issuer);
                }
                self
            }
        }
    }

    /// Adds an authorization server by its issuer, which is published exactly as it is: clients compare it as a string.
    pub fn issuer(mut self, issuer: &str) -> Self {
        match check(issuer) {
            Err(fault) => return self.faulty(fault),
            Ok(()) if self.issuers.iter().any(|known| known == issuer) => {}
            Ok(()) => self.issuers.push(issuer.to_owned()),
        }
        self
    }

    /// Adds the [scopes of these rules](Rules::scopes). If some of them are for few users, see
    /// [Scopes](crate::resource#scopes).
    pub fn rules(mut self, rules: &Rules) -> Self {
        for scope in rules.scopes() {
            self.add_scope(scope);
        }
        self
    }

    /// Adds scopes: those with which clients should begin.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        for scope in scopes.into_iter().map(Into::into) {
            if !may_be_named(&scope) {
                return self.faulty(ConfigError::new(
                    format!("the protected resource was given the scope {scope:?}, which no metadata may name"),
                    "name scopes of the service, without spaces, such as `notes:read`; clients ask for offline_access themselves",
                ));
            }
            self.add_scope(scope);
        }
        self
    }

    fn add_scope(&mut self, scope: String) {
        if !self.scopes.contains(&scope) {
            self.scopes.push(scope);
        }
    }

    /// Sets the name of the service for its users (`resource_name`). [`member`](Self::member) sets it in other languages.
    pub fn name(self, name: &str) -> Self {
        self.member("resource_name", name)
    }

    /// Sets the URL of the documentation for developers (`resource_documentation`).
    pub fn documentation(self, url: &str) -> Self {
        self.page("resource_documentation", url)
    }

    /// Sets the URL of the page that says how clients may use the data (`resource_policy_uri`).
    pub fn policy_uri(self, url: &str) -> Self {
        self.page("resource_policy_uri", url)
    }

    /// Sets the URL of the terms of service (`resource_tos_uri`).
    pub fn tos_uri(self, url: &str) -> Self {
        self.page("resource_tos_uri", url)
    }

    fn page(self, member: &'static str, page: &str) -> Self {
        match url::check(page, member, "use the URL of a page that users can open") {
            Ok(_) => self.member(member, page),
            Err(fault) => self.faulty(fault),
        }
    }

    /// Sets the algorithms of the proofs that the service takes with tokens that are bound to a key
    /// (`dpop_signing_alg_values_supported`; RFC 9449), such as `ES256`.
    pub fn dpop_algorithms<'a>(self, algorithms: impl IntoIterator<Item = &'a str>) -> Self {
        let algorithms: Vec<&str> = algorithms.into_iter().collect();
        let is_bad = |name: &&&str| **name == "none" || name.starts_with("HS") || !may_be_named(name);
        if let Some(bad) = algorithms.iter().find(is_bad) {
            let fault = ConfigError::new(
                format!("the algorithm {bad:?} makes no proof of possession"),
                "name asymmetric algorithms, such as ES256 and EdDSA",
            );
            return self.faulty(fault);
        }
        self.member("dpop_signing_alg_values_supported", algorithms)
    }

    /// Says that the service takes only tokens that are bound to a key (`dpop_bound_access_tokens_required`; RFC 9449). It
    /// says so, and checks nothing.
    pub fn dpop_required(self) -> Self {
        self.member("dpop_bound_access_tokens_required", true)
    }

    /// Says that the service takes tokens that are bound to a certificate (`tls_client_certificate_bound_access_tokens`; RFC
    /// 8705). It says so, and checks nothing.
    pub fn certificate_bound_tokens(self) -> Self {
        self.member("tls_client_certificate_bound_access_tokens", true)
    }

    /// Sets any other member. A language is a part of the name, such as `resource_name#de` (RFC 9728, section 2.1). An empty
    /// list, or a value that is `null`, is left out.
    ///
    /// ```
    /// use tower_auth::resource::ProtectedResource;
    ///
    /// let resource = ProtectedResource::builder("https://api.example.com")
    ///     .issuer("https://id.example.com")
    ///     .member("resource_name#de", "Notizen")
    ///     .member("authorization_details_types_supported", ["payment"])
    ///     .member("jwks_uri", None::<String>)
    ///     .build()?;
    /// assert!(resource.document().contains(r#""resource_name#de":"Notizen""#));
    /// assert!(!resource.document().contains("jwks_uri"));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn member(mut self, name: &str, value: impl Serialize) -> Self {
        let wrong = |what: &str, help: String| ConfigError::new(format!("the member {name:?} {what}"), help);
        if let Some((_, method)) = OWN.iter().find(|(own, _)| *own == name) {
            return self.faulty(wrong("is not set with member(..)", format!("use {method}")));
        }
        if self.members.iter().any(|(known, _)| known == name) {
            return self.faulty(wrong("is set twice", "set it once".to_owned()));
        }
        match serde_json::to_value(value) {
            Err(_) => return self.faulty(wrong("is no JSON", "use a text, a number, a list or a struct".to_owned())),
            Ok(Value::Null) => {}
            Ok(Value::Array(list)) if list.is_empty() => {}
            Ok(value) => self.members.push((name.to_owned(), value)),
        }
        self
    }

    /// Answers only at the address with the path of the resource, because the host has other resources, one of which is at
    /// `/.well-known/oauth-protected-resource` alone.
    pub const fn not_at_root(mut self) -> Self {
        self.at_root = false;
        self
    }

    /// Builds the document.
    ///
    /// # Errors
    /// If the identifier is not absolute, or neither `https` nor on the own machine, or has a query, a fragment, a user, or
    /// capitals in its scheme or host; if there is no authorization server; if a setting above is wrong.
    pub fn build(self) -> Result<ProtectedResource, ConfigError> {
        self.fault.map_or(Ok(()), Err)?;
        let resource = self.resource;
        let example = "use the URL of the service as its users type it, such as https://api.example.com/mcp";
        let wrong = |why: &str| ConfigError::new(format!("the protected resource {resource:?} {why}"), example);
        let path = url::check_without_query(&resource, "the protected resource", example)?.path().to_owned();
        let origin = url::origin(&resource);
        if origin.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("has capitals in its scheme or host, which clients compare as they are"));
        }
        if self.issuers.is_empty() {
            return Err(ConfigError::new(
                format!(
                    "the protected resource {resource:?} names no authorization server, so that clients get no token"
                ),
                "call verifier(..) or issuer(..)",
            ));
        }
        let trimmed = path.trim_end_matches('/');
        if trimmed.is_empty() && !self.at_root {
            return Err(wrong("has no path, so that its metadata are at the root and nowhere else"));
        }
        if !trimmed.is_empty() && trimmed != path {
            tracing::warn!(
                target: "tower_auth",
                %resource,
                "the identifier of the protected resource ends with a slash: clients stop if their users type it without"
            );
        }
        // A lone slash behind the host is no path (RFC 9728, section 3.1).
        let url = format!("{origin}{WELL_KNOWN}{}", if trimmed.is_empty() { "" } else { &path });
        let path = trimmed.to_owned();
        let lists = [("authorization_servers", self.issuers), ("scopes_supported", self.scopes)];
        let lists =
            lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| (name, Value::from(list)));
        let own = [("resource", Value::from(&*resource))].into_iter().chain(lists);
        let own = own.chain([("bearer_methods_supported", Value::from(vec!["header"]))]);
        let document = text(own.map(|(name, value)| (name.to_owned(), value)).chain(self.members));
        let digest = sha256(document.as_bytes());
        Ok(ProtectedResource(Arc::new(Published { resource, url, path, at_root: self.at_root, document, digest })))
    }

    fn faulty(mut self, fault: ConfigError) -> Self {
        self.fault.get_or_insert(fault);
        self
    }
}

/// Checks the issuer of an authorization server (RFC 8414, section 2).
fn check(issuer: &str) -> Result<(), ConfigError> {
    let example = "use the issuer of the authorization server, such as https://id.example.com/; tokens whose issuer is not a \
                   URL belong to no authorization server that clients can find";
    url::check_without_query(issuer, "the issuer", example).map(drop)
}

/// Writes the members in this order.
fn text(members: impl Iterator<Item = (String, Value)>) -> String {
    let members: Vec<String> = members.map(|(name, value)| format!("{}:{value}", Value::from(name))).collect();
    format!("{{{}}}", members.join(","))
}
