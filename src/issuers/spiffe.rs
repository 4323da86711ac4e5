//! SPIFFE.

use super::domain::faulty;
use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

/// JWT-SVIDs of one SPIFFE trust domain, such as `example.org`, with the URL of its bundle.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::spiffe("example.org", "https://spire.example.org/bundle")
///     .audience("spiffe://example.org/ns/shop/sa/api") // this service, as clients ask for it
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// A JWT-SVID needs no issuer: the keys of the trust domain sign for it alone, and the subject names it. `typ` is missing, `JWT` or
/// `JOSE`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`: the SPIFFE ID of the workload, such as `spiffe://example.org/ns/shop/sa/web` |
/// | issuer | `spiffe://<trust domain>`, which no token needs to say |
///
/// There are no scopes, roles or organisations. [`from_fn`](crate::permission::from_fn) decides by the subject.
///
/// # What is refused
///
/// - A token whose subject is in another trust domain, or is the trust domain itself.
/// - A token that is signed by a key of the bundle for certificates (`x509-svid`), or by one without a `kid`.
/// - A token with an `iss`. If the servers of the trust domain write one (`jwt_issuer` of SPIRE), add it with
///   [`also_issuer`](TokenVerifierBuilder::also_issuer): then it is the issuer of the principal.
///
/// # What remains yours
///
/// The audience. Workloads must ask for tokens for this service alone, because whoever receives a token can present it to every
/// service in its `aud`.
///
/// The bundle is fetched over HTTPS with a certificate that the system trusts (the profile `https_web`). For the profile
/// `https_spiffe`, or the Workload API, write a [`KeySource`](crate::token::KeySource) and pass it to
/// [`keys_from`](TokenVerifierBuilder::keys_from); it must return the bundle as a JWK set. The bundle is fetched again as all key sets
/// are ([`refresh_after`](TokenVerifierBuilder::refresh_after)); its `spiffe_refresh_hint` has no effect.
///
/// A second trust domain needs a layer of its own: a token without an issuer does not say whose keys to use.
///
/// # Source
///
/// The SPIFFE standards "JWT-SVID", "SPIFFE ID" and "SPIFFE Trust Domain and Bundle". Built from these standards, and not tested
/// against a live server.
pub fn spiffe(trust_domain: &str, bundle: impl Into<String>) -> TokenVerifierBuilder {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if trust_domain.is_empty() || trust_domain.len() > 255 || !trust_domain.bytes().all(fits) {
        return faulty(
            "spiffe",
            ConfigError::new(
                format!("issuers::spiffe got {trust_domain:?}, which is not a trust domain"),
                "use the name alone, in lower case, without spiffe:// and without a slash, such as \"example.org\"",
            ),
        );
    }
    let name = format!("spiffe://{trust_domain}");
    let prefix = format!("{name}/");
    TokenVerifier::jwks(name, bundle)
        .spiffe_bundle()
        .issuer_by_keys_alone(prefix)
        .typ(["JWT", "JOSE"])
        .allow_missing_typ()
}
