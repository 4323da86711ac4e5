//! Whose connection a request came on.

use std::net::IpAddr;

use http::Extensions;

/// The address of the connection, put into the request's extensions by whoever accepted it.
///
/// axum's `ConnectInfo<SocketAddr>` (feature `axum`, mounted with `into_make_service_with_connect_info`) and tonic's
/// `TcpConnectInfo` (feature `tonic`) are read without it; bare hyper has no address, so a service puts this there:
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
#[expect(clippy::exhaustive_structs, reason = "an address is all that it will ever be")]
pub struct PeerAddr(pub IpAddr);

impl PeerAddr {
    /// The address that a host or the service itself left; a service's own word counts first.
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
