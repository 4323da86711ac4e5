use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;

use super::{
    content::Content,
    keys::Keys,
    source::{self, Stamp},
};
use crate::{ConfigError, KeyDigests, KeyRecord, KeyStore, Plans, StoreFuture};

/// Keys and plans in a TOML file, for a small service: people edit the file, and the service follows it without a restart.
///
/// The file holds digests and never a key. [`mint`](Self::mint) makes a key and its table. Clones share the content.
///
/// ```
/// use tower_auth::{ApiKeyLayer, AuthStack, BoxError, FileKeyStore, KeyScheme, RateLimitLayer};
///
/// async fn serve(scheme: KeyScheme) -> Result<(), BoxError> {
///     let keys = FileKeyStore::open("/etc/my-service/keys.toml")?;
///     let follow = keys.start(); // looks for changes every second
///     let stack = AuthStack::builder()
///         .auth(ApiKeyLayer::new(scheme, keys.clone()))
///         .limit(RateLimitLayer::by_plan(&keys.plans()?))
///         .build()?;
///     // … serve …
///     follow.stop().await;
///     Ok(())
/// }
/// ```
///
/// # The file
///
/// ```
/// # use tower_auth::FileKeyStore;
/// # let text = r#"
/// fallback_plan = "standard" # for callers without a known plan; above all tables
///
/// [plans.standard]
/// limits = [{ events = 100, period = "60s", burst = 120 }, { events = 10000, period = "1d", name = "daily" }]
///
/// [[plans.standard.special]] # other limits for a route class, a method (`api_key`, `token`), or both
/// class = "uploads"
/// limits = [{ events = 20, period = "1h" }, { events = 2000, calendar = "month" }]
///
/// [keys.ci] # the id of the key
/// digest = "5f0d1a0b6c2e4d8f90a1b2c3d4e5f60718293a4b5c6d7e8f9001122334455667"
/// account = "acme"
/// scopes = ["read"]
/// plan = "standard"
/// expires_at = 2027-01-31T00:00:00Z
/// networks = ["192.0.2.0/24"]
/// # "#;
/// # let path = std::env::temp_dir().join(format!("tower-auth-file-{}.toml", std::process::id()));
/// # std::fs::write(&path, text).unwrap();
/// # #[cfg(unix)]
/// # std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
/// # let keys = FileKeyStore::open(&path).and_then(|keys| keys.plans().map(|plans| (keys, plans)));
/// # std::fs::remove_file(&path).unwrap();
/// # keys.unwrap();
/// ```
///
/// | field of a key | meaning |
/// |---|---|
/// | `digest`, `account` | required. 64 hex digits: the digest under a pepper, or the plain SHA-256 for [`KeyScheme::sha256`](crate::KeyScheme::sha256) |
/// | `pepper` | the version of the pepper, for a later [rotation](crate::key#rotate-a-pepper) |
/// | `subject`, `organizations`, `scopes`, `roles`, `plan`, `hint`, `first_id`, `environment` | as the methods of [`KeyRecord`] of these names |
/// | `limits` | limits for this key instead of its plan's |
/// | `networks`, `origins` | [`Restrictions`](crate::Restrictions) |
/// | `not_before`, `expires_at` | times of RFC 3339 with an offset |
/// | `active`, `paused`, `revoked`, `account_suspended`, `organization_suspended` | `true` or `false` |
/// | `name`, `metadata` | anything; not read |
///
/// A limit has `events` and `period` (`ms`, `s`, `m`, `h`, `d`), and may have `burst` and `name`. Without a name it is called
/// `second`, `minute`, `hour` or `day` if the period is one, and otherwise `default`.
///
/// A [calendar limit](crate::Quota#calendar-quotas) has `calendar` (`"day"` or `"month"`) instead of a period, and may have
/// `time_zone` and `name`, but no `burst`: `{ events = 1000000, calendar = "month", time_zone = "Europe/Berlin" }`. Time
/// zones other than `"UTC"`, the default, need the feature `time-zones`.
///
/// An unknown field, a digest or an id that is there twice, or a plan that the file does not have is an error. A file with an
/// error is not used, not even in part: [`open`](Self::open) fails, and a [reload](Self::reload) keeps the content from before.
///
/// # Revoke a key
///
/// Delete its table, or set `revoked = true`. That holds for the next request after the file was read again.
///
/// # When not to use it
///
/// - For keys that a program creates or that users manage: use a [`KeyRegistry`](crate::KeyRegistry).
/// - For keys that expire when they are unused: a file does not know the last use.
#[derive(Clone)]
pub struct FileKeyStore(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) path: PathBuf,
    keys: ArcSwap<Keys>,
    /// Empty as long as no version of the file has plans.
    plans: OnceLock<Plans>,
    /// Locked while the file is read, so that an older content never replaces a newer one.
    pub(super) looked: Mutex<Looked>,
    /// Why the content is not that of the file.
    pub(super) trouble: Mutex<Option<Arc<str>>>,
}

