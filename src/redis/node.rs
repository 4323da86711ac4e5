//! One server, as a URL names it.

use std::fmt;

use redis::{ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo};

use crate::ConfigError;

#[derive(Clone)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
    /// The user, the password and the number of the database.
    pub(super) login: RedisConnectionInfo,
    pub(super) tls: bool,
}

impl Node {
    /// # Errors
    /// If the URL cannot be read. The error does not show the URL: it may have a password.
    pub(super) fn parse(url: &str) -> Result<Self, ConfigError> {
        let (tls, rest) = scheme(url)?;
        if rest.contains(['?', '#']) {
            return Err(wrong(
                "has a ? or #",
                "write these characters in a password as %3F and %23; settings are methods of RedisConfig and not parameters of the \
                 URL",
            ));
        }
        let info = format!("redis://{rest}").into_connection_info().map_err(|_| wrong("cannot be read", FORMAT))?;
        let login = info.redis_settings().clone().set_skip_set_lib_name();
        if login.username().is_some() && login.password().is_none() {
            return Err(wrong("has a user and no password", "write a password alone as redis://:password@host:6379"));
        }
        if login.db() < 0 {
            return Err(wrong("has a negative database number", FORMAT));
        }
        match info.addr() {
            ConnectionAddr::Tcp(host, port) => Ok(Self { host: host.clone(), port: *port, login, tls }),
            _ => Err(wrong("names no host", FORMAT)),
        }
    }

    /// The same login at another address.
    pub(super) fn moved(&self, host: String, port: u16) -> Self {
        Self { host, port, ..self.clone() }
    }

    /// An address that this server has named. A server that does not know its own name leaves it out.
    pub(super) fn at(&self, host: String, port: u16) -> Self {
        self.moved(if host.is_empty() { self.host.clone() } else { host }, port)
    }
}

const FORMAT: &str = "write it as redis://user:password@host:6379/0, or redis://host; in the user and the password, write reserved \
                      characters in their percent-encoded form, such as %40 for @";

fn scheme(url: &str) -> Result<(bool, &str), ConfigError> {
    let schemes = [("redis://", false), ("valkey://", false), ("rediss://", true), ("valkeys://", true)];
    let found = schemes.into_iter().find_map(|(scheme, tls)| Some((tls, url.strip_prefix(scheme)?)));
    found.ok_or_else(|| wrong("does not start with redis:// or rediss://", FORMAT))
}

fn wrong(what: &'static str, help: &'static str) -> ConfigError {
    ConfigError::new(format!("the URL of a Redis server {what}"), help)
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Without the user: a password without its colon is read as one.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{self}/{}", if self.tls { "rediss" } else { "redis" }, self.login.db())
    }
}
