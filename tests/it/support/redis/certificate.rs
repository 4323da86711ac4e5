//! A certificate for a server on this machine.

use std::{path::Path, process::Command};

/// Makes a certificate for `localhost` that signs itself, in the files `certificate.pem` and `key.pem`; `None` without Redis on the machine.
pub(crate) fn certificate(folder: &Path) -> Option<()> {
    super::installed()?;
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", "key.pem", "-out", "certificate.pem"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    Some(())
}