/// What the file looked like when it was read last. `None` if it could not be read.
pub(super) struct Looked(pub(super) Option<Stamp>);

impl FileKeyStore {
    /// Reads the file.
    ///
    /// # Errors
    /// If the file cannot be read, is longer than 16 MiB, can be written by its group or by others (on Unix), or has an
    /// error. The error names the file, the line and the column, and shows no digest.
    ///
    /// ```
    /// use tower_auth::FileKeyStore;
    ///
    /// let error = FileKeyStore::open("/nobody/made/this/keys.toml").unwrap_err();
    /// assert!(error.to_string().contains("/nobody/made/this/keys.toml"));
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref().to_path_buf();
        let (stamp, text) = source::read(&path)?;
        let content = Content::read(&path, &text)?;
        Ok(Self(Arc::new(Inner {
            path,
            keys: ArcSwap::from_pointee(content.keys),
            plans: content.plans.map_or_else(OnceLock::new, OnceLock::from),
            looked: Mutex::new(Looked(Some(stamp))),
            trouble: Mutex::default(),
        })))
    }

    /// Returns the plans of the file. They follow every reload, and requests that were counted stay counted
    /// ([`Plans::replace`]).
    ///
    /// # Errors
    /// If the file has no plans.
    pub fn plans(&self) -> Result<Plans, ConfigError> {
        self.0.plans.get().cloned().ok_or_else(|| {
            ConfigError::new(
                format!("the key file {} has no plans", self.0.path.display()),
                "add fallback_plan = \"standard\" above all tables, and a table [plans.standard] with limits",
            )
        })
    }

    /// Reads the file again, now: for a service that is told of changes, for example by SIGHUP. It reads from the disk, so a
    /// large file is read in [`spawn_blocking`](https://docs.rs/tokio/latest/tokio/task/fn.spawn_blocking.html).
    ///
    /// # Errors
    /// As [`open`](Self::open), or if the file has no plans any more. The content from before stays in force, all of it.
    /// The error is logged, and the [health](Self::health) is [`Health::Degraded`](crate::Health::Degraded), until the file
    /// is correct.
    pub fn reload(&self) -> Result<(), ConfigError> {
        let mut looked = self.0.looked();
        self.0.read_again(&mut looked)
    }
}

impl Inner {
    pub(super) fn looked(&self) -> MutexGuard<'_, Looked> {
        // A panic while it is locked leaves an older stamp behind, with which the file is read once more.
        self.looked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read_again(&self, looked: &mut Looked) -> Result<(), ConfigError> {
        looked.0 = None;
        let outcome = source::read(&self.path).and_then(|(stamp, text)| {
            looked.0 = Some(stamp);
            self.adopt(Content::read(&self.path, &text)?)
        });
        self.note(outcome.as_ref().err());
        outcome
    }

    /// Puts the content into force. New keys may name new plans, so the plans come first.
    fn adopt(&self, content: Content) -> Result<(), ConfigError> {
        match (self.plans.get(), content.plans) {
            (Some(plans), Some(new)) => plans.replace(new),
            (None, Some(new)) => drop(self.plans.set(new)),
            (Some(_), None) => {
                return Err(ConfigError::new(
                    format!("the key file {} has no plans any more", self.path.display()),
                    "put them back, or start the service again",
                ));
            }
            (None, None) => {}
        }
        self.keys.store(Arc::new(content.keys));
        Ok(())
    }

    /// Remembers the trouble, and logs what is new about it.
    fn note(&self, error: Option<&ConfigError>) {
        let now = error.map(|error| Arc::from(error.to_string()));
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &now {
            Some(_) if *known == now => {}
            Some(why) => {
                tracing::error!(target: "tower_auth", %why, "the key file is not used, its last correct content is");
            }
            None if known.is_some() => {
                tracing::info!(target: "tower_auth", path = %self.path.display(), "the key file is used again");
            }
            None => {}
        }
        *known = now;
    }

    fn key_count(&self) -> usize {
        self.keys.load().len()
    }
}

impl KeyStore for FileKeyStore {
    fn find(&self, key: &KeyDigests) -> StoreFuture<Option<KeyRecord>> {
        StoreFuture::ready(Ok(self.0.keys.load().find(key)))
    }
}

impl fmt::Debug for FileKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, keys) = (&self.0.path, self.0.key_count());
        f.debug_struct("FileKeyStore").field("path", path).field("keys", &keys).finish_non_exhaustive()
    }
}
