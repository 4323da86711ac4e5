//! The metadata of an authorization server (RFC 8414).

use serde_json::{Map, Value, json};

use super::grants::{CLIENT_CREDENTIALS, REFRESH_TOKEN, TOKEN_EXCHANGE};
use crate::{
    ConfigError,
    base::url::{self, origin},
};

/// What the metadata say.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    /// The URL of the endpoints, without a slash at the end.
    pub(super) base: String,
    pub(super) exchanges_tokens: bool,
    pub(super) has_keys: bool,
    pub(super) has_introspection: bool,
    pub(super) scopes: Option<Vec<String>>,
    /// The algorithms of proofs (RFC 9449, section 5.1).
    pub(super) proof_algorithms: Option<Vec<String>>,
}

impl Metadata {
    /// Returns the document.
    pub(super) fn document(&self) -> String {
        let Self { issuer, base, .. } = self;
        let methods =
            if self.has_keys { json!(["client_secret_basic", "client_secret_post", "none"]) } else { json!(["none"]) };
        let grants = [
            Some(REFRESH_TOKEN),
            self.exchanges_tokens.then_some(TOKEN_EXCHANGE),
            self.has_keys.then_some(CLIENT_CREDENTIALS),
        ];
        let of_introspection = self.has_introspection.then(|| json!(format!("{base}/introspect")));
        let secrets =
            (self.has_introspection && self.has_keys).then(|| json!(["client_secret_basic", "client_secret_post"]));
        let members = [
            ("issuer", Some(json!(issuer))),
            ("token_endpoint", Some(json!(format!("{base}/token")))),
            ("jwks_uri", Some(json!(format!("{}/.well-known/jwks.json", origin(base))))),
            ("scopes_supported", self.scopes.as_ref().map(|scopes| json!(scopes))),
            ("response_types_supported", Some(json!([]))),
            ("grant_types_supported", Some(grants.into_iter().flatten().collect())),
            ("token_endpoint_auth_methods_supported", Some(methods.clone())),
            ("revocation_endpoint", Some(json!(format!("{base}/revoke")))),
            ("revocation_endpoint_auth_methods_supported", Some(methods)),
            ("introspection_endpoint", of_introspection),
            ("introspection_endpoint_auth_methods_supported", secrets),
            ("dpop_signing_alg_values_supported", self.proof_algorithms.as_ref().map(|names| json!(names))),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::from(members.collect::<Map<_, _>>()).to_string()
    }

    /// Returns the path of the issuer, which the path of the document ends with (RFC 8414, section 3.1).
    pub(super) fn path_of_issuer(&self) -> &str {
        self.issuer[origin(&self.issuer).len()..].trim_end_matches('/')
    }
}

/// Checks an address of the authorization server (RFC 8414, section 2).
pub(super) fn check(url: &str, what: &str) -> Result<(), ConfigError> {
    let example = "use a URL such as https://api.example.com/v1/auth, without a query";
    url::check_without_query(url, what, example).map(drop)
}
