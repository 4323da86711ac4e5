use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, request::Parts};
use ipnet::IpNet;

use crate::{ConfigError, PeerAddr, Rejection};

/// Whose address counts: that of the connection, or the one that a proxy of yours names.
///
/// There is no default. Behind a balancer every connection is the balancer's, and all customers would share one limit;
/// without one, whoever believes `X-Forwarded-For` believes the attacker.
///
/// ```
/// use tower_auth::ClientIp;
///
/// let direct = ClientIp::peer();
/// let behind_a_balancer = ClientIp::behind(["10.0.0.0/8", "fd00::/8"])?;
/// assert!(ClientIp::behind(["10.0.0.0/33"]).is_err());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientIp {
    trusted: Vec<IpNet>,
    header: HeaderName,
}

impl ClientIp {
    /// The address of the connection ([`PeerAddr`]): nobody stands in between.
    #[must_use]
    pub fn peer() -> Self {
        Self { trusted: Vec::new(), header: X_FORWARDED_FOR }
    }

    /// The last address in `X-Forwarded-For` that is none of these networks, which are your own proxies: what stands
    /// further left was written by whoever sent the request. A request that comes from elsewhere counts by its connection,
    /// whatever its headers say.
    ///
    /// # Errors
    /// When a network cannot be read, or none is given.
    pub fn behind<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let wrong =
            |what: String| ConfigError::new(what, "write the networks of your proxies as 10.0.0.0/8 or fd00::/8");
        let mut trusted = Vec::new();
        for network in networks {
            let text = network.as_ref();
            let read = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            trusted.push(read.map_err(|_| wrong(format!("{text:?} is no network")))?);
        }
        if trusted.is_empty() {
            return Err(wrong("ClientIp::behind was given no network".to_owned()));
        }
        Ok(Self { trusted, ..Self::peer() })
    }

    /// Reads this header instead of `X-Forwarded-For`: a list of addresses, or one, as `CF-Connecting-IP`. The proxy has
    /// to replace what a client sends in it, or to append to it.
    #[must_use]
    pub fn header(self, name: HeaderName) -> Self {
        Self { header: name, ..self }
    }

    /// The address that counts, or that nobody knows one.
    pub(super) fn of(&self, request: &Parts) -> Result<IpAddr, Rejection> {
        let peer = PeerAddr::of(&request.extensions).ok_or_else(|| Rejection::internal(UNKNOWN))?;
        let peer = peer.0.to_canonical();
        Ok(if self.trusts(peer) { self.forwarded(peer, &request.headers) } else { peer })
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }

    /// From the right: each of our own vouches for the one that it had the request from.
    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lines = headers.get_all(&self.header).iter().rev();
        let mut last = peer;
        for line in lines {
            for hop in line.as_bytes().rsplit(|byte| *byte == b',') {
                // What cannot be read was not written by one of ours.
                let Some(address) = read(hop) else { return last };
                if !self.trusts(address) {
                    return address;
                }
                last = address;
            }
        }
        last
    }
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const UNKNOWN: &str = "a limit by address does not know whose connection the request came on; in axum serve with \
                       into_make_service_with_connect_info::<SocketAddr>(), elsewhere put a PeerAddr into the request's \
                       extensions";

/// An address, with a port or without.
fn read(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    let bare = || text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text).parse::<IpAddr>().ok();
    let address = text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()).or_else(bare)?;
    Some(address.to_canonical())
}
