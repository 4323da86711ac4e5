//! The slots of a cluster, and the server that has each.

use std::{ops::RangeInclusive, sync::Arc};

pub(super) const SLOTS: usize = 16_384;

/// The slot of a key without braces: CRC16/XMODEM of its bytes.
pub(super) fn slot(key: &str) -> usize {
    let crc = key.bytes().fold(0_u16, |crc, byte| crc << 8 ^ STEPS[usize::from((crc >> 8) as u8 ^ byte)]);
    usize::from(crc) % SLOTS
}

const STEPS: [u16; 256] = {
    let (mut steps, mut byte) = ([0; 256], 0_u16);
    while byte < 256 {
        let (mut crc, mut bit) = (byte << 8, 0);
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        steps[byte as usize] = crc;
        byte += 1;
    }
    steps
};

/// Which server has which slots. Others may be known too, which have none.
pub(super) struct Table<S> {
    servers: Vec<Arc<S>>,
    /// For each slot, the place of its server.
    slots: Box<[u16]>,
}

/// A slot that no server has.
const NOBODY: u16 = u16::MAX;

/// The servers are shared.
impl<S> Clone for Table<S> {
    fn clone(&self) -> Self {
        Self { servers: self.servers.clone(), slots: self.slots.clone() }
    }
}

impl<S> Table<S> {
    pub(super) fn new() -> Self {
        Self { servers: Vec::new(), slots: vec![NOBODY; SLOTS].into() }
    }

    pub(super) fn server(&self, slot: usize) -> Option<&Arc<S>> {
        self.servers.get(usize::from(*self.slots.get(slot)?))
    }

    pub(super) fn servers(&self) -> &[Arc<S>] {
        &self.servers
    }

    /// The first slot that no server has.
    pub(super) fn gap(&self) -> Option<usize> {
        self.slots.iter().position(|server| *server == NOBODY)
    }

    pub(super) fn add(&mut self, server: &Arc<S>) {
        if !self.servers.iter().any(|known| Arc::ptr_eq(known, server)) {
            self.servers.push(Arc::clone(server));
        }
    }

    /// Gives slots to a server that is known.
    pub(super) fn assign(&mut self, slots: RangeInclusive<usize>, server: &Arc<S>) {
        let place = self.servers.iter().position(|known| Arc::ptr_eq(known, server));
        // A cluster has at most as many servers as slots.
        let place = place.and_then(|place| u16::try_from(place).ok()).unwrap_or(NOBODY);
        if let Some(slots) = self.slots.get_mut(slots) {
            slots.fill(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // 0x31C3 is below the number of slots.
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot(""), 0);
    }

    #[test]
    fn slots_have_the_server_that_was_assigned_last() {
        let [one, two] = ["one", "two"].map(Arc::new);
        let mut table = Table::new();
        assert!(table.server(0).is_none() && table.gap() == Some(0));
        for server in [&one, &two, &one] {
            table.add(server);
        }
        assert_eq!(table.servers().len(), 2);
        table.assign(0..=16_383, &one);
        table.assign(5..=6, &two);
        let of = |table: &Table<_>, slot| table.server(slot).map(|server| **server);
        assert_eq!([4, 5, 6, 7].map(|slot| of(&table, slot)), [Some("one"), Some("two"), Some("two"), Some("one")]);
        assert_eq!((table.gap(), of(&table, 16_384)), (None, None));
        table.assign(16_000..=16_384, &two);
        assert_eq!(of(&table, 16_000), Some("one"), "a range that ends after the last slot is none");
    }
}
