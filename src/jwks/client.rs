use std::{borrow::Cow, error::Error, fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::Empty;
use tower_service::Service;

use super::{
    discovery,
    get::{DESCRIPTION, Get, InTokio, KEY_SET, Over, place, without_user},
    https::Https,
};
use crate::{
    BoxError, ConfigError, MaybeReady, Secret,
    base::credential,
    token::{KeySource, Shown, TokenVerifier, TokenVerifierBuilder, check_issuer, issuer_of},
};

/// Fetches a key set by its URL, or by the URL of its issuer.
///
/// ```no_run
/// use tower_auth::{TokenVerifier, jwks::JwksClient};
///
/// let keys = JwksClient::discover("https://accounts.google.com").jwks_host("www.googleapis.com");
/// let tokens = TokenVerifier::source("https://accounts.google.com", keys).audience("my-client-id").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "a source does nothing until a verifier has it"]
pub struct JwksClient {
    address: Address,
    hosts: Vec<String>,
    insecure: bool,
    agent: Option<HeaderValue>,
    token: Option<(HeaderName, HeaderValue)>,
    /// What is wrong with a header.
    fault: Option<ConfigError>,
    get: Result<Arc<dyn Get>, ConfigError>,
}

#[derive(Clone, Debug)]
enum Address {
    KeySet(String),
    Issuer(String),
}

impl JwksClient {
    /// Fetches the key set at this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(Address::KeySet(url.into()))
    }

    /// Fetches the key set that the issuer's metadata names as `jwks_uri` (`OpenID` Connect Discovery 1.0, section 4).
    /// The metadata is fetched from `.well-known/openid-configuration` below the issuer.
    pub fn discover(issuer: impl Into<String>) -> Self {
        Self::at(Address::Issuer(issuer.into()))
    }

    fn at(address: Address) -> Self {
        let get = Https::new().map(|https| Arc::new(InTokio(Over::new(https))) as Arc<dyn Get>);
        Self { address, hosts: Vec::new(), insecure: false, agent: None, token: None, fault: None, get }
    }

    /// Sends requests through this tower service instead of the built-in client. The service must not follow redirects.
    pub fn with_service<S, B>(self, service: S) -> Self
    where
        S: Service<Request<Empty<Bytes>>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        Self { get: Ok(Arc::new(Over::new(service))), ..self }
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

    /// Sends this `User-Agent`, without which some servers refuse every request. By default there is none.
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        match HeaderValue::try_from(name.into()) {
            Ok(name) => self.agent = Some(name),
            Err(_) => self.fault = Some(unsendable("user_agent", "use a name such as my-service/1.0")),
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
        self.token = credential::bearer(token);
        if self.token.is_none() {
            self.fault = Some(unsendable("bearer", "use the token alone, on one line"));
        }
        self
    }

    /// Returns the headers of a request, with the token if it is for this server.
    fn headers(&self, accept: HeaderValue, with_token: bool) -> HeaderMap {
        let agent = self.agent.clone().map(|agent| (header::USER_AGENT, agent));
        let token = self.token.clone().filter(|_| with_token);
        [(header::ACCEPT, accept)].into_iter().chain(agent).chain(token).collect()
    }

    fn uri(&self, text: &str) -> Result<Uri, Fault> {
        let fault = |what: &str, help| Err(Fault(format!("{} {what}", Shown(&without_user(text))), help));
        let Ok(uri) = text.parse::<Uri>() else { return fault("is not a URL", WHOLE) };
        // `Uri` accepts any text as a port.
        let port = uri.authority().and_then(|authority| authority.as_str().rsplit_once(':'));
        if port.is_some_and(|(_, port)| !port.ends_with(']') && port.parse::<u16>().is_err()) {
            return fault("has an invalid port", WHOLE);
        }
        match uri.scheme_str() {
            _ if uri.host().is_none_or(str::is_empty) => fault("has no host", WHOLE),
            Some("https") => Ok(uri),
            Some("http") if self.insecure => Ok(uri),
            Some("http") => fault(
                "starts with http and not with https: an attacker on the network path can replace the keys",
                PLAIN,
            ),
            _ => fault("does not start with https", WHOLE),
        }
    }
}

/// What is wrong with a URL, and how to fix it.
#[derive(Debug)]
struct Fault(String, &'static str);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.0, self.1)
    }
}

