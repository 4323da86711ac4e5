//! The database, the scheme and the registry of a command.

use std::{path::Path, sync::Arc, time::Duration};

use tower_auth::{
    CachedKeyStore, ConfigError, KeyRegistry, KeyScheme, Peppers, Usage,
    alerts::Alerts,
    redis::{RedisChanges, RedisConfig},
    registry::{Actor, RegistryStore},
};

use crate::{
    database::{Database, FORM, postgres},
    failure::Failure,
    options::Common,
};

/// How long the database may take to answer at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What most commands need.
pub(crate) struct Keys {
    pub(crate) registry: KeyRegistry,
    pub(crate) actor: Actor,
}

impl Keys {
    /// Opens the database for a command that reads no key and issues none.
    pub(crate) async fn open(common: &Common) -> Result<Self, Failure> {
        let scheme = scheme(common)?.map_or_else(|| unpeppered(common), Ok)?;
        Self::with(scheme, common).await
    }

    /// Opens the database for a command that needs to know how keys are stored.
    pub(crate) async fn with_scheme(common: &Common) -> Result<Self, Failure> {
        Self::with(required(common)?, common).await
    }

    async fn with(scheme: KeyScheme, common: &Common) -> Result<Self, Failure> {
        let actor = actor(common)?;
        let store = announcing(checked(url(common)?).await?.registry(), common)?;
        Ok(Self { registry: KeyRegistry::new(scheme, store), actor })
    }
}

/// Opens the database for a command that reads what keys have been doing.
pub(crate) async fn usage(common: &Common) -> Result<Usage, Failure> {
    Ok(match checked(url(common)?).await? {
        Database::Memory(store) => Usage::new(store),
        Database::Sqlite(store) => Usage::new(store),
        Database::Postgres(store) => Usage::new(store),
    })
}

/// Opens the database for a command about alerts. Such a command reads no key and issues none.
pub(crate) async fn alerts(common: &Common) -> Result<(Alerts, Actor), Failure> {
    let (scheme, actor) = (scheme(common)?.map_or_else(|| unpeppered(common), Ok)?, actor(common)?);
    let database = checked(url(common)?).await?;
    let keys = KeyRegistry::new(scheme, announcing(database.registry(), common)?);
    let alerts = match database {
        Database::Memory(store) => Alerts::new(keys, Usage::new(store.clone()), store),
        Database::Sqlite(store) => Alerts::new(keys, Usage::new(store.clone()), store),
        Database::Postgres(store) => Alerts::new(keys, Usage::new(store.clone()), store),
    };
    Ok((alerts, actor))
}

/// Returns a store that tells the servers what it changes. PostgreSQL does so itself, unless they listen to Redis.
pub(crate) fn announcing(store: Arc<dyn RegistryStore>, common: &Common) -> Result<Arc<dyn RegistryStore>, Failure> {
    let Some(url) = &common.redis else { return Ok(store) };
    let redis = RedisConfig::url(url).map_err(|error| Failure::Usage(error.to_string()))?;
    // The command looks no key up, so the bound of its cache has no meaning: zero is never larger than that of the servers.
    Ok(Arc::new(CachedKeyStore::leased(store, RedisChanges::new(redis), Duration::ZERO)))
}

pub(crate) fn url(common: &Common) -> Result<&str, Failure> {
    common.database.as_deref().ok_or_else(|| Failure::Usage(format!("name the database with --database: {FORM}")))
}

pub(crate) fn actor(common: &Common) -> Result<Actor, Failure> {
    let user = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let name = common.actor.clone().or_else(user).filter(|name| !name.is_empty());
    name.map(Actor::named).ok_or_else(|| Failure::Usage("say with --as who makes the change".to_owned()))
}

/// Returns how keys are stored. To guess it would create keys that no server accepts.
pub(crate) fn required(common: &Common) -> Result<KeyScheme, Failure> {
    let missing = "say how keys are stored: under the peppers of --secrets FILE, or as plain SHA-256 with --sha256";
    scheme(common)?.ok_or_else(|| Failure::Usage(missing.to_owned()))
}

fn scheme(common: &Common) -> Result<Option<KeyScheme>, Failure> {
    let Some(file) = &common.secrets else { return common.sha256.then(|| unpeppered(common)).transpose() };
    let peppers = Peppers::from_file(file).map_err(|error| Failure::Usage(unreadable(file, &error)))?;
    let scheme = KeyScheme::new(format(common)?, peppers);
    Ok(Some(if common.sha256 { scheme.accept_sha256() } else { scheme }))
}

/// A new operator has no file yet.
fn unreadable(file: &Path, error: &ConfigError) -> String {
    if file.exists() {
        return error.to_string();
    }
    let file = file.display();
    format!(
        "there is no file of peppers {file}; help: name the file of the servers, or create one before the first key: \
         (umask 077; echo 1:$(openssl rand -hex 32) > '{file}')"
    )
}

fn unpeppered(common: &Common) -> Result<KeyScheme, Failure> {
    Ok(KeyScheme::sha256(format(common)?))
}

fn format(common: &Common) -> Result<tower_auth::KeyFormat, Failure> {
    let built = common.format.build(common.checksum, &common.environments);
    built.map_err(|error| Failure::Usage(error.to_string()))
}

/// Opens a database whose tables fit.
pub(crate) async fn checked(url: &str) -> Result<Database, Failure> {
    let database = reached(url).await?;
    let fits = database.check().await;
    fits.map_err(|error| Failure::Refused(for_operator(&error.to_string())))?;
    Ok(database)
}

/// The library names its functions.
fn for_operator(error: &str) -> String {
    if error.contains("::migrate") { format!("{error}; here, that is `keys migrate`") } else { error.to_owned() }
}

/// Opens a database that answers. A file must exist: a wrong path must not create an empty database.
pub(crate) async fn reached(url: &str) -> Result<Database, Failure> {
    let missing = |path: &&str| !path.is_empty() && !Path::new(path).exists();
    if let Some(path) = url.strip_prefix("sqlite:").filter(missing) {
        let what = format!("there is no file {path}; help: `keys migrate` creates it");
        return Err(Failure::Unreachable(what));
    }
    created(url).await
}

/// Opens a database that answers. A file is created.
pub(crate) async fn created(url: &str) -> Result<Database, Failure> {
    let database = Database::open(Some(url)).map_err(|error| match url.split_once(':') {
        Some(("sqlite", path)) if !path.is_empty() => Failure::Unreachable(error.to_string()),
        _ => Failure::Usage(error.to_string()),
    })?;
    if matches!(database, Database::Postgres(_)) {
        reach(url).await?;
    }
    Ok(database)
}

/// Connects to PostgreSQL, and closes the connection: the store makes its own. An error of the store would not say as much.
async fn reach(url: &str) -> Result<(), Failure> {
    let config = postgres(url).map_err(|error| Failure::Usage(error.to_string()))?;
    let late = |_| "it has not answered within ten seconds".to_owned();
    let answered = tokio::time::timeout(PATIENCE, config.connect(tokio_postgres::NoTls)).await.map_err(late);
    let connected = answered.and_then(|connected| connected.map_err(|error| with_cause(&error)));
    let help = "check the host, the port, the user and the database of the URL, and the password: it is in the URL, in \
                PGPASSWORD, or in PGPASSFILE";
    connected
        .map(drop)
        .map_err(|why| Failure::Unreachable(format!("the database cannot be reached: {why}; help: {help}")))
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
