use std::{collections::BTreeMap, fmt::Display, net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;

use super::{networks, origin};
use crate::ConfigError;

/// What a key says about its use: from which networks, from which websites, and how long it may be unused.
///
/// A request has to meet all of them. The [module page](crate::store) describes how each is checked. Cloning increments
/// one reference count.
///
/// ```
/// use std::time::Duration;
/// use tower_auth::{KeyRecord, Restrictions};
///
/// let restrictions = Restrictions::new()
///     .networks(["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"])?
///     .idle_after(Duration::from_secs(30 * 24 * 3600));
/// assert_eq!(
///     restrictions.to_json(),
///     r#"{"networks":["10.0.0.0/8","2001:db8::/32","192.0.2.7/32"],"idle_after":2592000}"#
/// );
/// let record = KeyRecord::new("key_1", "acme").restrictions(restrictions);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "restrictions do nothing until a record has them"]
pub struct Restrictions(Option<Arc<Members>>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Members {
    networks: Vec<IpNet>,
    origins: Vec<String>,
    idle_after: Option<Duration>,
    /// Members that this version cannot enforce, as JSON texts.
    unknown: BTreeMap<String, String>,
}

/// The maximum number of networks, and of origins.
const MOST: usize = 50;

impl Restrictions {
    /// Creates restrictions that allow every use.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Sets the networks and single addresses from which the key may be used. IPv4 networks may be written as IPv6
    /// (`::ffff:10.0.0.0/104`); they are stored as IPv4.
    ///
    /// # Errors
    /// If a network is malformed, if none or more than 50 are given, if they contain every address of IPv4 or of IPv6,
    /// or if an IPv6 network contains all of IPv4.
    ///
    /// ```
    /// use tower_auth::Restrictions;
    ///
    /// assert!(Restrictions::new().networks(["192.0.2.0/24"]).is_ok());
    /// assert!(Restrictions::new().networks(["0.0.0.0/0"]).is_err(), "it restricts nothing");
    /// ```
    pub fn networks<S: AsRef<str>>(mut self, networks: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        self.set_networks(networks)?;
        Ok(self)
    }

    /// Sets the origins of the websites that may use the key: scheme, host and port, as a browser sends them in `Origin`
    /// (RFC 6454, section 7). Upper case and the default port make no difference; otherwise, origins are compared
    /// exactly.
    ///
    /// A request without `Origin` is refused: a key with origins is for browsers only. A program can send any `Origin`,
    /// so this protects a key that is visible in a page only from use by other websites.
    ///
    /// # Errors
    /// If an origin is malformed, has a path or a wildcard or is `null`, or if none or more than 50 are given.
    ///
    /// ```
    /// use tower_auth::Restrictions;
    ///
    /// let restrictions = Restrictions::new().origins(["https://App.Example.com:443", "http://localhost:3000"])?;
    /// assert!(restrictions.allowed_origins().eq(["https://app.example.com", "http://localhost:3000"]));
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    pub fn origins<S: AsRef<str>>(mut self, origins: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        self.set_origins(origins)?;
        Ok(self)
    }

    /// Sets how long the key may be unused, in whole seconds: fractions are dropped. The time counts from
    /// [`KeyRecord::last_used_at`](crate::KeyRecord::last_used_at). Afterwards the key is expired.
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.set_idle_after(idle.as_secs());
        self
    }

    /// Returns whether every use is allowed.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        // A change of nothing always adds a member.
        self.0.is_none()
    }

    /// Returns the networks, such as `10.0.0.0/8`. A single address is a network of `/32` or `/128`.
    pub fn allowed_networks(&self) -> impl Iterator<Item = String> {
        self.members().flat_map(|members| &members.networks).map(ToString::to_string)
    }

    /// Returns the origins, in lower case and without default ports.
    pub fn allowed_origins(&self) -> impl Iterator<Item = &str> {
        self.members().flat_map(|members| &members.origins).map(String::as_str)
    }

    /// Returns how long the key may be unused.
    #[must_use]
    pub fn idle_limit(&self) -> Option<Duration> {
        self.0.as_ref()?.idle_after
    }

    /// Returns the names of the stored members that this version does not know or cannot read. Every use of the key is
    /// refused while it has one.
    pub fn unknown_members(&self) -> impl Iterator<Item = &str> {
        self.unknown().map(|(name, _)| name)
    }

    /// Returns whether this address is in the networks. IPv4-mapped addresses are compared as IPv4.
    pub(crate) fn admits_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.members().flat_map(|members| &members.networks).any(|network| network.contains(&address))
    }

    pub(crate) fn has_networks(&self) -> bool {
        self.members().any(|members| !members.networks.is_empty())
    }

    pub(crate) fn has_origins(&self) -> bool {
        self.members().any(|members| !members.origins.is_empty())
    }

    /// Returns whether this value of `Origin` is among the origins.
    pub(crate) fn admits_origin(&self, value: &[u8]) -> bool {
        let origin = std::str::from_utf8(value).ok().and_then(|text| origin::read(text).ok());
        origin.is_some_and(|origin| self.allowed_origins().any(|allowed| allowed == origin))
    }

    pub(super) fn unknown(&self) -> impl Iterator<Item = (&str, &str)> {
        self.members().flat_map(|members| &members.unknown).map(|(name, text)| (name.as_str(), text.as_str()))
    }

    pub(super) fn set_networks<S: AsRef<str>>(
        &mut self,
        networks: impl IntoIterator<Item = S>,
    ) -> Result<(), ConfigError> {
        let networks = list(NETWORKS, networks, networks::read)?;
        if networks::cover_everything(&networks) {
            return Err(ConfigError::new(
                "Restrictions::networks was given networks that contain every address",
                "leave the restriction out, or list the networks from which the key is used",
            ));
        }
        self.change(NETWORKS.0).networks = networks;
        Ok(())
    }

    pub(super) fn set_origins<S: AsRef<str>>(
        &mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Result<(), ConfigError> {
        let origins = list(ORIGINS, origins, origin::read)?;
        self.change(ORIGINS.0).origins = origins;
        Ok(())
    }

    pub(super) fn set_idle_after(&mut self, seconds: u64) {
        self.change("idle_after").idle_after = Some(Duration::from_secs(seconds));
    }

    /// Keeps a member that cannot be enforced.
    pub(super) fn keep(&mut self, name: String, text: String) {
        self.change(&name).unknown.insert(name, text);
    }

    fn members(&self) -> impl Iterator<Item = &Members> {
        self.0.as_deref().into_iter()
    }

    /// Returns the members for a change of this one, whose unreadable value is forgotten.
    fn change(&mut self, name: &str) -> &mut Members {
        let members = Arc::make_mut(self.0.get_or_insert_default());
        members.unknown.remove(name);
        members
    }
}

const NETWORKS: (&str, &str) = ("networks", "list networks such as 192.0.2.0/24 or 2001:db8::/32, at most 50");
const ORIGINS: (&str, &str) = ("origins", "list origins such as https://app.example.com, at most 50");

/// Reads each element, drops repeated ones, and checks how many there are.
fn list<S: AsRef<str>, T: PartialEq>(
    (setter, help): (&'static str, &'static str),
    texts: impl IntoIterator<Item = S>,
    read: impl Fn(&str) -> Result<T, &'static str>,
) -> Result<Vec<T>, ConfigError> {
    let wrong = |what: &dyn Display| ConfigError::new(format!("Restrictions::{setter} was given {what}"), help);
    let mut all = Vec::new();
    for text in texts {
        let text = text.as_ref();
        let one = read(text).map_err(|why| wrong(&format_args!("{text:?}, which {why}")))?;
        if !all.contains(&one) {
            all.push(one);
        }
        if all.len() > MOST {
            return Err(wrong(&format_args!("more than {MOST}")));
        }
    }
    if all.is_empty() { Err(wrong(&"none")) } else { Ok(all) }
}
