//! The networks from which a key may be used.

use ipnet::IpNet;

use crate::base::network::{self, MAPPED};

/// Returns the network, or says what is wrong with it. The host bits are dropped.
pub(super) fn read(text: &str) -> Result<IpNet, &'static str> {
    match network::parse(text.trim()).ok_or("is not a network")?.trunc() {
        IpNet::V6(network) if network.contains(&MAPPED) => {
            Err("contains all of IPv4 in IPv6 form (::ffff:0:0/96); write IPv4 networks as IPv4")
        }
        network => Ok(network),
    }
}

/// Whether the networks together contain every address of IPv4 or of IPv6.
pub(super) fn cover_everything(networks: &[IpNet]) -> bool {
    IpNet::aggregate(&networks.to_vec()).iter().any(|network| network.prefix_len() == 0)
}
