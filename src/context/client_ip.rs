use std::net::IpAddr;

use http::{Extensions, HeaderMap, HeaderName};

use super::{forwarded::hops, networks::Networks};
use crate::{
    ConfigError, PeerAddr, Rejection,
    limit::{BucketKey, embedded_v4},
};

/// Whose address counts: that of the connection, or the one that a proxy of yours names.
///
/// There is no default. Behind a balancer every connection is the balancer's, and all customers would share one limit;
/// without one, whoever believes `X-Forwarded-For` believes the attacker.
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
/// - An IPv4 address, also where it is written as IPv6: `::ffff:192.0.2.1`; translated by NAT64 (`64:ff9b::/96`, and
///   networks of 96 bits at the start of `64:ff9b:1::/48`) or by SIIT (`::ffff:0:0:0/96`); tunnelled by 6to4 (`2002::/16`)
///   or Teredo (`2001::/32`), whose clients have the IPv4 address that their own is made of. Any other address in
///   `64:ff9b:1::/48` counts by itself, since nobody can tell which of its bits are the IPv4 address.
/// - The first 64 bits of any other IPv6 address, or those of [`ipv6_prefix`](Self::ipv6_prefix).
///
/// What a proxy of yours cannot or will not name (`unknown`, `_hidden`, text that is no address) is nobody's address:
/// such a request counts as the last hop that was vouched for, which is the proxy that wrote it, and is never exempt.
#[derive(Clone, Debug)]
pub struct ClientIp {
    trusted: Networks,
    exempt: Networks,
    header: HeaderName,
    prefix: u8,
    /// Whether it stands for the one that the stack was given.
    of_stack: bool,
    fault: Option<ConfigError>,
}

impl ClientIp {
    /// The address of the connection ([`PeerAddr`]): nobody stands in between.
    #[must_use]
    pub fn peer() -> Self {
        Self {
            trusted: Networks::default(),
            exempt: Networks::default(),
            header: X_FORWARDED_FOR,
            prefix: 64,
            of_stack: false,
            fault: None,
        }
    }

    /// The last address in `X-Forwarded-For` that is none of these networks, which are your own proxies: what stands
    /// further left was written by whoever sent the request. A request that comes from elsewhere counts by its connection,
    /// whatever its headers say.
    ///
    /// Networks of IPv4 may be written as IPv6 (`::ffff:10.0.0.0/104`).
    ///
    /// # Errors
    /// When a network cannot be read, none is given, or they are so wide that they trust strangers: a prefix under 8 bits
    /// of IPv4 or 16 bits of IPv6 (`fc00::/7` and `fe80::/10` apart), or half of all addresses together.
    pub fn behind<S: AsRef<str>>(networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        Ok(Self { trusted: Networks::read(networks, "ClientIp::behind")?, ..Self::peer() })
    }

