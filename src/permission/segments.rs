/// A path taken apart once, for all rules of a table.
pub(super) struct Segments<'a> {
    near: [&'a str; NEAR],
    count: usize,
    /// Of a path with more segments than most: all of them.
    many: Vec<&'a str>,
}

const NEAR: usize = 8;

impl<'a> Segments<'a> {
    /// The segments of a path. A path that does not start with a slash has none that a rule could mean.
    #[inline]
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let relative = path.strip_prefix('/')?;
        let mut segments = Self { near: [""; NEAR], count: 0, many: Vec::new() };
        let mut start = 0;
        for (at, byte) in relative.bytes().enumerate() {
            if byte == b'/' {
                segments.push(relative.get(start..at)?, relative);
                start = at + 1;
            }
        }
        segments.push(relative.get(start..)?, relative);
        Some(segments)
    }

    #[inline]
    fn push(&mut self, segment: &'a str, relative: &'a str) {
        match self.near.get_mut(self.count) {
            Some(place) => *place = segment,
            None if self.many.is_empty() => self.many = relative.split('/').collect(),
            None => {}
        }
        self.count += 1;
    }

    #[inline]
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    #[inline]
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a str> {
        if self.many.is_empty() { &self.near[..self.count.min(NEAR)] } else { &self.many }.iter().copied()
    }
}
