//! The file on the disk.

use std::{
    fmt::Display,
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{ConfigError, base::file_mode::FileMode};

/// Bytes of the longest file that is read: tens of thousands of keys.
const LONGEST: u64 = 16 * 1024 * 1024;

/// File systems round the time of a change, by up to two seconds. For so long, a second change can look like the first.
const SETTLES: Duration = Duration::from_secs(3);

/// By what a changed file is recognised.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    #[cfg(unix)]
    node: [i64; 4],
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Self {
            modified: metadata.modified().ok(),
            length: metadata.len(),
            #[cfg(unix)]
            node: [metadata.dev().cast_signed(), metadata.ino().cast_signed(), metadata.ctime(), metadata.ctime_nsec()],
        }
    }

    /// Follows symbolic links, so a link that leads to another file is a change.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self::of(&metadata))
    }

    /// Whether a file that looks the same is the same.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let Some(modified) = self.modified else { return false };
        let apart = now.duration_since(modified).unwrap_or_else(|ahead| ahead.duration());
        apart >= SETTLES
    }
}

/// Reads the file. The stamp is that before the first byte was read: a change during the reading makes another.
pub(super) fn read(path: &Path) -> Result<(Stamp, String), ConfigError> {
    let wrong = |error: io::Error| unreadable(path, &error);
    // A pipe would be waited for.
    if !fs::metadata(path).map_err(wrong)?.is_file() {
        return Err(unreadable(path, &"it is not a regular file"));
    }
    let file = File::open(path).map_err(wrong)?;
    FileMode { others: "can write", bits: 0o022, chmod: "go-w" }.check(&file, path, "key file")?;
    let stamp = Stamp::of(&file.metadata().map_err(wrong)?);
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text).map_err(wrong)?;
    if text.len() as u64 > LONGEST {
        return Err(unreadable(path, &"it is longer than 16 MiB; keep so many keys in a database"));
    }
    let text = String::from_utf8(text).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|byte| *byte == b'\n').count();
        unreadable(path, &format_args!("line {line} is not UTF-8"))
    })?;
    Ok((stamp, text))
}

fn unreadable(path: &Path, why: &dyn Display) -> ConfigError {
    ConfigError::new(
        format!("the key file {} cannot be read: {why}", path.display()),
        "give the path of a TOML file that this process can read",
    )
}
