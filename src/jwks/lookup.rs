//! Keys that are published one by one.

use std::borrow::Cow;

use bytes::Bytes;
use http::Uri;

use super::{
    client::JwksClient,
    get::{PEM, is_nothing, place},
};
use crate::{
    BoxError, ConfigError, MaybeReady,
    token::{KeyLookup, KeySource as _},
};

/// Fetches keys in PEM, each by a URL with its id, as load balancers of AWS publish theirs.
///
/// An answer 403, 404 or 410 means that there is no such key. The answer may have any content type.
///
/// ```
/// use tower_auth::{TokenVerifier, jwks::{JwksClient, KeyPerId}, token::Algorithm};
///
/// const BALANCER: &str =
///     "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/api/50dc6c495c0c9188";
/// let keys = KeyPerId::new(JwksClient::new("https://public-keys.auth.elb.eu-central-1.amazonaws.com/{kid}"));
/// let tokens = TokenVerifier::lookup("https://id.example.com/", Algorithm::Es256, keys)
///     .require_header("signer", [BALANCER]) // the keys are those of all load balancers of the region
///     .padded_base64()
///     .audience("my-client")
///     .typ(["JWT"])
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a source does nothing until a verifier has it"]
pub struct KeyPerId(JwksClient);

/// Stands for the id in the URL.
const ID: &str = "{kid}";

impl KeyPerId {
    /// Fetches keys with the settings of this client, whose URL has `{kid}` in the place of the id, within its path or
    /// query. Building a verifier fails otherwise.
    pub const fn new(client: JwksClient) -> Self {
        Self(client)
    }

    fn url(&self, id: &str) -> Option<String> {
        let template = self.0.key_set_url()?;
        Some(template.replace(ID, id))
    }
}

impl KeyLookup for KeyPerId {
    fn fetch(&self, id: &str) -> MaybeReady<Result<Option<Bytes>, BoxError>> {
        let (client, url) = (self.0.clone(), self.url(id));
        MaybeReady::boxed(async move {
            let uri = client.uri(&url.ok_or("the client has no URL of keys")?)?;
            let get = client.get.clone()?;
            match get.get(uri, client.carried.headers(PEM, true)?).await {
                Ok(document) => Ok(Some(document)),
                Err(error) if is_nothing(&*error) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn location(&self) -> Option<Cow<'_, str>> {
        // The error of a fetch has the whole URL. What all keys have in common is part of it.
        let uri: Uri = self.0.key_set_url()?.split(ID).next()?.parse().ok()?;
        Some(Cow::Owned(place(&uri)))
    }

    fn check_config(&self) -> Result<(), ConfigError> {
        const HELP: &str = "use a URL such as https://public-keys.auth.elb.eu-central-1.amazonaws.com/{kid}";
        let wrong = |what: &str| Err(ConfigError::new(format!("the keys cannot be fetched: {what}"), HELP));
        let Some(url) = self.0.key_set_url() else {
            return wrong("a KeyPerId was given a client that discovers an issuer");
        };
        if url.matches(ID).count() != 1 || url.replace(ID, "").contains(['{', '}']) {
            return wrong("the URL of a KeyPerId does not have {kid} once");
        }
        // An id must not choose the server.
        let with = |id: &str| self.url(id).and_then(|url| url.parse::<Uri>().ok());
        match (with("a"), with("b")) {
            (Some(one), Some(other)) if one.authority() != other.authority() || one.scheme() != other.scheme() => {
                wrong("the URL of a KeyPerId has {kid} in its host")
            }
            _ => self.0.clone().at_key_set(self.url("id").unwrap_or_default()).check_config(),
        }
    }
}
