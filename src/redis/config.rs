use std::{fmt, future::Future, sync::Arc, time::Duration};

#[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
use super::tls::Tls;
use super::{failure::Failure, node::Node};
use crate::{Clock, ConfigError};

/// Where Redis or Valkey is, and how to connect to it.
///
/// ```
/// use tower_auth::redis::RedisConfig;
///
/// let one = RedisConfig::url("redis://:password@redis.internal:6379/0")?;
/// let cluster = RedisConfig::cluster(["redis://redis-a.internal", "redis://redis-b.internal"])?;
/// let sentinel = RedisConfig::sentinel("redis://:password@mymaster/0", ["redis://sentinel-a.internal:26379"])?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// A URL is `redis://user:password@host:6379/0`, in which only the host is required; with `rediss://` the connection uses TLS.
/// Reserved characters in the user and the password are percent-encoded. `Debug` shows neither of them.
#[derive(Clone)]
pub struct RedisConfig {
    pub(super) servers: Servers,
    pub(super) timeout: Duration,
    prefix: Arc<str>,
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    /// Why there is none is an error of the connection: the roots of the system may be replaced by others before.
    pub(super) tls: Option<Result<Tls, ConfigError>>,
}

#[derive(Clone)]
pub(super) enum Servers {
    One(Node),
    /// Some servers of a cluster, which name the others.
    Cluster(Arc<[Node]>),
    /// The primary, with the name that the sentinels know in place of its host.
    Sentinel {
        primary: Node,
        sentinels: Arc<[Node]>,
    },
}

impl RedisConfig {
    /// One server. A server of a cluster is refused when it is connected: use [`cluster`](Self::cluster).
    ///
    /// # Errors
    /// If the URL cannot be read, or is one of TLS and neither `tls-aws-lc` nor `tls-ring` is enabled.
    pub fn url(url: &str) -> Result<Self, ConfigError> {
        Self::new(Servers::One(Node::parse(url)?))
    }

    /// A cluster. One of these servers is asked for the others, so name several. The login and TLS of that URL are used for all.
    ///
    /// # Errors
    /// If there is no URL, or one of them is wrong as for [`url`](Self::url), or names a database other than 0.
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, ConfigError> {
        let nodes = all(urls, "RedisConfig::cluster")?;
        Self::new(Servers::Cluster(nodes))
    }

    /// A primary that Redis Sentinel watches. In the URL of the primary, its name is in place of the host:
    /// `redis://:password@mymaster/0`. The URLs of the sentinels have their own logins.
    ///
    /// # Errors
    /// If there is no sentinel, or one of the URLs is wrong as for [`url`](Self::url), or that of a sentinel names a database.
    pub fn sentinel<U: AsRef<str>>(primary: &str, sentinels: impl IntoIterator<Item = U>) -> Result<Self, ConfigError> {
        let sentinels = all(sentinels, "RedisConfig::sentinel")?;
        Self::new(Servers::Sentinel { primary: Node::parse(primary)?, sentinels })
    }

