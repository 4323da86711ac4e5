//! The settings of the client.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body::Body;
use http_body_util::Empty;
use tower_service::Service;

use super::{
    carried::Token,
    client::JwksClient,
    discovery::Metadata,
    get::{InTokio, Over},
    https::Https,
};
use crate::{BoxError, ConfigError, Secret, base::credential};

/// Headers that the client sets by itself, or that belong to the connection.
const OWN: [HeaderName; 8] = [
    header::ACCEPT,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
];

impl JwksClient {
    /// Sends requests through this tower service instead of the built-in client. The service must not follow redirects.
    pub fn with_service<S, B>(mut self, service: S) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        self.get = Ok(Arc::new(Over::new(service)));
        self.foreign = true;
        self.check_roots()
    }

    /// Allows another host for the key set of a discovered issuer. The host of the issuer itself is always allowed.
    pub fn jwks_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into());
        self
    }

    /// Allows `http:` URLs. An attacker on the network path can then replace the keys. Use it only for tests and for
    /// trusted networks.
    pub fn insecure_http(self) -> Self {
        Self { insecure: true, ..self }
    }

    /// Fetches the metadata of the issuer from this URL, and not from one below the issuer. Use it for issuers whose metadata
    /// are elsewhere: those of a policy, of another host, or of many tenants. The metadata must still name exactly the
    /// issuer of [`discover`](Self::discover), and the issuer need not be a URL.
    ///
    /// The key set must be on the host of this URL, or on a [`jwks_host`](Self::jwks_host).
    ///
    /// ```
    /// use tower_auth::{TokenVerifier, jwks::JwksClient, token::Tenants};
    ///
    /// const ISSUER: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";
    /// let keys = JwksClient::discover(ISSUER)
    ///     .metadata_at("https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration");
    /// let tokens = TokenVerifier::source(ISSUER, keys)
    ///     .tenants(Tenants::only(["5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11"]).guids())
    ///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10")
    ///     .typ(["JWT"])
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn metadata_at(self, url: impl Into<String>) -> Self {
        self.metadata_from("metadata_at", Metadata::At(url.into()))
    }

    /// Looks for the metadata of the issuer at all well-known places: where RFC 8414 puts it, first for OAuth and then for
    /// `OpenID` Connect, and then below the issuer. The next place is tried if a server answers 404, and no other answer; the place
    /// that had the metadata is remembered.
    ///
    /// For `https://id.example.com/a`, the places are `/.well-known/oauth-authorization-server/a`,
    /// `/.well-known/openid-configuration/a` and `/a/.well-known/openid-configuration`. Without this setting, only the last is
    /// asked, which costs one request less.
    ///
    /// ```
    /// use tower_auth::{TokenVerifier, jwks::JwksClient};
    ///
    /// const ISSUER: &str = "https://example.okta.com/oauth2/default";
    /// let keys = JwksClient::discover(ISSUER).rfc8414();
    /// let tokens = TokenVerifier::source(ISSUER, keys).audience("api://default").build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn rfc8414(self) -> Self {
        self.metadata_from("rfc8414", Metadata::Anywhere(Arc::default()))
    }

    fn metadata_from(mut self, method: &str, metadata: Metadata) -> Self {
        match self.found_by_metadata() {
            Some(place @ Metadata::Below) => *place = metadata,
            Some(_) => self.fault(ConfigError::new(
                format!("JwksClient::{method} was called after another setting of the place of metadata"),
                "call either metadata_at or rfc8414, once",
            )),
            None => self.fault(ConfigError::new(
                format!("JwksClient::{method} was called for the URL of a key set, which needs no metadata"),
                "remove the call, or begin with JwksClient::discover and the issuer",
            )),
        }
        self
    }

    /// Sends this `User-Agent`, without which some servers refuse every request. By default there is none.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        match HeaderValue::try_from(name.into()) {
            Ok(name) => self.carried.agent = Some(name),
            Err(_) => self.fault(unsendable("user_agent", "use a name such as my-service/1.0")),
        }
        self
    }

    /// Sends this header too, such as the key of a gateway. Only the server of the configured URL gets it, and not another host
    /// that the issuer's metadata name.
    ///
    /// ```
    /// use tower_auth::{Secret, jwks::JwksClient};
    ///
    /// let keys = JwksClient::new("https://id.example.com/jwks.json").header("x-gateway-key", &Secret::new("a key"));
    /// assert!(!format!("{keys:?}").contains("a key"));
    /// ```
    pub fn header(mut self, name: &str, value: &Secret) -> Self {
        match (HeaderName::try_from(name), HeaderValue::try_from(value.expose())) {
            (Ok(name), _) if credential::is_authorization(&name) || OWN.contains(&name) => {
                let what = format!("JwksClient::header got {name:?}, which the client sets by itself");
                self.fault(ConfigError::new(what, "call bearer or bearer_file for a token, and user_agent for a name"));
            }
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                self.carried.more.append(name, value);
            }
            _ => self.fault(unsendable("header", "use a name of ASCII letters and a value on one line")),
        }
        self
    }

    /// Sends this token as `Authorization: Bearer`, for a server that identifies its callers. Only the server of the
    /// configured URL gets it, and not another host that the issuer's metadata name.
    ///
    /// ```
    /// use tower_auth::{Secret, jwks::JwksClient};
    ///
    /// let keys = JwksClient::new("https://id.example.com/jwks.json").bearer(&Secret::new("a token"));
    /// assert!(!format!("{keys:?}").contains("a token"));
    /// ```
    pub fn bearer(mut self, token: &Secret) -> Self {
        if let Some((name, value)) = credential::bearer(token) {
            return self.token(Token::Fixed(name, value));
        }
        self.fault(unsendable("bearer", "use the token alone, on one line"));
        self
    }

    /// Sends the token in this file as [`bearer`](Self::bearer) does. The file is read for each fetch, because such tokens
    /// expire and are replaced: the token of a Kubernetes service account is one. White space around the token is ignored.
    /// It must be a small regular file that can be read when the verifier is built.
    ///
    /// ```no_run
    /// use tower_auth::{BoxError, TokenVerifier, jwks::JwksClient};
    ///
    /// const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    /// let issuer = "https://kubernetes.default.svc.cluster.local";
    /// let keys = JwksClient::new("https://kubernetes.default.svc/openid/v1/jwks")
    ///     .root_certificate_pem(std::fs::read(format!("{ACCOUNT}/ca.crt"))?)
    ///     .bearer_file(format!("{ACCOUNT}/token"));
    /// let tokens = TokenVerifier::source(issuer, keys).audience("my-service").allow_missing_typ().build()?;
    /// # Ok::<_, BoxError>(())
    /// ```
    pub fn bearer_file(self, path: impl Into<PathBuf>) -> Self {
        self.token(Token::File(path.into()))
    }

    fn token(mut self, token: Token) -> Self {
        if self.carried.token.replace(token).is_some() {
            self.fault(ConfigError::new(
                "the JwksClient has two tokens, and would send only the second",
                "call either bearer or bearer_file, once",
            ));
        }
        self
    }

    /// Trusts the certificates in this PEM, and no longer those of the operating system. Use it for a server whose certificate
    /// comes from an authority of your own, such as that of a Kubernetes cluster. Several calls add up.
    ///
    /// ```no_run
    /// use tower_auth::jwks::JwksClient;
    ///
    /// let authority = std::fs::read("/etc/my-company/ca.pem")?;
    /// let keys = JwksClient::new("https://id.internal.example.com/jwks.json").root_certificate_pem(authority);
    /// # Ok::<_, std::io::Error>(())
    /// ```
    pub fn root_certificate_pem(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.roots.push(pem.as_ref().to_vec());
        if !self.foreign {
            self.get = Https::with_roots(&self.roots).map(|https| Arc::new(InTokio(Over::new(https))) as _);
        }
        self.check_roots()
    }

    fn check_roots(mut self) -> Self {
        if self.foreign && !self.roots.is_empty() {
            self.fault(ConfigError::new(
                "the JwksClient has root certificates and a service, which would not use them",
                "give the certificates to the service, or remove with_service",
            ));
        }
        self
    }

    /// Makes the client fail with this error when it is used.
    pub(crate) fn faulty(mut self, fault: ConfigError) -> Self {
        self.fault(fault);
        self
    }

    fn fault(&mut self, fault: ConfigError) {
        self.fault.get_or_insert(fault);
    }
}

fn unsendable(method: &str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("JwksClient::{method} got a text that no header can contain"), help)
}
