//! Networks and addresses as texts, in the form in which addresses are compared.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// `::ffff:0:0/96`: all IPv4 addresses in IPv6 form.
pub(crate) const MAPPED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);

/// Returns the network, or the network of a single address. IPv4-mapped networks become IPv4, because addresses are
/// compared in that form ([`IpAddr::to_canonical`]).
pub(crate) fn parse(text: &str) -> Option<IpNet> {
    match text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).ok()? {
        IpNet::V6(network) => v6(network),
        network @ IpNet::V4(_) => Some(network),
    }
}

fn v6(network: Ipv6Net) -> Option<IpNet> {
    match network.addr().to_ipv4_mapped().filter(|_| MAPPED.contains(&network)) {
        Some(address) => Ipv4Net::new(address, network.prefix_len() - MAPPED.prefix_len()).ok().map(IpNet::V4),
        None => Some(IpNet::V6(network)),
    }
}
