use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use crate::key::sha256;

/// The key of a bucket. Requests with the same key are counted together. The key has parts with unambiguous borders:
/// `["a", "bc"]` and `["ab", "c"]` are two buckets.
///
/// The key is a digest of 128 bits. The parts are not stored and appear in no log.
///
/// ```
/// use tower_auth::limit::BucketKey;
///
/// let one = BucketKey::new(["tenant", "acme:eu", "uploads"]);
/// assert_ne!(one, BucketKey::new(["tenant", "acme", "eu:uploads"]));
/// assert_ne!(one, BucketKey::new(["tenant", "acme:eu"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BucketKey([u64; 2]);

impl BucketKey {
    /// Returns the key of these parts, in this order.
    pub fn new<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            all.extend((part.len() as u64).to_le_bytes());
            all.extend(part.as_bytes());
        }
        let digest = sha256(&all);
        let half = |at: usize| digest[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self([half(0), half(8)])
    }

    /// Returns the key of an IP address: the whole IPv4 address, or the /64 network of an IPv6 address. A /64 usually
    /// belongs to one customer.
    #[must_use]
    pub fn from_ip(address: IpAddr) -> Self {
        Self::network(address, 64)
    }

    /// Returns the key of a client address. For IPv6, the first `prefix` bits identify one customer. An IPv4 address
    /// that is embedded in an IPv6 address has the same key as the IPv4 address itself.
    pub(crate) fn client(address: IpAddr, prefix: u8) -> Self {
        match (address, embedded_v4(address)) {
            (_, Some(inner)) => Self::network(inner.into(), prefix),
            // The position of the IPv4 address is unknown in this prefix, and no customer has a network in it.
            (IpAddr::V6(v6), None) if v6.segments()[..3] == LOCAL_NAT64 => Self::network(address, 128),
            (address, None) => Self::network(address, prefix),
        }
    }

    fn network(address: IpAddr, prefix: u8) -> Self {
        let address = match address.to_canonical() {
            IpAddr::V4(address) => return Self([u64::from(u32::from(address)), 4]),
            IpAddr::V6(address) => u128::from(address),
        };
        let bits = address & u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        let half = |at: u32| u64::try_from(bits >> at & u128::from(u64::MAX)).unwrap_or(0);
        Self([half(64), if prefix > 64 { half(0) } else { 6 }])
    }

    /// Returns a key for the same client and another purpose.
    pub(crate) const fn scoped(self, scope: Self) -> Self {
        Self([self.0[0] ^ scope.0[0], self.0[1] ^ scope.0[1]])
    }

    /// Returns the bytes of the key: the digest, or the address. They are the same in every process.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.0[0].to_le_bytes());
        high.copy_from_slice(&self.0[1].to_le_bytes());
        bytes
    }

    /// Returns a half of the key, as a hash.
    #[inline]
    pub(crate) const fn low(self) -> u64 {
        self.0[0]
    }

    #[inline]
    pub(super) const fn halves(self) -> [u64; 2] {
        self.0
    }
}

/// `64:ff9b:1::/48`, for local NAT64 translators (RFC 8215).
const LOCAL_NAT64: [u16; 3] = [0x64, 0xff9b, 1];

/// Returns the IPv4 address embedded in an IPv6 address: translated (RFC 6052, section 2.1; RFC 8215; RFC 2765) or
/// tunnelled (RFC 3056; RFC 4380, section 4).
pub(crate) const fn embedded_v4(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let (high, low) = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 1, _, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x2002, high, low, ..] => (high, low),
        [0x2001, 0, _, _, _, _, high, low] => (!high, !low),
        _ => return None,
    };
    Some(Ipv4Addr::from_bits((high as u32) << 16 | low as u32))
}

/// Shows no part of the key, because an address can be guessed from a short digest.
impl fmt::Debug for BucketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BucketKey(..)")
    }
}
