//! The password of a PostgreSQL URL that has none, as `psql` finds it: `PGPASSWORD`, or the file that `PGPASSFILE` names, by
//! default `~/.pgpass`. A password in an argument is visible in the list of processes.

use std::{
    env,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    sync::Once,
};

use tokio_postgres::{Config, config::Host};

/// Adds the password, if the URL has none and there is one.
pub(crate) fn complete(config: &mut Config) {
    if config.get_password().is_none()
        && let Some(password) = password(config)
    {
        config.password(password);
    }
}

fn password(config: &Config) -> Option<String> {
    let given = env::var("PGPASSWORD").ok().filter(|password| !password.is_empty());
    given.or_else(|| {
        let path = path()?;
        of(&own(&path)?, &wanted(config))
    })
}

fn path() -> Option<PathBuf> {
    let named = env::var_os("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".pgpass")))
}

/// Reads the file. As with `psql`, one that others can use is ignored, and a warning says so.
fn own(path: &Path) -> Option<String> {
    let mut file = File::open(path).ok()?;
    if open_to_others(&file.metadata().ok()?) {
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            eprintln!(
                "the password file {0} is ignored, because others can use it; help: chmod 600 '{0}'",
                path.display()
            );
        });
        return None;
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(unix)]
fn open_to_others(data: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    data.mode() & 0o077 != 0
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::Metadata) -> bool {
    false
}

/// What a line has to match: host, port, database and user.
fn wanted(config: &Config) -> [String; 4] {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let user = config.get_user().unwrap_or_default();
    [host, port, config.get_dbname().unwrap_or(user).to_owned(), user.to_owned()]
}

/// Returns the password of the first line that matches: `host:port:database:user:password`, where `*` is anything.
fn of(text: &str, wanted: &[String; 4]) -> Option<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(fields).find_map(|mut fields| {
        let matches = |(field, wanted): (&String, &String)| field == "*" || field == wanted;
        (fields.len() == 5 && fields.iter().zip(wanted).all(matches)).then(|| fields.pop())?
    })
}

/// Splits a line at its colons, except those behind a backslash.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut characters) = (vec![String::new()], line.chars());
    while let Some(c) = characters.next() {
        match c {
            ':' if fields.len() < 5 => fields.push(String::new()),
            '\\' => fields.last_mut().into_iter().for_each(|field| field.extend(characters.next())),
            c => fields.last_mut().into_iter().for_each(|field| field.push(c)),
        }
    }
    fields
}