    /// Reads this header instead of `X-Forwarded-For`: a list of addresses, or one, as `CF-Connecting-IP`. `Forwarded` is
    /// read as RFC 7239 has it: the parameter `for` of each element. The proxy has to replace what a client sends in the
    /// header, or to append to it.
    ///
    /// Only what a proxy writes is read: after [`peer`](Self::peer) it is a mistake, which is found when a stack is built.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        if self.trusted.is_empty() {
            self.fault = Some(ConfigError::new(
                format!("ClientIp::peer().header({:?}) would read no header, since it trusts no proxy", name.as_str()),
                "name the networks of the proxies that write it: ClientIp::behind([\"10.0.0.0/8\"])?.header(..)",
            ));
        }
        Self { header: name, ..self }
    }

    /// How many bits of an IPv6 address are one client's; 64 by default. Providers that give each customer a /56 or a /48
    /// let one customer count as 256 or 65,536 clients under a /64. With more than 64, whoever holds a network of 64 bits
    /// counts as often as they like: for networks of your own alone.
    ///
    /// # Errors
    /// Under 32 bits, which are all customers of a provider, and over 128.
    pub fn ipv6_prefix(self, bits: u8) -> Result<Self, ConfigError> {
        if !(32..=128).contains(&bits) {
            return Err(ConfigError::new(
                format!("ClientIp::ipv6_prefix({bits}) is no prefix of one customer's"),
                "give the bits of the networks that customers get: 64, 56 or 48; at least 32, at most 128",
            ));
        }
        Ok(Self { prefix: bits, ..self })
    }

    /// Leaves these networks uncounted, by limits by address and by budgets of failed attempts alike: health checks, an
    /// office. The client's address decides, not the proxy's. Limits of callers count them all the same.
    ///
    /// # Errors
    /// As [`behind`](Self::behind).
    pub fn exempt<S: AsRef<str>>(self, networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        Ok(Self { exempt: Networks::read(networks, "ClientIp::exempt")?, ..self })
    }

    /// The setting of the stack, [`AuthStackBuilder::client_ip`](crate::stack::AuthStackBuilder::client_ip): for limits in
    /// that stack, so that the proxies are named in one place.
    ///
    /// A stack without that setting is not built, and a layer that is mounted outside a stack answers 500.
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
        Self { of_stack: true, ..Self::peer() }
    }

    pub(crate) const fn is_of_stack(&self) -> bool {
        self.of_stack
    }

    /// Itself, or the setting of the stack that it stands for.
    pub(crate) fn in_stack(self, of_stack: Option<&Self>) -> Result<Self, ConfigError> {
        match of_stack {
            _ if !self.of_stack => Ok(self),
            Some(setting) => Ok(setting.clone()),
            None => Err(ConfigError::new(
                "a limit counts addresses by ClientIp::of_stack(), and the AuthStack has no such setting",
                "call AuthStackBuilder::client_ip(..) with ClientIp::peer() or ClientIp::behind([\"10.0.0.0/8\"])?",
            )),
        }
    }

    /// Whose requests count together, and the address by which they do; nothing where the address is exempt.
    pub(crate) fn bucket(
        &self,
        headers: &HeaderMap,
        facts: &Extensions,
    ) -> Result<Option<(IpAddr, BucketKey)>, Rejection> {
        let Found { address, vouched } = self.find(headers, facts)?;
        let known = |address| self.exempt.contain(address);
        let exempt = vouched && (known(address) || embedded_v4(address).is_some_and(|inner| known(inner.into())));
        Ok((!exempt).then(|| (address, BucketKey::client(address, self.prefix))))
    }

    pub(crate) fn check_config(&self) -> Result<(), ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    /// The address of the client, by the headers and the extensions of a request.
    pub(super) fn find(&self, headers: &HeaderMap, facts: &Extensions) -> Result<Found, Rejection> {
        if self.of_stack {
            return Err(Rejection::internal(OUTSIDE_STACK));
        }
        let peer = PeerAddr::of(facts).ok_or_else(|| Rejection::internal(UNKNOWN))?;
        let peer = peer.0.to_canonical();
        let direct = Found { address: peer, vouched: true };
        Ok(if self.trusted.contain(peer) { self.forwarded(direct, headers) } else { direct })
    }

    /// From the right: each of our own vouches for the one that it had the request from.
    fn forwarded(&self, mut last: Found, headers: &HeaderMap) -> Found {
        for hop in hops(headers, &self.header) {
            // What cannot be read was not written by one of ours, or says that they do not know.
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
    /// Whether it is the client's own, and not that of a proxy which did not name the client.
    vouched: bool,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

const OUTSIDE_STACK: &str = "a layer that was given ClientIp::of_stack() is mounted outside an AuthStack; give it ClientIp::peer() or \
                             ClientIp::behind(..)";

const UNKNOWN: &str = "the address of the client is not known: nothing in the request says whose connection it came on; in \
                       axum serve with into_make_service_with_connect_info::<SocketAddr>(), elsewhere put a PeerAddr into \
                       the request's extensions";
