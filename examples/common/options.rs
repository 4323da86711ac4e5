//! The options that the servers have in common.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use tower_auth::{BoxError, limit::shared::SharedPolicy};

use super::webhook::Webhook;

/// The options of a server that has no others.
pub(crate) struct Options {
    pub(crate) listen: String,
    pub(crate) demo: bool,
    pub(crate) storage: Storage,
    pub(crate) alerting: Alerting,
    pub(crate) public_url: PublicUrl,
}

/// The options that not every server has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Also {
    Nothing,
    /// Those of [`Alerting`].
    Alerts,
    /// That of [`PublicUrl`].
    PublicUrl,
}

pub(crate) const LISTEN: &str = "127.0.0.1:8080";

/// The options that go with a database in PostgreSQL.
pub(crate) const REDIS: &str =
    "[--redis URL [--limit-mode exact|leased] [--processes N] [--limit-deadline MILLISECONDS]]";

/// What the options of [`Storage`] do.
pub(crate) const STORAGE: &str = "  --database URL   keeps the keys in sqlite:PATH or postgres://USER@HOST:PORT/DATABASE, and needs --secrets; without it
                   they are in memory, and gone when the process ends. The password: PGPASSWORD, PGPASSFILE or ~/.pgpass
  --secrets FILE   keeps the peppers of the keys, which also make refresh tokens and encrypt the keys that sign tokens; made with
                   mode 0600 if it does not exist; without this file, no key and no session in the database is valid
  --redis URL      counts the limits of all processes together in Redis or Valkey, redis://HOST:PORT, and tells the other processes over
                   it, instead of over PostgreSQL itself, what has changed in PostgreSQL; all processes on the database need it, and no
                   other program may change keys. If Redis loses its data, evenly refilled limits and budgets of failed attempts are
                   full again. freddy and aitronos count calendar budgets in the database too, and lose none of them. While Redis
                   does not answer, each process counts its share alone; calendar budgets stay those of the database; log-in, exchange, refresh and
                   the page of limits are answered 503, and a server does not start
  --limit-mode exact|leased   exact, the default, asks Redis about each request; leased takes several requests at once, is faster,
                   and may admit a little more than the limit: at most the number of processes times a lease, and a lease is at most
                   the burst divided by four times that number
  --processes N    how many processes share the limits, at most; 4 by default. Leases depend on it, and while Redis does not answer, each
                   process admits one part of so many of each limit
  --limit-deadline MILLISECONDS   how long a decision waits for Redis before the process counts alone; 25 by default
  --no-demo        makes no demo keys, and revokes none; otherwise each start with a database makes new demo keys, and
                   revokes those of earlier starts and their successors: of several processes on a database, all but one
                   need this option";

pub(crate) fn usage(name: &str, also: Also) -> String {
    let (short, long) = match also {
        Also::Nothing => ("", ""),
        Also::Alerts => ("\n[--alerts-webhook URL --alerts-secret FILE]", ALERTING),
        Also::PublicUrl => ("\n[--public-url URL]", PUBLIC_URL),
    };
    let usage = format!(
        "usage: {name} [--listen ADDRESS:PORT] [--no-demo] [--database URL --secrets FILE {REDIS}]{short}\n{STORAGE}\n{long}"
    );
    usage.trim_end().to_owned()
}

impl Options {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>, also: Also) -> Result<Self, String> {
        let (storage, alerting) = (Storage::default(), Alerting::default());
        let public_url = PublicUrl::default();
        let mut options = Self { listen: LISTEN.to_owned(), demo: true, storage, alerting, public_url };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--listen" => options.listen = words.next().ok_or("--listen needs an address")?,
                "--no-demo" => options.demo = false,
                other if options.storage.read(other, &mut words)? => {}
                other if also == Also::Alerts && options.alerting.read(other, &mut words)? => {}
                other if also == Also::PublicUrl && options.public_url.read(other, &mut words)? => {}
                other => return Err(format!("unknown argument {other:?}")),
            }
        }
        options.storage.check()?;
        options.alerting.check()?;
        Ok(options)
    }
}

/// What the option of [`PublicUrl`] does.
pub(crate) const PUBLIC_URL: &str = "  --public-url URL   the https:// URL by which clients know the server, and the issuer of its tokens; without it, both are
                   http:// and the address of --listen, or 127.0.0.1 if other machines reach that address";

/// The URL by which clients know a server that issues tokens. It is also the issuer of the tokens.
#[derive(Default)]
pub(crate) struct PublicUrl(Option<String>);

impl PublicUrl {
    /// Reads the value of the option. Returns `false` if the option is another one.
    pub(crate) fn read(&mut self, option: &str, words: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        if option == "--public-url" {
            let url = words.next().ok_or("--public-url needs a URL")?;
            // Paths are appended to it.
            self.0 = Some(url.trim_end_matches('/').to_owned());
        }
        Ok(option == "--public-url")
    }

