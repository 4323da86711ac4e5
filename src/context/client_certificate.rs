//! The certificate with which the client has authenticated itself in TLS.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::key::sha256;

/// The certificate of the client of this connection (mutual TLS). The code that accepts the connection puts it into the request's
/// extensions, after the handshake has proved that the client has the key.
///
/// [`BearerLayer`](https://docs.rs/tower-auth/latest/tower_auth/struct.BearerLayer.html) compares it with the certificate to which a
/// token is bound (`cnf` with `x5t#S256`; RFC 8705, section 3), and refuses such a token without it. Who has issued the
/// certificate, and until when it is good, does not matter for that: only its holder has the key.
///
/// Never make it from a header, unless a proxy in front writes that header and removes the one of the client: anybody can
/// send the certificate of another client.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_auth::ClientCertificate;
///
/// /// `der` is the first of rustls's `peer_certificates()`.
/// fn per_connection<S>(service: S, der: &[u8]) -> impl tower::Service<http::Request<()>>
/// where
///     S: tower::Service<http::Request<()>>,
/// {
///     let certificate = ClientCertificate::from_der(der);
///     ServiceBuilder::new()
///         .map_request(move |mut request: http::Request<()>| {
///             request.extensions_mut().insert(certificate);
///             request
///         })
///         .service(service)
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientCertificate([u8; 32]);

impl ClientCertificate {
    /// Creates it from the certificate in DER. The bytes are hashed, and not parsed.
    ///
    /// ```
    /// use tower_auth::ClientCertificate;
    ///
    /// assert_ne!(ClientCertificate::from_der(b"one"), ClientCertificate::from_der(b"another"));
    /// ```
    #[must_use]
    pub fn from_der(der: &[u8]) -> Self {
        Self(sha256(der))
    }

    /// Creates it from the SHA-256 of the certificate in DER, which some proxies and meshes name.
    ///
    /// ```
    /// use tower_auth::ClientCertificate;
    ///
    /// assert_eq!(ClientCertificate::from_sha256([7; 32]).sha256(), &[7; 32]);
    /// ```
    #[must_use]
    pub const fn from_sha256(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// Returns the SHA-256 of the certificate in DER.
    ///
    /// ```
    /// use tower_auth::ClientCertificate;
    ///
    /// assert_eq!(ClientCertificate::from_der(b"abc").sha256()[0], 0xba);
    /// ```
    #[must_use]
    pub const fn sha256(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the SHA-256 in base64url, as `x5t#S256` has it.
    ///
    /// ```
    /// use tower_auth::ClientCertificate;
    ///
    /// assert_eq!(ClientCertificate::from_der(b"abc").thumbprint(), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
    /// ```
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate").field(&self.thumbprint()).finish()
    }
}
