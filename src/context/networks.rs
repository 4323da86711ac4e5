//! Lists of networks from a configuration.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    ConfigError,
    base::network::{self, MAPPED},
};

/// Networks of IPv4 and IPv6. IPv4-mapped networks are stored as IPv4, because addresses are compared in that form.
#[derive(Clone, Debug, Default)]
pub(super) struct Networks(Vec<IpNet>);

/// A network with a shorter prefix belongs to no single operator.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 16;

impl Networks {
    /// Parses networks and single addresses. `purpose` is the public method that was called, such as
    /// `ClientIp::behind`.
    pub(super) fn read<S: AsRef<str>>(
        networks: impl IntoIterator<Item = S>,
        purpose: &'static str,
    ) -> Result<Self, ConfigError> {
        let networks: Vec<IpNet> = networks
            .into_iter()
            .map(|network| {
                let text = network.as_ref().trim();
                one(text).map_err(|why| wrong(purpose, format_args!("was given {text:?}, which {why}")))
            })
            .collect::<Result<_, _>>()?;
        if networks.is_empty() {
            return Err(wrong(purpose, format_args!("was given no network")));
        }
        let networks = IpNet::aggregate(&networks);
        if cover_half(&networks) {
            return Err(wrong(purpose, format_args!("was given networks that together cover most of the Internet")));
        }
        Ok(Self(networks))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn wrong(purpose: &'static str, what: fmt::Arguments<'_>) -> ConfigError {
    let advice = match purpose {
        "ClientIp::behind" => {
            "name only the networks of your own proxies, such as 10.0.0.0/8 or fd00::/8: their headers are trusted"
        }
        _ => "name only networks of your own, such as 192.0.2.0/24 or 2001:db8:7::/48: their addresses are not counted",
    };
    ConfigError::new(format!("{purpose} {what}"), advice)
}

fn one(text: &str) -> Result<IpNet, &'static str> {
    match network::parse(text).ok_or("is not a network")? {
        IpNet::V6(network) => v6(network).map(IpNet::V6),
        IpNet::V4(network) => v4(network).map(IpNet::V4),
    }
}

fn v4(network: Ipv4Net) -> Result<Ipv4Net, &'static str> {
    let wide = network.prefix_len() < SHORTEST_V4;
    if wide { Err("is wider than the networks of one operator can be") } else { Ok(network) }
}

/// Unique local and link-local networks, which are not routed on the Internet (RFC 4193; RFC 4291, section 2.5.6).
const PRIVATE: [Ipv6Net; 2] = [
    Ipv6Net::new_assert(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
];

fn v6(network: Ipv6Net) -> Result<Ipv6Net, &'static str> {
    if network.prefix_len() < SHORTEST_V6 && !PRIVATE.iter().any(|private| private.contains(&network)) {
        return Err("is wider than the networks of one operator can be");
    }
    if network.contains(&MAPPED) {
        return Err("contains all of IPv4 in IPv6 form (::ffff:0:0/96); write IPv4 networks as IPv4");
    }
    Ok(network)
}

/// Whether the networks, which do not overlap, cover half of IPv4 (2^31 addresses), or half of the global unicast
/// addresses of IPv6 (`2000::/3`: 2^60 networks of 64 bits).
fn cover_half(networks: &[IpNet]) -> bool {
    let (mut v4, mut v6) = (0_u64, 0_u64);
    for network in networks {
        match network {
            IpNet::V4(network) => v4 += 1 << (32 - u32::from(network.prefix_len())),
            IpNet::V6(network) => v6 += 1_u64 << (64 - u32::from(network.prefix_len().min(64))),
        }
    }
    v4 >= 1 << 31 || v6 >= 1 << 60
}
