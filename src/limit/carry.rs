//! What a bucket counts when other limits apply to it.

use super::{
    decide::scaled,
    layout::{Layout, Source},
    limits::Limits,
    time::Moment,
    window::Window,
};

impl<const N: usize> Layout<N> {
    /// Converts the slots of a bucket to other limits. The bucket is full again at the same time as before. A window
    /// with a new period starts with the largest count of all other windows that counts requests of this period.
    pub(super) fn carry_over(&self, slots: [u64; N], limits: &Limits, now: Moment) -> (Self, [u64; N]) {
        let (new, sources) = self.next(limits);
        let counted = self.limits.all().iter().zip(self.at).map(|(window, at)| (slots[usize::from(at)], window));
        let counted: Vec<(u64, &Window)> = counted.collect();
        let mut carried = slots;
        for ((window, at), source) in limits.all().iter().zip(new.at).zip(sources) {
            if matches!(source, Source::Others) {
                let asked = counted.iter().filter(|(_, from)| from.is_even() || window.is_even());
                let scaled = asked.map(|(slot, from)| scaled(from.used(*slot, now), from, window));
                let inherited = self.calendars().map(|(at, from)| window.inherited(slots[at], from, now));
                let used = scaled.chain(inherited).max().unwrap_or(0).min(window.capacity());
                carried[usize::from(at)] = window.slot(used, now);
            }
        }
        (new, carried)
    }
}
