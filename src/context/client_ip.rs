use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use http::{Extensions, HeaderMap, HeaderName};

use super::{forwarded::hops, networks::Networks};
use crate::{
    ConfigError, PeerAddr, Rejection,
    limit::{BucketKey, embedded_v4},
};

/// The setting by which the address of the client is found: from the connection, or from a header that your own proxy
/// writes.
///
/// There is no default, because the wrong choice is dangerous. Behind a load balancer, every connection comes from the
/// balancer, and all clients would share one limit. Without a load balancer, any client can forge `X-Forwarded-For`.
///
/// ```
/// use tower_auth::ClientIp;
///
/// let direct = ClientIp::peer();
/// let behind_a_balancer = ClientIp::behind(["10.0.0.0/8", "fd00::/8"])?
///     .exempt(["10.0.0.7", "192.0.2.0/24"])?
///     .ipv6_prefix(56)?;
/// assert!(ClientIp::behind(["10.0.0.0/33"]).is_err());
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What counts as one client
///
/// - An IPv4 address, or an IPv6 address that contains one: mapped (`::ffff:192.0.2.1`), translated by NAT64
///   (`64:ff9b::/96`, and the networks `64:ff9b:1:x::/96`) or by SIIT (`::ffff:0:0:0/96`), or tunnelled by 6to4
///   (`2002::/16`) or Teredo (`2001::/32`). Every other address in `64:ff9b:1::/48` is one client, because the
///   position of its IPv4 address is unknown.
/// - The first 64 bits of any other IPv6 address, or as many bits as [`ipv6_prefix`](Self::ipv6_prefix) sets.
///
/// If your proxy writes no address (`unknown`, `_hidden`, or other text), the request counts by the address of the last
/// trusted proxy, and is never exempt.
#[derive(Clone, Debug)]
pub struct ClientIp {
    trusted: Networks,
    exempt: Networks,
    header: HeaderName,
    /// The default is [`PREFIX`].
    prefix: Option<u8>,
    /// The setting of the stack, if this value stands for it. Clones share it, so that a clone of a limit on another route has
    /// it too.
    stack: Option<Arc<OnceLock<Self>>>,
    fault: Option<ConfigError>,
}

impl ClientIp {
    /// Uses the address of the connection ([`PeerAddr`]), for a service without a proxy in front.
    #[must_use]
    pub fn peer() -> Self {
        Self {
            trusted: Networks::default(),
            exempt: Networks::default(),
            header: X_FORWARDED_FOR,
            prefix: None,
            stack: None,
            fault: None,
        }
    }

