//! What has changed, and its form on the wire.

use std::{convert::Infallible, fmt, str::FromStr};

use crate::key::sha256;

/// Something that cached answers depend on, and that has changed in the store.
///
/// ```
/// use tower_auth::cache::{Announcement, Changed};
///
/// assert_eq!(Announcement::from(Changed::Key("key_1")).to_string(), "cf5c");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Changed<'a> {
    /// The key with this id was changed, revoked or removed.
    Key(&'a str),
    /// This account was suspended or reinstated.
    Account(&'a str),
    /// This organisation was suspended or reinstated.
    Organization(&'a str),
    /// All sessions of this subject were ended.
    Subject(&'a str),
    /// The session with this id has ended.
    Session(&'a str),
    /// The access token with this id was denied.
    Token(&'a str),
    /// A key was created: what was unknown may be known now.
    NewKey,
    /// Anything may have changed.
    Everything,
}

impl Changed<'_> {
    /// The kind and the id, for what has an id.
    const fn named(&self) -> Option<(&'static str, &str)> {
        Some(match self {
            Self::Key(id) => ("key", id),
            Self::Account(id) => ("account", id),
            Self::Organization(id) => ("organization", id),
            Self::Subject(id) => ("subject", id),
            Self::Session(id) => ("session", id),
            Self::Token(id) => ("token", id),
            Self::NewKey | Self::Everything => return None,
        })
    }

    /// Returns the mark of what has an id.
    pub(super) fn mark(&self) -> Option<Mark> {
        self.named().map(|(kind, id)| {
            let [first, second, ..] = sha256(format!("{kind}:{id}").as_bytes());
            Mark(u16::from_be_bytes([first, second]))
        })
    }
}

/// Two bytes of the SHA-256 of a kind and an id, such as `key:key_1`. Things that share a mark are invalidated together. A mark
/// is short on purpose: who listens to announcements learns no id from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mark(u16);

impl Mark {
    /// Of what has no id.
    pub(super) const NONE: Self = Self(0);

    /// Returns the number, below 65,536.
    pub(super) const fn number(self) -> u16 {
        self.0
    }
}

/// A change as processes tell it to each other. It contains no id.
///
/// As text it is four hexadecimal digits, the first two bytes of the SHA-256 of the kind and the id (`key:key_1`,
/// `account:acme`, `organization:acme`, `subject:alice`, `session:…`, `token:…`); `+` for a new key; or `*` for everything.
/// Text that is none of these is read as everything.
///
/// ```
/// use tower_auth::cache::{Announcement, Changed};
///
/// let told = Announcement::from(Changed::Account("acme"));
/// assert_eq!(told.to_string().parse(), Ok(told));
/// assert_eq!("a later version".parse(), Ok(Announcement::from(Changed::Everything)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Announcement(pub(super) Told);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Marked(Mark),
    NewKey,
    Everything,
}

impl From<Changed<'_>> for Announcement {
    fn from(changed: Changed<'_>) -> Self {
        Self(match (changed, changed.mark()) {
            (_, Some(mark)) => Told::Marked(mark),
            (Changed::NewKey, None) => Told::NewKey,
            (_, None) => Told::Everything,
        })
    }
}

impl fmt::Display for Announcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Told::Marked(Mark(number)) => write!(f, "{number:04x}"),
            Told::NewKey => f.write_str("+"),
            Told::Everything => f.write_str("*"),
        }
    }
}

impl FromStr for Announcement {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let digits = text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        Ok(Self(match (text, u16::from_str_radix(text, 16)) {
            (_, Ok(number)) if digits => Told::Marked(Mark(number)),
            ("+", _) => Told::NewKey,
            _ => Told::Everything,
        }))
    }
}
