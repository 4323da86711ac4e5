//! Who else may use a file that the service trusts.

use std::{fs::File, path::Path};

use crate::ConfigError;

/// What nobody but the owner of a file may do with it.
#[cfg_attr(not(unix), expect(dead_code, reason = "only Unix has modes"))]
pub(crate) struct FileMode {
    /// Such as `can read or write`.
    pub(crate) others: &'static str,
    /// The bits of the mode that the file must not have.
    pub(crate) bits: u32,
    /// The mode for `chmod` that corrects the file.
    pub(crate) chmod: &'static str,
}

impl FileMode {
    /// Asks the open file, so that nobody can put another file in its place after the check. Checks nothing where the
    /// system has no modes.
    #[cfg(unix)]
    pub(crate) fn check(&self, file: &File, path: &Path, name: &str) -> Result<(), ConfigError> {
        use std::os::unix::fs::PermissionsExt as _;

        let path = path.display();
        let metadata = file.metadata().map_err(|error| {
            ConfigError::new(
                format!("the mode of the {name} {path} cannot be read: {error}"),
                "give the path of a file that this process can read",
            )
        })?;
        let mode = metadata.permissions().mode();
        if mode & self.bits == 0 {
            return Ok(());
        }
        Err(ConfigError::new(
            format!("others than its owner {} the {name} {path} (mode {:03o})", self.others, mode & 0o777),
            format!("chmod {} '{path}'", self.chmod),
        ))
    }

    #[cfg(not(unix))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "Unix has modes")]
    pub(crate) const fn check(&self, _: &File, _: &Path, _: &str) -> Result<(), ConfigError> {
        Ok(())
    }
}
