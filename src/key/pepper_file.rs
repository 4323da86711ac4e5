//! Peppers in a file: the only file that this folder reads or writes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{mint, pepper::Peppers};
use crate::{
    ConfigError,
    base::{file_mode::FileMode, hex},
};

/// Bytes of the longest file that is read: more than 200 peppers.
const LONGEST: usize = 16 * 1024;

impl Peppers {
    /// Reads a file of the form that [`parse`](Self::parse) describes.
    ///
    /// On Unix, a file that its group or others can read or write is refused. A mounted secret is often such a file: set
    /// its mode in the settings of the mount (`defaultMode: 0400` in Kubernetes), or read it yourself and use
    /// [`parse`](Self::parse). Elsewhere, the permissions of the file are not checked.
    ///
    /// ```
    /// let error = tower_auth::Peppers::from_file("/nobody/made/these/peppers").unwrap_err();
    /// assert!(error.to_string().contains("/nobody/made/these/peppers"));
    /// ```
    ///
    /// # Errors
    /// If the file cannot be read, is open to its group or to others, is longer than 16 KiB, or has another form. The
    /// error names the path and never shows a value.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        File::open(path).map_err(|error| unreadable(path, &error)).and_then(|file| read(path, file))
    }

    /// Reads a file as [`from_file`](Self::from_file) does. If there is none, creates it with a new pepper of version 1
    /// and mode 0600.
    ///
    /// The file appears with its whole content, and an existing file is never replaced: of two processes that start at
    /// once, both use the same pepper. The processes must share the folder, and its file system must have hard links.
    /// Keep a copy of the file: without the pepper, no stored key is valid.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("tower-auth-peppers-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("peppers");
    /// use tower_auth::Peppers;
    ///
    /// let peppers = Peppers::from_file_or_create(&path)?;
    /// assert_eq!(format!("{peppers:?}"), "Peppers { versions: [1] }");
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), or if the file cannot be created.
    pub fn from_file_or_create(path: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let path = path.as_ref();
        if let Err(error) = File::open(path)
            && error.kind() == ErrorKind::NotFound
        {
            create(path)?;
        }
        Self::from_file(path)
    }
}

fn read(path: &Path, file: File) -> Result<Peppers, ConfigError> {
    let wrong = |error: io::Error| unreadable(path, &error);
    let own = FileMode { others: "can read or write", bits: 0o066, chmod: "600" };
    own.check(&file, path, "pepper file")?;
    // The buffer never grows, because that would leave a copy of the peppers behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 64));
    file.take(LONGEST as u64 + 1).read_to_end(&mut text).map_err(wrong)?;
    if text.len() > LONGEST {
        return Err(unreadable(path, &"it is longer than 16 KiB"));
    }
    let text = std::str::from_utf8(&text).map_err(|_| unreadable(path, &"it is not UTF-8"))?;
    Peppers::read(text, &format!("the file {}", path.display()))
}

/// Writes a file beside the path and links it there. A link appears at once, and fails where a file exists already.
fn create(path: &Path) -> Result<(), ConfigError> {
    let beside = beside(path)?;
    let text = new_text()?;
    let made = write(&beside, &text).and_then(|()| fs::hard_link(&beside, path));
    // Whatever happened, the second name is of no use. It may not even be there.
    let _ = fs::remove_file(&beside);
    match made {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(ConfigError::new(
            format!("the pepper file {} cannot be created: {error}", path.display()),
            format!(
                "make its folder writable, or create it: (umask 077; echo 1:$(openssl rand -hex 32) > '{}')",
                path.display()
            ),
        )),
        // Another process was faster, and its pepper is as good.
        _ => sync_folder(path),
    }
}

/// Returns a path in the same folder that no other process uses.
fn beside(path: &Path) -> Result<PathBuf, ConfigError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(&*text_of(&*mint::random::<8>()?));
    Ok(path.with_file_name(name))
}

fn new_text() -> Result<Zeroizing<String>, ConfigError> {
    let digits = text_of(&*mint::random::<32>()?);
    let mut text = Zeroizing::new(String::with_capacity(digits.len() + 3));
    text.extend(["1:", &digits, "\n"]);
    Ok(text)
}

fn text_of(bytes: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(bytes.len() * 2));
    text.extend(bytes.iter().flat_map(|byte| hex::digits(*byte)).map(char::from));
    text
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Makes the new name durable: keys that are stored under a pepper which a power failure takes away are lost.
#[cfg(unix)]
fn sync_folder(path: &Path) -> Result<(), ConfigError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| unreadable(path, &error))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Unix")]
const fn sync_folder(_: &Path) -> Result<(), ConfigError> {
    Ok(())
}

fn unreadable(path: &Path, why: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::new(
        format!("the pepper file {} cannot be read: {why}", path.display()),
        "give the path of a file that this process can read, with mode 600",
    )
}
