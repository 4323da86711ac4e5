//! Peppers in files.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use tower_auth::{KeyDigest, KeyScheme, Peppers};

use crate::support::folder::Folder;

/// Writes a file that only its owner may read.
fn file(folder: &Folder, text: &str) -> PathBuf {
    let path = folder.path().join("peppers");
    fs::write(&path, text).unwrap();
    #[cfg(unix)]
    mode(&path, 0o600);
    path
}

#[cfg(unix)]
fn mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn said(path: &Path) -> String {
    let error = Peppers::from_file(path).unwrap_err().to_string();
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    error
}

/// Two of the same peppers digest alike.
fn digest(peppers: Peppers) -> [u8; 32] {
    let scheme = KeyScheme::new(crate::support::ak(), peppers);
    *scheme.move_under_pepper(&KeyDigest::from_bytes([3; 32])).unwrap().as_bytes()
}

#[test]
fn r081_a_pepper_file_is_read_like_the_variable() {
    let folder = Folder::new("read");
    let [one, two] = ["0b", "0C"].map(|byte| byte.repeat(32));
    let path = file(&folder, &format!("2:{one}\n1:{two}\n"));
    let peppers = Peppers::from_file(&path).unwrap();
    assert_eq!(format!("{peppers:?}"), "Peppers { versions: [2, 1] }");
    assert_eq!(digest(peppers), digest(Peppers::new(2, [0x0b; 32]).unwrap()));
    assert_eq!(digest(Peppers::from_file_or_create(&path).unwrap()), digest(Peppers::new(2, [0x0b; 32]).unwrap()));
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("2:{one}\n1:{two}\n"), "it is not written");
}

#[test]
fn r083_what_is_wrong_with_a_pepper_file_is_said_without_a_pepper() {
    let folder = Folder::new("wrong");
    let hex = "0b".repeat(32);
    let many = format!("1:{hex}\n").repeat(500);
    for (text, why) in [
        (String::new(), "there is none"),
        (format!("2:{hex}\n{hex}\n"), "entry 2 has no version"),
        (format!("2:{hex}0"), "64 hex"),
        (format!("2:{hex},2:{hex}"), "twice"),
        (many, "longer than 16 KiB"),
    ] {
        let error = said(&file(&folder, &text));
        assert!(error.contains(why) && !error.contains("0b0b"), "{error}");
    }
    let path = file(&folder, "");
    fs::write(&path, [0xff, 0xfe]).unwrap();
    assert!(said(&path).contains("not UTF-8"));
    said(folder.path());
    said(&folder.path().join("nothing"));
    assert!(Peppers::from_file_or_create(file(&folder, "")).is_err(), "an empty file is not replaced");
}

#[cfg(unix)]
#[test]
fn r083_a_pepper_file_that_others_can_read_or_write_is_refused() {
    let folder = Folder::new("mode");
    let path = file(&folder, &format!("1:{}", "0b".repeat(32)));
    for open in [0o640, 0o604, 0o620, 0o602, 0o644, 0o666] {
        mode(&path, open);
        let error = said(&path);
        assert!(error.contains(&format!("chmod 600 '{}'", path.display())), "{error}");
        assert!(error.contains(&format!("{open:o}")) && !error.contains("0b0b"), "{error}");
        assert_eq!(Peppers::from_file_or_create(&path).unwrap_err().to_string(), error);
    }
    for closed in [0o600, 0o400] {
        mode(&path, closed);
        Peppers::from_file(&path).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn r081_a_missing_pepper_file_is_created_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new("create");
    let path = folder.path().join("peppers");
    let peppers = Peppers::from_file_or_create(&path).unwrap();
    assert_eq!(format!("{peppers:?}"), "Peppers { versions: [1] }");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(folder.files(), std::slice::from_ref(&path), "nothing else is left");
    assert_eq!(digest(Peppers::from_file(&path).unwrap()), digest(peppers));
    fs::remove_file(&path).unwrap();
    assert_ne!(
        digest(Peppers::from_file_or_create(&path).unwrap()),
        digest(Peppers::parse(&format!("1:{}", "0b".repeat(32))).unwrap())
    );
    // What the path already names is not replaced, even if it leads nowhere.
    let dangling = folder.path().join("dangling");
    std::os::unix::fs::symlink(folder.path().join("nothing"), &dangling).unwrap();
    assert!(Peppers::from_file_or_create(&dangling).is_err());
    assert!(fs::symlink_metadata(&dangling).unwrap().is_symlink());
    let error = Peppers::from_file_or_create(folder.path().join("no/folder")).unwrap_err().to_string();
    assert!(error.contains("no/folder") && error.contains("openssl"), "{error}");
}

/// Processes that start at once share one pepper: keys of one are valid in the other.
#[test]
fn r081_who_creates_a_pepper_file_at_once_gets_the_same_pepper() {
    const AT_ONCE: usize = 8;
    for round in 0..20 {
        let folder = Folder::new(&format!("race-{round}"));
        let path = folder.path().join("peppers");
        let start = Barrier::new(AT_ONCE);
        let create = || {
            start.wait();
            digest(Peppers::from_file_or_create(&path).unwrap())
        };
        let all: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(create)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(all.iter().all(|digest| *digest == all[0]));
        assert_eq!(folder.files().len(), 1);
    }
}
