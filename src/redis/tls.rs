//! TLS to Redis. The client crate has its own, which panics where two providers are compiled in.

use std::{fmt, io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{ConfigError, base::tls::provider};

#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Trusts the root certificates of the operating system.
    pub(super) fn system() -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ConfigError::new(
                "the operating system has no root certificates, which TLS to Redis needs",
                "install the package ca-certificates, or call RedisConfig::root_certificates",
            ));
        }
        Self::trusting(roots)
    }

    /// Trusts these certificates only.
    pub(super) fn pem(pem: &[u8]) -> Result<Self, ConfigError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let added = certificate.map_err(|error| unreadable(&error)).map(|one| roots.add(one))?;
            added.map_err(|error| unreadable(&error))?;
        }
        if roots.is_empty() {
            return Err(unreadable(&"there is none"));
        }
        Self::trusting(roots)
    }

    fn trusting(roots: RootCertStore) -> Result<Self, ConfigError> {
        let no_provider = || {
            ConfigError::new(
                "rustls has no crypto provider, which TLS to Redis needs",
                "enable the feature tls-aws-lc or tls-ring, or install a rustls::crypto::CryptoProvider first",
            )
        };
        let config = ClientConfig::builder_with_provider(provider().ok_or_else(no_provider)?);
        let config = config.with_safe_default_protocol_versions().map_err(|error| {
            ConfigError::new(format!("TLS to Redis: {error}"), "install a provider that has TLS 1.2 or 1.3")
        })?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    pub(super) async fn connect(&self, host: &str, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

fn unreadable(why: &dyn fmt::Display) -> ConfigError {
    ConfigError::new(
        format!("the root certificates for Redis cannot be read: {why}"),
        "pass one or more certificates as PEM, -----BEGIN CERTIFICATE----- and so on",
    )
}
