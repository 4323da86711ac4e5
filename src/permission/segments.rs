/// A path taken apart once, for all rules of a table.
pub(super) struct Segments<'a> {
    near: [Word<'a>; NEAR],
    count: usize,
    /// All segments of a path that has more than `near` holds.
    many: Vec<Word<'a>>,
}

const NEAR: usize = 8;

/// A segment, and what of it is compared first: most segments that differ do so in their length or their first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    pub(super) head: Head,
}

/// The length of a text, and its first eight bytes, or zeros for those that it does not have.
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

    /// Whether the segment is this text, whose head is known.
    #[inline]
    pub(super) fn is(&self, text: &str, head: Head) -> bool {
        self.head == head && (head.len <= 8 || self.text == text)
    }
}

impl<'a> Segments<'a> {
    /// The segments of a path. A path that does not start with a slash has none that a rule could mean.
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