    /// Trusts the proxies in these networks, and uses the last address in `X-Forwarded-For` that is in none of them. A
    /// client can forge all addresses to the left of it. If the connection comes from any other network, the header is
    /// ignored, and the address of the connection is used.
    ///
    /// IPv4 networks may be written as IPv6 (`::ffff:10.0.0.0/104`).
    ///
    /// # Errors
    /// If a network is malformed, if none is given, or if the networks are too wide to be your own: an IPv4 prefix
    /// under 8 bits, an IPv6 prefix under 16 bits (except `fc00::/7` and `fe80::/10`), or half of all addresses
    /// together.
    pub fn behind<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        Ok(Self { trusted: Networks::read(networks, "ClientIp::behind")?, ..Self::peer() })
    }

    /// Reads this header instead of `X-Forwarded-For`. The header contains a list of addresses, or one address, as
    /// `CF-Connecting-IP` does. `Forwarded` is read as defined by RFC 7239: the parameter `for` of each element. The
    /// proxy must replace the header that a client sends, or append to it.
    ///
    /// Call it after [`behind`](Self::behind). After [`peer`](Self::peer),
    /// [`AuthStackBuilder::build`](crate::stack::AuthStackBuilder::build) fails, because without a trusted proxy no
    /// header is read.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        if self.stack.is_some() {
            self.fault = Some(ConfigError::new(
                format!("ClientIp::of_stack().header({:?}) has no effect", name.as_str()),
                "set the header on the ClientIp that AuthStackBuilder::client_ip gets",
            ));
        } else if self.trusted.is_empty() {
            self.fault = Some(ConfigError::new(
                format!("ClientIp::peer().header({:?}) trusts no proxy and would never read the header", name.as_str()),
                "list the networks of the proxies that write it: ClientIp::behind([\"10.0.0.0/8\"])?.header(..)",
            ));
        }
        Self { header: name, ..self }
    }

    /// Sets how many bits of an IPv6 address identify one client; 64 by default. With 64, a customer with a /56 or a
    /// /48 network counts as up to 256 or 65,536 clients. With more than 64, a client with a /64 network can appear as
    /// any number of clients: use more than 64 only for your own networks.
    ///
    /// # Errors
    /// If `bits` is below 32 or above 128. Below 32, all customers of a provider would count as one client.
    pub fn ipv6_prefix(self, bits: u8) -> Result<Self, ConfigError> {
        if !(32..=128).contains(&bits) {
            return Err(ConfigError::new(
                format!("ClientIp::ipv6_prefix({bits}) is not the prefix length of one customer's network"),
                "use the prefix length that customers get: 64, 56 or 48; at least 32, at most 128",
            ));
        }
        Ok(Self { prefix: Some(bits), ..self })
    }

    /// Exempts these networks, such as health checks or an office, from limits by address and from budgets of failed
    /// attempts. The address of the client is compared, not that of the proxy. Limits of callers still count requests
    /// from these networks.
    ///
    /// # Errors
    /// As for [`behind`](Self::behind).
    pub fn exempt<S: AsRef<str>>(self, networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        Ok(Self { exempt: Networks::read(networks, "ClientIp::exempt")?, ..self })
    }

    /// Uses the setting of the stack, [`AuthStackBuilder::client_ip`](crate::stack::AuthStackBuilder::client_ip), so
    /// that the limits of a stack list the proxies in one place.
    ///
    /// [`exempt`](Self::exempt) and [`ipv6_prefix`](Self::ipv6_prefix) may be set for one limit, and replace those of the
    /// stack. A clone of the limit on another route has the setting too. A stack without the setting fails to build, and a
    /// layer that was never part of a stack answers 500.
    ///
    /// ```
    /// use tower_auth::{ApiKeyLayer, AuthStack, ClientIp, Quota, RateLimitLayer, Secret};
    ///
    /// let stack = AuthStack::builder()
    ///     .client_ip(ClientIp::behind(["10.0.0.0/8"])?)
    ///     .limit(RateLimitLayer::failures(Quota::per_minute(30), ClientIp::of_stack()))
    ///     .limit(RateLimitLayer::by_address(Quota::per_second(20), ClientIp::of_stack()))
    ///     .auth(ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?)
    ///     .build()?;
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn of_stack() -> Self {
        Self { stack: Some(Arc::default()), ..Self::peer() }
    }

    /// Returns the address of the client that sent a request, for example for an audit log. `None` if the host did not say
    /// from where the request came, or if a proxy did not name the client.
    ///
    /// ```
    /// use std::net::IpAddr;
    /// use tower_auth::{ClientIp, PeerAddr};
    ///
    /// let mut request = http::Request::get("/").header("x-forwarded-for", "192.0.2.7").body(()).unwrap();
    /// request.extensions_mut().insert(PeerAddr(IpAddr::from([10, 0, 0, 1])));
    /// let client = ClientIp::behind(["10.0.0.0/8"])?;
    /// assert_eq!(client.address(request.headers(), request.extensions()), Some(IpAddr::from([192, 0, 2, 7])));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn address(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        self.named(headers, extensions).ok().flatten()
    }

    pub(crate) const fn is_of_stack(&self) -> bool {
        self.stack.is_some()
    }

    /// Gives it the setting of the stack, if it stands for that. The first stack counts.
    pub(crate) fn enter_stack(&self, setting: Option<&Self>) -> Result<(), ConfigError> {
        match (&self.stack, setting) {
            (None, _) => Ok(()),
            (Some(stack), Some(setting)) => {
                let _ = stack.set(setting.clone());
                Ok(())
            }
            (Some(_), None) => Err(ConfigError::new(
                "a limit uses ClientIp::of_stack(), but the AuthStack has no client_ip setting",
                "call AuthStackBuilder::client_ip(..) with ClientIp::peer() or ClientIp::behind([\"10.0.0.0/8\"])?",
            )),
        }
    }

    /// The setting of the stack, if this value stands for it and has entered one.
    fn setting(&self) -> Option<&Self> {
        self.stack.as_ref()?.get()
    }

    /// Returns the address of the client and its bucket; `None` if the address is exempt.
    pub(crate) fn bucket(
        &self,
        headers: &HeaderMap,
        facts: &Extensions,
    ) -> Result<Option<(IpAddr, BucketKey)>, Rejection> {
        let Found { address, vouched } = self.find(headers, facts)?;
        let setting = self.setting();
        let networks =
            setting.map(|setting| &setting.exempt).filter(|_| self.exempt.is_empty()).unwrap_or(&self.exempt);
        let known = |address| networks.contain(address);
        let exempt = vouched && (known(address) || embedded_v4(address).is_some_and(|inner| known(inner.into())));
        let prefix = self.prefix.or_else(|| setting?.prefix).unwrap_or(PREFIX);
        Ok((!exempt).then(|| (address, BucketKey::client(address, prefix))))
    }

    /// Returns the address of the client; `None` if it is that of a proxy that did not name the client.
    pub(crate) fn named(&self, headers: &HeaderMap, facts: &Extensions) -> Result<Option<IpAddr>, Rejection> {
        let Found { address, vouched } = self.find(headers, facts)?;
        Ok(vouched.then_some(address))
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// Finds the address of the client in the headers and the extensions of a request.
    pub(super) fn find(&self, headers: &HeaderMap, facts: &Extensions) -> Result<Found, Rejection> {
        if self.stack.is_some() {
            let setting = self.setting().ok_or_else(|| Rejection::internal(OUTSIDE_STACK))?;
            return setting.find(headers, facts);
        }
        let peer = PeerAddr::of(facts).ok_or_else(|| Rejection::internal(UNKNOWN))?;
        let peer = peer.0.to_canonical();
        let direct = Found { address: peer, vouched: true };
        Ok(if self.trusted.contain(peer) { self.forwarded(direct, headers) } else { direct })
    }

    /// Reads the hops from right to left: each trusted proxy wrote the address that it received the request from.
    fn forwarded(&self, mut last: Found, headers: &HeaderMap) -> Found {
        for hop in hops(headers, &self.header) {
            // A hop without an address was not written by a trusted proxy, or the proxy does not know the address.
            let Some(address) = hop else { return Found { vouched: false, ..last } };
            last.address = address;
            if !self.trusted.contain(address) {
                break;
            }
        }
        last
    }
}

/// The address of a client.
pub(super) struct Found {
    pub(super) address: IpAddr,
    /// False if it is the address of a proxy that did not name the client.
    vouched: bool,
}

/// The bits of an IPv6 address that belong to one client.
const PREFIX: u8 = 64;
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const OUTSIDE_STACK: &str = "a layer with ClientIp::of_stack() is mounted outside an AuthStack; use ClientIp::peer() \
                             or ClientIp::behind(..)";

const UNKNOWN: &str = "the client's address is unknown: the request's extensions hold no connection address; in axum, \
                       serve with into_make_service_with_connect_info::<SocketAddr>(); elsewhere, insert a PeerAddr \
                       into the request's extensions";
