//! The address of the connection on which a request arrived.

use std::net::IpAddr;

use http::Extensions;

/// The address of the connection. The code that accepts the connection puts it into the request's extensions.
///
/// A `PeerAddr` is not needed with axum's `ConnectInfo<SocketAddr>` (feature `axum`, mounted with
/// `into_make_service_with_connect_info`) or tonic's `TcpConnectInfo` (feature `tonic`): the crate reads these too.
/// Plain hyper provides no address, so insert a `PeerAddr` yourself:
///
/// ```
/// use std::net::IpAddr;
/// use tower::ServiceBuilder;
/// use tower_auth::PeerAddr;
///
/// fn per_connection<S>(service: S, peer: IpAddr) -> impl tower::Service<http::Request<()>>
/// where
///     S: tower::Service<http::Request<()>>,
/// {
///     ServiceBuilder::new()
///         .map_request(move |mut request: http::Request<()>| {
///             request.extensions_mut().insert(PeerAddr(peer));
///             request
///         })
///         .service(service)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "it will never have another field")]
pub struct PeerAddr(pub IpAddr);

impl PeerAddr {
    /// Returns the address from the extensions. A [`PeerAddr`] takes precedence over the address of the host.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied().or_else(|| of_host(extensions).map(Self))
    }
}

#[cfg_attr(not(any(feature = "axum", feature = "tonic")), expect(clippy::missing_const_for_fn, unused_variables))]
fn of_host(extensions: &Extensions) -> Option<IpAddr> {
    #[cfg(feature = "axum")]
    if let Some(info) = extensions.get::<axum::extract::ConnectInfo<std::net::SocketAddr>>() {
        return Some(info.0.ip());
    }
    #[cfg(feature = "tonic")]
    if let Some(info) = extensions.get::<tonic::transport::server::TcpConnectInfo>() {
        return info.remote_addr().map(|address| address.ip());
    }
    None
}
