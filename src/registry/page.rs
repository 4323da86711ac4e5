use std::{fmt, str::FromStr};

/// One page of a list.
///
/// ```
/// use tower_auth::registry::Page;
///
/// fn more(page: &Page<String>) -> bool {
///     page.next.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Page<T> {
    /// What the page lists.
    pub items: Vec<T>,
    /// Where the next page begins; `None` if this is the last one.
    pub next: Option<Cursor>,
}

/// The place in a list after which a page begins. As text it may be handed to a client and read back.
///
/// ```
/// use tower_auth::registry::Cursor;
///
/// let cursor: Cursor = "17".parse()?;
/// assert_eq!(cursor.to_string(), "17");
/// assert!("17x".parse::<Cursor>().is_err());
/// # Ok::<_, std::num::ParseIntError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(i64);

impl Cursor {
    /// Creates the place after the row with this number. Stores number their rows in the order of creation.
    #[must_use]
    pub const fn after(row: i64) -> Self {
        Self(row)
    }

    /// Returns the number of the last row before the page.
    #[must_use]
    pub const fn row(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Cursor {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl<T> Page<T> {
    /// Makes a page of numbered rows. `rows` holds one row more than the page if there are more.
    #[must_use]
    pub fn of(rows: impl IntoIterator<Item = (i64, T)>, limit: usize) -> Self {
        let (mut items, mut last) = (Vec::new(), None);
        for (number, item) in rows {
            if items.len() == limit {
                return Self { items, next: last.map(Cursor) };
            }
            items.push(item);
            last = Some(number);
        }
        Self { items, next: None }
    }

    /// Returns the page with each item changed.
    pub(super) fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

/// The number of items of a page, unless another is asked for, and the largest.
pub(super) const PAGE: usize = 100;
pub(super) const LARGEST_PAGE: usize = 1000;
