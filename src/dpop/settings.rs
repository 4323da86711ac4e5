use std::{fmt, sync::Arc, time::Duration};

use super::{address::Origin, memory::MemoryReplayStore, nonces::Nonces, replay::ReplayStore};
use crate::{ConfigError, token::Algorithm};

/// How proofs of possession are checked (`DPoP`, RFC 9449): the settings of [`BearerLayer::dpop`](crate::BearerLayer::dpop).
///
/// The [module page](crate::dpop) says what is checked.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{BearerLayer, Dpop, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
///
/// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
/// let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
/// let layer = BearerLayer::new(tokens).dpop(Dpop::new("https://api.example.com").max_age(Duration::from_secs(30)));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until a BearerLayer has them"]
pub struct Dpop {
    pub(super) origins: Vec<Origin>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) max_age: Duration,
    pub(super) leeway: Duration,
    pub(super) nonces: Option<Nonces>,
    pub(super) store: Arc<dyn ReplayStore>,
    required: bool,
    fault: Option<ConfigError>,
}

const MOST_LEEWAY: Duration = Duration::from_secs(60);
const MOST_AGE: Duration = Duration::from_secs(600);

impl Dpop {
    /// Checks proofs for a service at this public address, such as `https://api.example.com`: the address that clients use,
    /// also if a proxy in front uses another one. It is never taken from the request, because a client can write `Host` and
    /// `X-Forwarded-Host`. If a proxy removes a prefix from the path, the address has this prefix:
    /// `https://example.com/api`.
    ///
    /// If it is no address of http or https, or has a user, a query or a fragment, every request is refused with 500, and
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails.
    pub fn new(origin: &str) -> Self {
        let settings = Self {
            origins: Vec::new(),
            algorithms: vec![
                Algorithm::Es256,
                Algorithm::Ed25519,
                Algorithm::Es384,
                Algorithm::Ps256,
                Algorithm::Rs256,
            ],
            max_age: Duration::from_secs(60),
            leeway: Duration::from_secs(10),
            nonces: None,
            store: Arc::new(MemoryReplayStore::default()),
            required: false,
            fault: None,
        };
        settings.also_at(origin)
    }

    /// Adds another public address of the service. A proof for any of its addresses is accepted.
    ///
    /// ```
    /// use tower_auth::Dpop;
    ///
    /// let dpop = Dpop::new("https://api.example.com").also_at("https://api.example.eu");
    /// ```
    pub fn also_at(mut self, origin: &str) -> Self {
        match Origin::new(origin) {
            Ok(origin) => self.origins.push(origin),
            Err(why) => {
                self.fault.get_or_insert(ConfigError::new(
                    format!("the public address of Dpop is {origin:?}, which {why}"),
                    "use the address that clients use, such as https://api.example.com",
                ));
            }
        }
        self
    }

    /// Sets the algorithms that proofs may have, in the order in which challenges name them. The default is ES256, Ed25519,
    /// ES384, PS256 and RS256. An algorithm with a secret, or none at all, is an error when the layer is built.
    ///
    /// ```
    /// use tower_auth::{Dpop, token::Algorithm};
    ///
    /// let dpop = Dpop::new("https://api.example.com").algorithms([Algorithm::Es256]);
    /// ```
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self { algorithms: algorithms.into_iter().collect(), ..self }
    }

    /// Sets how old a proof may be, by its `iat`. The default is one minute, and the maximum ten. With
    /// [`nonces`](Self::nonces), their lifetime decides instead.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::Dpop;
    ///
    /// let dpop = Dpop::new("https://api.example.com").max_age(Duration::from_secs(15));
    /// ```
    pub fn max_age(self, max_age: Duration) -> Self {
        Self { max_age, ..self }
    }

    /// Sets by how much the clock of a client may differ, in both directions. The default is ten seconds, and the maximum
    /// one minute.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_auth::Dpop;
    ///
    /// let dpop = Dpop::new("https://api.example.com").leeway(Duration::from_secs(30));
    /// ```
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway, ..self }
    }

    /// Refuses every token that does not come with the scheme `DPoP` and a proof: plain bearer tokens, and those that are bound
    /// to a certificate only. By default, tokens that are not bound are accepted as before, with the scheme `Bearer`.
    ///
    /// ```
    /// use tower_auth::Dpop;
    ///
    /// let dpop = Dpop::new("https://api.example.com").require();
    /// ```
    pub fn require(self) -> Self {
        Self { required: true, ..self }
    }

    /// Demands a nonce in every proof; see [`Nonces`]. A proof without one, or with one that is too old, is answered 401
    /// with `error="use_dpop_nonce"` and a nonce in the header `DPoP-Nonce`. A client that used a nonce of the period before
    /// gets the next one with its answer.
    ///
    /// Browsers show the header to scripts of other origins only if CORS allows it: `Access-Control-Expose-Headers:
    /// DPoP-Nonce, WWW-Authenticate`.
    ///
    /// ```
    /// use tower_auth::{Dpop, dpop::Nonces};
    ///
    /// let dpop = Dpop::new("https://api.example.com").nonces(Nonces::ephemeral()?);
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn nonces(self, nonces: Nonces) -> Self {
        Self { nonces: Some(nonces), ..self }
    }

    /// Sets the store that remembers which proofs were used. The default is a
    /// [`MemoryReplayStore`] for this process. A clone of these settings shares the store.
    ///
    /// ```
    /// use tower_auth::{Dpop, dpop::MemoryReplayStore};
    ///
    /// let dpop = Dpop::new("https://api.example.com").replay_store(MemoryReplayStore::new(100_000));
    /// ```
    pub fn replay_store(self, store: impl ReplayStore) -> Self {
        Self { store: Arc::new(store), ..self }
    }

    pub(crate) const fn is_required(&self) -> bool {
        self.required
    }

    /// Returns the names of the algorithms for a challenge, separated by spaces. Clients know Ed25519 by one of its two names.
    pub(crate) fn algorithm_names(&self) -> String {
        let names = self.algorithms.iter().flat_map(|algorithm| {
            let (name, older) = (algorithm.name(), algorithm.header_name());
            [Some(older).filter(|older| *older != name), Some(name)].into_iter().flatten()
        });
        names.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)?;
        if let Some(secret) = self.algorithms.iter().find(|algorithm| algorithm.is_symmetric()) {
            return Err(ConfigError::new(
                format!("Dpop accepts proofs with {secret}, which anybody who can check them can make"),
                "use algorithms with a public key, such as Algorithm::Es256",
            ));
        }
        if self.algorithms.is_empty() {
            return Err(ConfigError::new("Dpop accepts no algorithm", "use Algorithm::Es256, or the default"));
        }
        if self.max_age.is_zero() || self.max_age > MOST_AGE {
            return Err(ConfigError::new(
                format!("the maximum age of a DPoP proof is {:?}", self.max_age),
                "use up to ten minutes, such as Duration::from_secs(60)",
            ));
        }
        if self.leeway > MOST_LEEWAY {
            return Err(ConfigError::new(
                "the leeway of Dpop is over 60 seconds",
                "use a smaller leeway; for clients with wrong clocks, use Dpop::nonces",
            ));
        }
        self.nonces.as_ref().map_or(Ok(()), Nonces::check_config)
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("origins", &self.origins)
            .field("algorithms", &self.algorithms)
            .field("max_age", &self.max_age)
            .field("leeway", &self.leeway)
            .field("required", &self.required)
            .field("nonces", &self.nonces)
            .finish_non_exhaustive()
    }
}