impl Error for Fault {}

const WHOLE: &str = "use a full URL, such as https://id.example.com/jwks.json";
const PLAIN: &str = "use https, such as https://id.example.com/jwks.json; for a test or a trusted network, allow http: \
    TokenVerifier::source(issuer, JwksClient::new(url).insecure_http())";

impl KeySource for JwksClient {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let this = self.clone();
        MaybeReady::boxed(async move {
            let get = this.get.clone()?;
            let issuer = match &this.address {
                Address::KeySet(url) => return get.get(this.uri(url)?, this.headers(KEY_SET, true)).await,
                Address::Issuer(issuer) => issuer,
            };
            let home = this.uri(&discovery::address(issuer))?;
            let document = get.get(home.clone(), this.headers(DESCRIPTION, true)).await?;
            let keys = this.uri(&discovery::key_set(&document, issuer)?)?;
            // The configuration decides which other hosts are trusted, not the issuer's metadata.
            let host = keys.host().unwrap_or_default();
            let known = home.host() == Some(host) || this.hosts.iter().any(|known| known == host);
            if !known {
                let why =
                    format!("the jwks_uri of {issuer:?} is on {host:?}; if that is right, call .jwks_host({host:?})");
                return Err(why.into());
            }
            let same = (home.scheme(), home.authority()) == (keys.scheme(), keys.authority());
            get.get(keys, this.headers(KEY_SET, same)).await
        })
    }

    fn issuer(&self) -> Option<&str> {
        match &self.address {
            Address::Issuer(issuer) => Some(issuer),
            Address::KeySet(_) => None,
        }
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        let uri: Uri = match &self.address {
            Address::KeySet(url) => url.parse(),
            Address::Issuer(issuer) => discovery::address(issuer).parse(),
        }
        .ok()?;
        Some(Cow::Owned(place(&uri)))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        match &self.address {
            Address::Issuer(issuer) => check_issuer(issuer)?,
            Address::KeySet(url) => check_key_set(url)?,
        }
        self.fault.clone().map_or(Ok(()), Err)?;
        self.get.as_ref().map_err(Clone::clone)?;
        let url = match &self.address {
            Address::KeySet(url) => Cow::Borrowed(url),
            Address::Issuer(issuer) => Cow::Owned(discovery::address(issuer)),
        };
        let issuer = match &self.address {
            Address::Issuer(issuer) => self.uri(issuer).map(drop),
            Address::KeySet(_) => Ok(()),
        };
        let fault = |Fault(what, help)| ConfigError::new(format!("the keys cannot be fetched: {what}"), help);
        issuer.and_then(|()| self.uri(&url).map(drop)).map_err(fault)
    }
}

fn unsendable(method: &str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("JwksClient::{method} got a text that no header can contain"), help)
}

/// Rejects the URL of an issuer's metadata in the place of a key set's URL.
fn check_key_set(url: &str) -> Result<(), ConfigError> {
    let described =
        url.contains("/.well-known/openid-configuration") || url.contains("/.well-known/oauth-authorization-server");
    match issuer_of(url).filter(|_| described) {
        None => Ok(()),
        Some(issuer) => Err(ConfigError::new(
            format!("{url:?} is the URL of an issuer's metadata, and not of its key set"),
            format!("call discover({issuer:?}), or use the URL that the metadata has as jwks_uri"),
        )),
    }
}

impl TokenVerifier {
    /// Builds a verifier for tokens of this issuer that are signed by a key of the set at this URL (feature
    /// `jwks-http`).
    pub fn jwks(issuer: impl Into<Cow<'static, str>>, url: impl Into<String>) -> TokenVerifierBuilder {
        Self::source(issuer, JwksClient::new(url))
    }

    /// Builds a verifier for tokens of this issuer that are signed by a key of the set that the issuer's metadata names
    /// (feature `jwks-http`). The key set must be on the issuer's own host; see [`JwksClient::jwks_host`] for other
    /// hosts.
    pub fn discover(issuer: impl Into<Cow<'static, str>>) -> TokenVerifierBuilder {
        let issuer = issuer.into();
        let source = JwksClient::discover(&*issuer);
        Self::source(issuer, source)
    }
}

impl fmt::Debug for JwksClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksClient")
            .field("location", &self.location())
            .field("insecure", &self.insecure)
            .finish_non_exhaustive()
    }
}
