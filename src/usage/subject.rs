use std::fmt;

/// Whose requests are counted.
///
/// ```
/// use tower_auth::usage::UsageOf;
///
/// assert_eq!(UsageOf::key("key_1").to_string(), "key key_1");
/// assert_eq!(UsageOf::of("account", "acme"), Some(UsageOf::account("acme")));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum UsageOf {
    /// A key, by its id.
    Key(String),
    /// An account, with all of its keys and tokens.
    Account(String),
    /// An organisation, with all keys and tokens whose first organisation it is.
    Organization(String),
    /// Requests whose caller is not known: without a credential, or with one that proves nothing.
    Strangers,
}

impl UsageOf {
    /// Returns the key with this id.
    pub fn key(id: impl Into<String>) -> Self {
        Self::Key(id.into())
    }

    /// Returns the account of this name.
    pub fn account(id: impl Into<String>) -> Self {
        Self::Account(id.into())
    }

    /// Returns the organisation of this name.
    pub fn organization(id: impl Into<String>) -> Self {
        Self::Organization(id.into())
    }

    /// Returns the subject of these columns: the reverse of [`kind`](Self::kind) and [`id`](Self::id). `None` if this version
    /// does not know the kind.
    #[must_use]
    pub fn of(kind: &str, id: &str) -> Option<Self> {
        match kind {
            "key" => Some(Self::key(id)),
            "account" => Some(Self::account(id)),
            "organization" => Some(Self::organization(id)),
            "strangers" => Some(Self::Strangers),
            _ => None,
        }
    }

    /// Returns the kind for a column of a table: `key`, `account`, `organization` or `strangers`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Key(_) => "key",
            Self::Account(_) => "account",
            Self::Organization(_) => "organization",
            Self::Strangers => "strangers",
        }
    }

    /// Returns the id of the key, account or organisation; empty for strangers.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Key(id) | Self::Account(id) | Self::Organization(id) => id,
            Self::Strangers => "",
        }
    }
}

impl fmt::Display for UsageOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}
