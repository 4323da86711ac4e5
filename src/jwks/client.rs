use std::{borrow::Cow, fmt, sync::Arc};

use bytes::Bytes;
use http::Uri;

use super::{
    address::{self, Advice, Fault},
    carried::Carried,
    discovery::{self, Metadata},
    get::{DESCRIPTION, Get, InTokio, KEY_SET, Over, is_not_found, place},
    https::Https,
};
use crate::{
    BoxError, ConfigError, MaybeReady,
    token::{KeySource, TokenVerifier, TokenVerifierBuilder, check_issuer, issuer_of},
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
    pub(super) address: Address,
    pub(super) hosts: Vec<String>,
    pub(super) insecure: bool,
    pub(super) carried: Carried,
    /// The certificates that are trusted instead of those of the operating system.
    pub(super) roots: Vec<Vec<u8>>,
    /// Whether the requests go through a service of the caller.
    pub(super) foreign: bool,
    /// The first invalid setting.
    pub(super) fault: Option<ConfigError>,
    pub(super) get: Result<Arc<dyn Get>, ConfigError>,
}

#[derive(Clone, Debug)]
pub(super) enum Address {
    KeySet(String),
    Issuer(String, Metadata),
}

impl JwksClient {
    /// Fetches the key set at this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(Address::KeySet(url.into()))
    }

    /// Fetches the key set that the issuer's metadata names as `jwks_uri` (`OpenID` Connect Discovery 1.0, section 4).
    /// The metadata is fetched from `.well-known/openid-configuration` below the issuer.
    pub fn discover(issuer: impl Into<String>) -> Self {
        Self::at(Address::Issuer(issuer.into(), Metadata::Below))
    }

    fn at(address: Address) -> Self {
        let get = Https::new().map(|https| Arc::new(InTokio(Over::new(https))) as Arc<dyn Get>);
        Self {
            address,
            hosts: Vec::new(),
            insecure: false,
            carried: Carried::default(),
            roots: Vec::new(),
            foreign: false,
            fault: None,
            get,
        }
    }

    /// Returns the place of the issuer's metadata, if the key set is found by them.
    pub(super) const fn found_by_metadata(&mut self) -> Option<&mut Metadata> {
        match &mut self.address {
            Address::Issuer(_, metadata) => Some(metadata),
            Address::KeySet(_) => None,
        }
    }

    /// Returns the URL of the key set, if it is configured.
    pub(super) fn key_set_url(&self) -> Option<&str> {
        match &self.address {
            Address::KeySet(url) => Some(url),
            Address::Issuer(..) => None,
        }
    }

    /// Returns the same client for another URL.
    pub(super) fn at_key_set(self, url: String) -> Self {
        Self { address: Address::KeySet(url), ..self }
    }

    /// Returns the URL that is asked first.
    fn first(&self) -> Cow<'_, str> {
        match &self.address {
            Address::KeySet(url) => Cow::Borrowed(url),
            Address::Issuer(issuer, metadata) => {
                metadata.addresses(issuer).into_iter().next().map_or(Cow::Borrowed(issuer), Cow::Owned)
            }
        }
    }

    /// Fetches the issuer's metadata. Returns where they were too.
    async fn metadata(&self, get: &dyn Get, issuer: &str, metadata: &Metadata) -> Result<(Uri, Bytes), BoxError> {
        let addresses = metadata.addresses(issuer);
        let mut empty = Vec::new();
        for address in &addresses {
            let home = self.uri(address)?;
            match get.get(home.clone(), self.carried.headers(DESCRIPTION, true)?).await {
                Ok(document) => {
                    metadata.remember(issuer, address);
                    return Ok((home, document));
                }
                Err(error) if addresses.len() > 1 && is_not_found(&*error) => empty.push(place(&home)),
                Err(error) => return Err(error),
            }
        }
        Err(format!("the issuer has no metadata: the answer is 404 at {}", empty.join(", ")).into())
    }

    pub(super) fn uri(&self, text: &str) -> Result<Uri, Fault> {
        address::read(text, self.insecure, &ADVICE)
    }
}

const ADVICE: Advice = Advice {
    danger: "an attacker on the network path can replace the keys",
    whole: "use a full URL, such as https://id.example.com/jwks.json",
    plain: "use https, such as https://id.example.com/jwks.json; for a test or a trusted network, allow http: \
    TokenVerifier::source(issuer, JwksClient::new(url).insecure_http())",
};

impl KeySource for JwksClient {
    fn fetch(&self) -> MaybeReady<Result<Bytes, BoxError>> {
        let this = self.clone();
        MaybeReady::boxed(async move {
            let get = this.get.clone()?;
            let (issuer, metadata) = match &this.address {
                Address::KeySet(url) => return get.get(this.uri(url)?, this.carried.headers(KEY_SET, true)?).await,
                Address::Issuer(issuer, metadata) => (issuer, metadata),
            };
            let (home, document) = this.metadata(&*get, issuer, metadata).await?;
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
            get.get(keys, this.carried.headers(KEY_SET, same)?).await
        })
    }

    fn issuer(&self) -> Option<&str> {
        match &self.address {
            Address::Issuer(issuer, _) => Some(issuer),
            Address::KeySet(_) => None,
        }
    }

    fn is_published(&self) -> bool {
        true
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        let uri: Uri = self.first().parse().ok()?;
        Some(Cow::Owned(place(&uri)))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        match &self.address {
            Address::Issuer(issuer, _) => check_issuer(issuer)?,
            Address::KeySet(url) => check_key_set(url)?,
        }
        self.fault.clone().map_or(Ok(()), Err)?;
        self.get.as_ref().map_err(Clone::clone)?;
        let fault = |Fault(what, help)| ConfigError::new(format!("the keys cannot be fetched: {what}"), help);
        match &self.address {
            Address::Issuer(_, Metadata::At(_)) | Address::KeySet(_) => {}
            Address::Issuer(issuer, _) if issuer.starts_with("https://") && issuer.contains(['{', '}']) => {
                return Err(ConfigError::new(
                    format!("the keys cannot be fetched: {issuer:?} is a template, and no URL"),
                    "call JwksClient::metadata_at with the URL of the metadata for all tenants",
                ));
            }
            Address::Issuer(issuer, _) => self.uri(issuer).map(drop).map_err(fault)?,
        }
        self.uri(&self.first()).map_err(fault)?;
        self.carried.check()
    }
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
