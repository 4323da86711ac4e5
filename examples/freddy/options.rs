use crate::common::options::{ALERTING, Alerting, LISTEN, PUBLIC_URL, PublicUrl, REDIS, STORAGE, Storage};

/// The options of the command line.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) public_url: PublicUrl,
    pub(crate) demo: bool,
    /// The maximum size of a request body, in bytes.
    pub(crate) body_limit: usize,
    pub(crate) outside: Option<Outside>,
    /// How many failed attempts an address may make per minute.
    pub(crate) failures: u32,
    /// The networks of the proxies in front of the server.
    pub(crate) proxies: Vec<String>,
    /// A file with the keys that GitHub publishes for its reports of leaked keys.
    pub(crate) github_keys: Option<String>,
    pub(crate) storage: Storage,
    pub(crate) alerting: Alerting,
}

/// An external issuer. The server accepts its tokens too.
pub(crate) struct Outside {
    /// A file or a URL.
    pub(crate) jwks: String,
    pub(crate) issuer: String,
    pub(crate) audience: String,
}

const OUTSIDE: &str = "  --jwks FILE|URL  the keys of an external issuer (--issuer), whose tokens for --audience the server accepts; one with org_demo in
                   its claim organizations is also exchanged at /v1/auth/token for a token that may read";

pub(crate) fn usage() -> String {
    format!(
        "usage: freddy [--listen ADDRESS:PORT] [--public-url URL] [--no-demo] [--database URL --secrets FILE\n\
         {REDIS}] [--body-limit BYTES]\n\
         [--failures NUMBER] [--trust-proxy CIDR]...\n\
         [--jwks FILE|URL --issuer URL --audience NAME] [--github-keys FILE]\n\
         [--alerts-webhook URL --alerts-secret FILE]\n{STORAGE}\n{PUBLIC_URL}\n{OUTSIDE}\n{ALERTING}"
    )
}

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            listen: LISTEN.to_owned(),
            public_url: PublicUrl::default(),
            demo: true,
            body_limit: 1 << 20,
            outside: None,
            failures: 60,
            proxies: Vec::new(),
            github_keys: None,
            storage: Storage::default(),
            alerting: Alerting::default(),
        };
        let (mut jwks, mut issuer, mut audience) = (None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--listen" => options.listen = words.next().ok_or("--listen needs an address")?,
                "--body-limit" => {
                    let bytes = words.next().ok_or("--body-limit needs a number of bytes")?;
                    options.body_limit = bytes.parse().map_err(|_| format!("{bytes:?} is not a number of bytes"))?;
                }
                "--failures" => {
                    let number = words.next().ok_or("--failures needs a number")?;
                    options.failures = number.parse().map_err(|_| format!("{number:?} is not a number of attempts"))?;
                }
                "--trust-proxy" => options.proxies.push(words.next().ok_or("--trust-proxy needs a network")?),
                "--jwks" => jwks = Some(words.next().ok_or("--jwks needs a file or a URL")?),
                "--issuer" => issuer = Some(words.next().ok_or("--issuer needs a URL")?),
                "--audience" => audience = Some(words.next().ok_or("--audience needs a name")?),
                "--github-keys" => options.github_keys = Some(words.next().ok_or("--github-keys needs a file")?),
                "--no-demo" => options.demo = false,
                other if options.public_url.read(other, &mut words)? => {}
                other if options.storage.read(other, &mut words)? => {}
                other if options.alerting.read(other, &mut words)? => {}
                other => return Err(format!("unknown argument {other:?}")),
            }
        }
        options.storage.check()?;
        options.alerting.check()?;
        options.outside = match (jwks, issuer, audience) {
            (None, None, None) => None,
            (Some(jwks), Some(issuer), Some(audience)) => Some(Outside { jwks, issuer, audience }),
            _ => return Err("--jwks, --issuer and --audience go together".to_owned()),
        };
        Ok(options)
    }
}
