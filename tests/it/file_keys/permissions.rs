//! Who else may write the file, and what else may stand at its path.

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_write_is_refused() {
    use tower_auth::FileKeyStore;

    use super::{Folder, ONE, mode, table};

    let folder = Folder::with(&table("ci", ONE, ""));
    let path = folder.file();
    for open in [0o620, 0o602, 0o664, 0o646, 0o666] {
        mode(&path, open);
        let error = FileKeyStore::open(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod go-w '{}'", path.display())), "{error}");
        assert!(error.contains(&format!("{open:o}")), "{error}");
    }
    // Its digests need not be hidden: a mounted file is often readable.
    for closed in [0o644, 0o640, 0o444, 0o400] {
        mode(&path, closed);
        FileKeyStore::open(&path).unwrap();
    }
}

#[test]
fn only_a_regular_file_is_read() {
    use super::Folder;

    let folder = Folder::new();
    let said = |path| tower_auth::FileKeyStore::open(path).unwrap_err().to_string();
    assert!(said(folder.0.clone()).contains("not a regular file"));
    assert!(said(folder.file()).contains(folder.file().to_str().unwrap()));
    std::fs::write(folder.file(), b"# one\n\xff").unwrap();
    super::mode(&folder.file(), 0o600);
    assert!(said(folder.file()).contains("line 2 is not UTF-8"));
    folder.write(&"#".repeat(16 * 1024 * 1024 + 1));
    assert!(said(folder.file()).contains("16 MiB"));
}
