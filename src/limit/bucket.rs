use std::{fmt, net::IpAddr};

use crate::key::sha256;

/// Whose requests are counted together. It is made of parts that never run into each other: `["a", "bc"]` and `["ab", "c"]`
/// are two buckets.
///
/// It is a digest of 128 bits, so that what it is made of takes no room, and stands in no log.
///
/// ```
/// use tower_auth::limit::Bucket;
///
/// let one = Bucket::of(["tenant", "acme:eu", "uploads"]);
/// assert_ne!(one, Bucket::of(["tenant", "acme", "eu:uploads"]));
/// assert_ne!(one, Bucket::of(["tenant", "acme:eu"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Bucket([u64; 2]);

impl Bucket {
    /// The bucket of these parts, in this order.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for part in parts {
            all.extend((part.len() as u64).to_le_bytes());
            all.extend(part.as_bytes());
        }
        let digest = sha256(&all);
        let half = |at: usize| digest[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Self([half(0), half(8)])
    }

    /// The bucket of an address: an IPv4 address, or the /64 that an IPv6 address is of, which is one customer's.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self([u64::from(u32::from(address)), 4]),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self([[a, b, c, d].into_iter().fold(0, |all, part| all << 16 | u64::from(part)), 6])
            }
        }
    }

    /// The bucket of the same party for another purpose.
    pub(crate) const fn scoped(self, scope: Self) -> Self {
        Self([self.0[0] ^ scope.0[0], self.0[1] ^ scope.0[1]])
    }

    /// The digest, or the address; the same in every process.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.0[0].to_le_bytes());
        high.copy_from_slice(&self.0[1].to_le_bytes());
        bytes
    }

    #[inline]
    pub(super) const fn halves(self) -> [u64; 2] {
        self.0
    }
}

/// Nothing of it: an address can be found from any short digest of it.
impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bucket(..)")
    }
}
