/// The segments of a path, split once for all rules of a table.
pub(super) struct Segments<'a> {
    /// The first segments, without an allocation.
    near: [Word<'a>; NEAR],
    count: usize,
    /// All segments, if there are more than `NEAR`; otherwise empty.
    many: Vec<Word<'a>>,
}

const NEAR: usize = 8;

/// A segment, and its head, which is compared first: most segments differ in their length or in their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) head: Head,
}

/// The length of a text, and its first eight bytes. A shorter text is padded with zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    len: usize,
    first: u64,
}

impl Head {
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let first = match bytes.first_chunk() {
            Some(first) => u64::from_le_bytes(*first),
            None => bytes.iter().rev().fold(0, |first, byte| first << 8 | u64::from(*byte)),
        };
        Self { len: bytes.len(), first }
    }
}

impl<'a> Word<'a> {
    #[inline]
    fn of(text: &'a str) -> Self {
        Self { text, head: Head::of(text) }
    }

    /// Returns whether the segment equals a text with this head.
    #[inline]
    pub(super) fn is(&self, text: &str, head: Head) -> bool {
        self.head == head && (head.len <= 8 || self.text == text)
    }
}

impl<'a> Segments<'a> {
    /// Splits a path. Returns `None` if the path does not start with a slash; no rule matches such a path.
    #[inline]
    pub(super) fn of(path: &'a str) -> Option<Self> {
        let relative = path.strip_prefix('/')?;
        let none = Word { text: "", head: Head { len: 0, first: 0 } };
        let mut segments = Self { near: [none; NEAR], count: 0, many: Vec::new() };
        let mut start = 0;
        for (at, byte) in relative.bytes().enumerate() {
            if byte == b'/' {
                segments.push(relative.get(start..at)?);
                start = at + 1;
            }
        }
        segments.push(relative.get(start..)?);
        if segments.count > NEAR {
            segments.many = relative.split('/').map(Word::of).collect();
        }
        Some(segments)
    }

    #[inline]
    fn push(&mut self, segment: &'a str) {
        if let Some(place) = self.near.get_mut(self.count) {
            *place = Word::of(segment);
        }
        self.count += 1;
    }

    #[inline]
    pub(super) fn all(&self) -> &[Word<'a>] {
        if self.many.is_empty() { self.near.get(..self.count).unwrap_or_default() } else { &self.many }
    }
}
