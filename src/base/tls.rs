//! Who does the cryptography of TLS.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

/// Returns the provider that the process has installed, or one of those that the features name.
pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
    let installed = CryptoProvider::get_default().cloned();
    #[cfg(feature = "tls-aws-lc")]
    let installed = installed.or_else(|| Some(Arc::new(rustls::crypto::aws_lc_rs::default_provider())));
    #[cfg(feature = "tls-ring")]
    let installed = installed.or_else(|| Some(Arc::new(rustls::crypto::ring::default_provider())));
    installed
}
