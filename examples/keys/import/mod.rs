//! `import`: existing keys from a file of JSON lines.
//!
//! A line that cannot be imported is reported and does not stop the others. A key that is there already is counted, so an
//! import that was interrupted is repeated as it is.

mod dry_run;
mod line;
mod report;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    path::Path,
};

use dry_run::DryRun;
use line::{Line, Material};
use report::Report;
use tower_auth::{KeyRegistry, KeyScheme, RegistryError, registry::Actor};

use crate::{
    failure::Failure,
    open,
    options::{Common, ImportOptions},
    output::{Output, Progress},
};

/// Bytes of the longest line.
const LONGEST: u64 = 64 * 1024;

struct Importer {
    actor: Actor,
    scheme: KeyScheme,
    /// Changes the database, unless it is a dry run.
    keys: KeyRegistry,
    /// Never changes it.
    trial: KeyRegistry,
}

enum Outcome {
    Imported,
    Existing,
    Skipped(String),
}

pub(crate) async fn import(common: &Common, output: &Output, options: &ImportOptions) -> Result<(), Failure> {
    let (scheme, actor) = (open::required(common)?, open::actor(common)?);
    let mut lines = reader(&options.file)?;
    let store = open::announcing(open::checked(open::url(common)?).await?.registry(), common)?;
    let trial = KeyRegistry::new(scheme.clone(), DryRun(store.clone()));
    let keys = if options.dry_run { trial.clone() } else { KeyRegistry::new(scheme.clone(), store) };
    let importer = Importer { actor, scheme, keys, trial };
    let (mut report, mut progress) = (Report::new(options.dry_run), Progress::new());
    let stopped = loop {
        let outcome = match next(&mut lines) {
            Ok(None) => break None,
            Ok(Some(text)) if text.trim_ascii().is_empty() => None,
            Ok(Some(text)) => match importer.one(&text).await {
                Ok(outcome) => Some(outcome),
                // What was imported so far stays; the same command goes on from there.
                Err(failure) => break Some(failure),
            },
            Err(Unread::Line(why)) => Some(Outcome::Skipped(why.to_owned())),
            Err(Unread::File(error)) => break Some(report.unreadable(&error)),
        };
        report.add(outcome);
        progress.step(|| report.to_string());
    };
    drop(progress);
    let printed = report.print(output);
    stopped.or_else(|| report.failure()).map_or(printed, Err)
}

impl Importer {
    async fn one(&self, text: &[u8]) -> Result<Outcome, Failure> {
        let line = match Line::read(text, &self.scheme) {
            Ok(line) => line,
            Err(why) => return Ok(Outcome::Skipped(why)),
        };
        let id = line.id().map_or_else(random_id, |id| Ok(id.to_owned()))?;
        match self.put(&self.keys, &line, &id).await {
            Ok(()) => Ok(Outcome::Imported),
            Err(RegistryError::AlreadyExists) if line.id().is_none() => Ok(Outcome::Existing),
            // Either the key is there, or its id belongs to another key. Under another id, only the key itself counts.
            Err(RegistryError::AlreadyExists) => match self.put(&self.trial, &line, &random_id()?).await {
                Err(RegistryError::AlreadyExists) => Ok(Outcome::Existing),
                Err(error @ RegistryError::Store(_)) => Err(error.into()),
                _ => Ok(Outcome::Skipped("/id belongs to another key".to_owned())),
            },
            Err(RegistryError::Revoked) => Ok(Outcome::Skipped("the key was revoked or removed here".to_owned())),
            Err(error @ RegistryError::Store(_)) => Err(error.into()),
            Err(error) => Ok(Outcome::Skipped(error.to_string())),
        }
    }

    async fn put(&self, keys: &KeyRegistry, line: &Line, id: &str) -> Result<(), RegistryError> {
        let (actor, name) = (&self.actor, line.name().unwrap_or(id));
        let record = line.record(id).map_err(|why| RegistryError::Store(why.into()))?;
        let imported = match &line.material {
            Material::Key(key) => keys.import(actor, name, key, record).await,
            Material::Digest(digest, pepper) => keys.import_digest(actor, name, *digest, *pepper, record).await,
        };
        match imported {
            // So a dry run says that it would have succeeded.
            Err(RegistryError::NotFound) => Ok(()),
            other => other.map(drop),
        }
    }
}

fn random_id() -> Result<String, Failure> {
    let format = tower_auth::KeyFormat::prefixed("key", 22).map(tower_auth::KeyFormat::without_checksum);
    let id = format.and_then(|format| KeyScheme::sha256(format).generate());
    id.map(|id| id.expose().to_owned()).map_err(|error| Failure::Refused(error.to_string()))
}

/// Opens a file, or standard input.
pub(crate) fn reader(path: &Path) -> Result<Box<dyn BufRead>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    if path.is_dir() {
        return Err(Failure::Usage(format!("{} is a folder; name a file, or - for standard input", path.display())));
    }
    let file = File::open(path);
    let file = file.map_err(|error| Failure::Usage(format!("{} cannot be read: {error}", path.display())))?;
    Ok(Box::new(BufReader::new(file)))
}

/// Why a line was not read.
enum Unread {
    /// The next line may be better.
    Line(&'static str),
    /// Every later line would fail too.
    File(io::Error),
}

/// Reads a line, and the rest of one that is too long.
fn next(lines: &mut dyn BufRead) -> Result<Option<Vec<u8>>, Unread> {
    let mut text = Vec::new();
    let read = lines.take(LONGEST).read_until(b'\n', &mut text).map_err(Unread::File)?;
    if read as u64 == LONGEST && text.last() != Some(&b'\n') {
        lines.skip_until(b'\n').map_err(Unread::File)?;
        return Err(Unread::Line("is longer than 64 KiB"));
    }
    Ok((read > 0).then_some(text))
}