    /// Returns the URL. Metadata over plain HTTP are for this machine only, so without the option a server that others reach is
    /// known by its loopback address.
    pub(crate) fn or_of(self, listening: SocketAddr) -> String {
        if let Some(url) = self.0 {
            return url;
        }
        if listening.ip().is_loopback() {
            return format!("http://{listening}");
        }
        let host = if listening.is_ipv4() { "127.0.0.1" } else { "[::1]" };
        let url = format!("http://{host}:{}", listening.port());
        tracing::warn!("the issuer of the tokens is {url}; set --public-url to the https:// URL of this server");
        url
    }
}

/// What the options of [`Alerting`] do.
pub(crate) const ALERTING: &str = "  --alerts-webhook URL   posts alerts to this https:// URL, or http:// URL of this machine, and needs --alerts-secret;
                   without it they are in the log
  --alerts-secret FILE   keeps the secret that signs alerts (whsec_ and base64); made with mode 0600 if it does not exist";

/// Where alerts are delivered. The default is the log.
#[derive(Default)]
pub(crate) struct Alerting {
    url: Option<String>,
    secret: Option<PathBuf>,
}

impl Alerting {
    /// Reads the value of an option. Returns `false` if the option is another one.
    pub(crate) fn read(&mut self, option: &str, words: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match option {
            "--alerts-webhook" => self.url = Some(words.next().ok_or("--alerts-webhook needs a URL")?),
            "--alerts-secret" => self.secret = Some(words.next().ok_or("--alerts-secret needs a file")?.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.url.is_some() == self.secret.is_some() {
            return Ok(());
        }
        Err("--alerts-webhook and --alerts-secret go together".to_owned())
    }

    pub(crate) fn webhook(&self) -> Result<Option<Webhook>, BoxError> {
        let (Some(url), Some(secret)) = (&self.url, &self.secret) else { return Ok(None) };
        Ok(Some(Webhook::new(url, secret)?))
    }
}

/// Where a server keeps its keys and their peppers, and what it shares with other processes. The default is memory.
#[derive(Default)]
pub(crate) struct Storage {
    pub(crate) database: Option<String>,
    pub(crate) secrets: Option<PathBuf>,
    pub(crate) redis: Option<String>,
    pub(crate) limits: Shared,
}

impl Storage {
    /// Reads the value of an option. Returns `false` if the option is another one.
    pub(crate) fn read(&mut self, option: &str, words: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match option {
            "--database" => self.database = Some(words.next().ok_or("--database needs a URL")?),
            "--redis" => self.redis = Some(words.next().ok_or("--redis needs a URL")?),
            "--secrets" => self.secrets = Some(words.next().ok_or("--secrets needs a file")?.into()),
            other => return self.limits.read(other, words),
        }
        Ok(true)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        let is_shared = self.database.as_ref().is_some_and(|url| url.starts_with("postgres"));
        if self.redis.is_some() && !is_shared {
            return Err(
                "--redis needs --database postgres://…: other databases are not shared by several machines".to_owned()
            );
        }
        if self.database.is_some() && self.secrets.is_none() {
            let why = "the keys in a database are valid only with the peppers they were made with";
            return Err(format!(
                "--database needs --secrets FILE: {why}, and those in memory are gone after a restart"
            ));
        }
        self.limits.check(self.redis.is_some())
    }
}

/// How limits are counted in Redis.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitMode {
    Exact,
    Leased,
}

/// How limits are shared. The default is exact.
#[derive(Default)]
pub(crate) struct Shared {
    mode: Option<LimitMode>,
    processes: Option<u32>,
    deadline: Option<Duration>,
}

impl Shared {
    fn read(&mut self, option: &str, words: &mut impl Iterator<Item = String>) -> Result<bool, String> {
        match option {
            "--limit-mode" => {
                self.mode = Some(match words.next().as_deref() {
                    Some("exact") => LimitMode::Exact,
                    Some("leased") => LimitMode::Leased,
                    _ => return Err("--limit-mode needs exact or leased".to_owned()),
                });
            }
            "--processes" => self.processes = Some(at_least_one(option, words.next())?),
            "--limit-deadline" => {
                self.deadline = Some(Duration::from_millis(at_least_one(option, words.next())?.into()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn check(&self, has_redis: bool) -> Result<(), String> {
        let is_set = self.mode.is_some() || self.processes.is_some() || self.deadline.is_some();
        if is_set && !has_redis {
            return Err(
                "--limit-mode, --processes and --limit-deadline need --redis: without it, each process counts its \
                 limits alone"
                    .to_owned(),
            );
        }
        Ok(())
    }

    pub(crate) fn mode(&self) -> LimitMode {
        self.mode.unwrap_or(LimitMode::Exact)
    }

    pub(crate) fn processes(&self) -> u32 {
        self.processes.unwrap_or(PROCESSES)
    }

    pub(crate) fn policy(&self) -> SharedPolicy {
        let policy = match self.mode() {
            LimitMode::Exact => SharedPolicy::exact(),
            LimitMode::Leased => SharedPolicy::leased(self.processes()),
        };
        match self.deadline {
            Some(deadline) => policy.deadline(deadline),
            None => policy,
        }
    }
}

const PROCESSES: u32 = 4;

fn at_least_one(option: &str, value: Option<String>) -> Result<u32, String> {
    let number = value.and_then(|value| value.parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| format!("{option} needs a number, at least 1"))
}
