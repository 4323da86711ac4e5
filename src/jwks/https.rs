use std::{
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, builderstates::WantsSchemes};
use hyper_util::{
    client::legacy::{Client, ResponseFuture},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use tower_service::Service;

use super::connect::Tcp;
use crate::{ConfigError, base::tls::provider};

/// The HTTP client of [`JwksClient`](super::JwksClient): HTTP/1.1 over TLS, with only the functions needed to fetch a
/// document.
///
/// ```no_run
/// let client = tower_auth::jwks::Https::new()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct Https(Client<HttpsConnector<Tcp>, Empty<Bytes>>);

impl Https {
    /// Creates a client that trusts the operating system's root certificates.
    ///
    /// # Errors
    /// If rustls has no crypto provider, or the system has no root certificates.
    pub fn new() -> Result<Self, ConfigError> {
        Ok(Self::over(connector()?))
    }

    /// Creates a client that trusts these root certificates, each text in PEM, and no others.
    pub(super) fn with_roots(texts: &[Vec<u8>]) -> Result<Self, ConfigError> {
        let wrong = |what: String| {
            ConfigError::new(
                format!("the root certificates cannot be used: {what}"),
                "use the text of a file with certificates, from -----BEGIN CERTIFICATE----- to -----END CERTIFICATE-----",
            )
        };
        let mut roots = RootCertStore::empty();
        for text in texts {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(text) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.len() == before {
                return Err(wrong("the PEM has no certificate".to_owned()));
            }
        }
        let config = ClientConfig::builder_with_provider(provider().ok_or_else(no_provider)?)
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self::over(wrapped(HttpsConnectorBuilder::new().with_tls_config(config))))
    }

    fn over(connector: HttpsConnector<Tcp>) -> Self {
        // Fetches are far apart, so no connection is kept open between them.
        let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Self(client)
    }
}

/// Returns what connects over TLS, with the operating system's root certificates.
pub(super) fn connector() -> Result<HttpsConnector<Tcp>, ConfigError> {
    let provider = provider().ok_or_else(no_provider)?;
    let tls = HttpsConnectorBuilder::new().with_provider_and_native_roots(provider).map_err(|error| {
        ConfigError::new(
            format!("nothing can be fetched over HTTPS: {error}"),
            "install the operating system's root certificates (ca-certificates)",
        )
    })?;
    Ok(wrapped(tls))
}

fn wrapped(tls: HttpsConnectorBuilder<WantsSchemes>) -> HttpsConnector<Tcp> {
    tls.https_or_http().enable_http1().wrap_connector(Tcp)
}

fn no_provider() -> ConfigError {
    ConfigError::new(
        "nothing can be fetched over HTTPS: rustls has no crypto provider",
        "enable the feature tls-aws-lc or tls-ring, or install a rustls::crypto::CryptoProvider first",
    )
}

impl Service<Request<Empty<Bytes>>> for Https {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper_util::client::legacy::Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<Empty<Bytes>>) -> ResponseFuture {
        Service::call(&mut self.0, request)
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Https(..)")
    }
}