    #[cfg_attr(
        any(feature = "tls-aws-lc", feature = "tls-ring"),
        allow(clippy::unnecessary_wraps, reason = "without TLS, some servers are refused")
    )]
    fn new(servers: Servers) -> Result<Self, ConfigError> {
        #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
        let tls = servers.use_tls().then(Tls::system);
        #[cfg(not(any(feature = "tls-aws-lc", feature = "tls-ring")))]
        if servers.use_tls() {
            return Err(ConfigError::new(
                "a URL starts with rediss://, and tower-auth was compiled without TLS for Redis",
                "enable the feature tls-aws-lc or tls-ring, or use redis:// in a network that you trust",
            ));
        }
        Ok(Self {
            servers,
            timeout: Duration::from_secs(1),
            prefix: Arc::from("tower_auth"),
            #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
            tls,
        })
    }

    /// Sets how long it may take to connect to one server, and how long one answer may take. The default is one second.
    ///
    /// # Errors
    /// If it is zero.
    pub fn timeout(self, timeout: Duration) -> Result<Self, ConfigError> {
        if timeout.is_zero() {
            let help = "set the longest time that an answer of Redis may take, such as Duration::from_secs(1)";
            return Err(ConfigError::new("RedisConfig::timeout is zero", help));
        }
        Ok(Self { timeout, ..self })
    }

    /// Sets what the names of all keys and channels begin with. For changes, it is in braces: one slot of a cluster holds them. The default is
    /// `tower_auth`. Services that share a store share the prefix too.
    ///
    /// # Errors
    /// If it is empty, longer than 64 bytes, or has a character other than letters, digits, `_`, `-`, `.` and `:`.
    pub fn prefix(self, prefix: &str) -> Result<Self, ConfigError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte);
        if prefix.is_empty() || prefix.len() > 64 || !prefix.bytes().all(allowed) {
            return Err(ConfigError::new(
                "the prefix of the keys in Redis is empty, too long, or has a character that is not allowed",
                "use up to 64 letters, digits, _, -, . and :, such as tower_auth",
            ));
        }
        Ok(Self { prefix: Arc::from(prefix), ..self })
    }

    /// Trusts these certificates, in PEM format, instead of those of the operating system: for a certificate authority of your
    /// own. Features `tls-aws-lc` and `tls-ring`.
    ///
    /// # Errors
    /// If they cannot be read, if there is none, or if no URL begins with `rediss://`.
    #[cfg(any(feature = "tls-aws-lc", feature = "tls-ring"))]
    pub fn root_certificates(self, pem: &[u8]) -> Result<Self, ConfigError> {
        if !self.servers.use_tls() {
            return Err(ConfigError::new(
                "RedisConfig::root_certificates was called, and no URL begins with rediss://, so the connection is not encrypted",
                "write rediss:// in the URL",
            ));
        }
        Ok(Self { tls: Some(Ok(Tls::pem(pem)?)), ..self })
    }

    /// Waits for an answer, within the time limit.
    pub(super) async fn within<T>(&self, asked: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        Clock::system().within(self.timeout, asked).await.map_err(Failure::new)?
    }

    /// The name of a channel. Servers keep one set of channels for all databases, and keys for each.
    pub(super) fn channel(&self, of: &str) -> String {
        match self.servers.database() {
            0 => self.name(of),
            number => format!("{}:{number}", self.name(of)),
        }
    }

    /// What the names of all keys of limits begin with. They have no braces: each key has a slot of its own in a cluster.
    pub(super) fn prefix_of_limits(&self) -> String {
        format!("{}:limit:", self.prefix)
    }

    /// The name of a key or channel. The braces put all of them into one slot of a cluster.
    pub(super) fn name(&self, of: &str) -> String {
        format!("{{{}}}:{of}", self.prefix)
    }
}

fn all<U: AsRef<str>>(urls: impl IntoIterator<Item = U>, of: &str) -> Result<Arc<[Node]>, ConfigError> {
    let nodes = urls.into_iter().map(|url| Node::parse(url.as_ref())).collect::<Result<Arc<[_]>, _>>()?;
    if nodes.is_empty() {
        return Err(ConfigError::new(format!("{of} has no server"), "pass the URLs of at least two servers"));
    }
    if nodes.iter().any(|node| node.login.db() != 0) {
        return Err(ConfigError::new(
            format!("a URL of {of} names a database other than 0, and these servers have no other"),
            "remove the number from the end of the URL",
        ));
    }
    Ok(nodes)
}

impl Servers {
    fn use_tls(&self) -> bool {
        match self {
            Self::One(node) => node.tls,
            Self::Cluster(nodes) => nodes.iter().any(|node| node.tls),
            Self::Sentinel { primary, sentinels } => primary.tls || sentinels.iter().any(|node| node.tls),
        }
    }

    fn database(&self) -> i64 {
        match self {
            Self::One(node) | Self::Sentinel { primary: node, .. } => node.login.db(),
            Self::Cluster(_) => 0,
        }
    }

    /// What an error calls them before one of them is connected.
    pub(super) fn name(&self) -> String {
        match self {
            Self::One(node) => node.to_string(),
            Self::Cluster(_) => "the cluster".to_owned(),
            Self::Sentinel { primary, .. } => format!("the primary {}", primary.host),
        }
    }

    pub(super) const fn are_a_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("RedisConfig");
        match &self.servers {
            Servers::One(node) => shown.field("url", node),
            Servers::Cluster(nodes) => shown.field("cluster", nodes),
            Servers::Sentinel { primary, sentinels } => shown.field("primary", primary).field("sentinels", sentinels),
        };
        shown.field("timeout", &self.timeout).field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
