//! What requests carry: who asks, and what proves it.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{BoxError, ConfigError, Secret, base::credential};

/// The headers of requests. All but the agent are only for the server of the configured URL.
#[derive(Clone, Default)]
pub(super) struct Carried {
    pub(super) agent: Option<HeaderValue>,
    pub(super) token: Option<Token>,
    pub(super) more: HeaderMap,
}

#[derive(Clone)]
pub(super) enum Token {
    Fixed(HeaderName, HeaderValue),
    /// Read for each fetch, because another process replaces it.
    File(PathBuf),
}

/// The maximum size of a file with a token, in bytes.
const LARGEST: u64 = 64 * 1024;

impl Carried {
    /// Returns the headers of a request. `home` says whether it is for the server of the configured URL.
    pub(super) fn headers(&self, accept: HeaderValue, home: bool) -> Result<HeaderMap, BoxError> {
        let mut headers = if home { self.more.clone() } else { HeaderMap::new() };
        headers.insert(header::ACCEPT, accept);
        if let Some(agent) = &self.agent {
            headers.insert(header::USER_AGENT, agent.clone());
        }
        match self.token.as_ref().filter(|_| home) {
            None => {}
            Some(Token::Fixed(name, value)) => drop(headers.insert(name, value.clone())),
            Some(Token::File(path)) => {
                let (name, value) = of_file(path)?;
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// Checks that the file with the token can be read now.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Some(Token::File(path)) = &self.token else { return Ok(()) };
        of_file(path).map(drop).map_err(|why| {
            ConfigError::new(
                format!("the keys cannot be fetched: {why}"),
                "use the path of a file with a token alone, such as /var/run/secrets/kubernetes.io/serviceaccount/token",
            )
        })
    }
}

fn of_file(path: &Path) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = |what: &dyn std::fmt::Display| format!("the file of the token {} {what}", path.display());
    let unread = |error: std::io::Error| wrong(&format_args!("cannot be read: {error}"));
    // Opening a pipe would wait for its writer.
    if !std::fs::metadata(path).map_err(unread)?.is_file() {
        return Err(wrong(&"is not a regular file"));
    }
    let mut text = String::new();
    File::open(path).map_err(unread)?.take(LARGEST + 1).read_to_string(&mut text).map_err(unread)?;
    let token = Secret::new(text.trim_ascii());
    zeroize::Zeroize::zeroize(&mut text);
    if token.expose().is_empty() {
        return Err(wrong(&"is empty"));
    }
    if token.expose().len() as u64 >= LARGEST {
        return Err(wrong(&"is too long for a token"));
    }
    credential::bearer(&token).ok_or_else(|| wrong(&"holds more than a token on one line"))
}
