//! A primary that a sentinel watches.

use std::fs;

use super::{installed, server::Server};
use crate::support::{folder::Folder, process::until};

/// A primary, a replica, and one sentinel that has seen both.
pub(crate) struct Watched {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    pub(crate) sentinel: Server,
    _folder: Folder,
}

/// New servers for one test. The sentinel calls the primary `main`, and promotes the replica when it has missed the primary for half a second.
pub(crate) fn watched() -> Option<Watched> {
    installed()?;
    let (primary, replica) = (Server::start(&[]), Server::start(&[]));
    let port = primary.address().port().to_string();
    let _: () = replica.ask(&["REPLICAOF", "127.0.0.1", &port]);
    assert!(until(|| replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")));
    let folder = Folder::new("sentinel");
    let file = folder.path().join("sentinel.conf");
    let lines = format!(
        "sentinel monitor main 127.0.0.1 {port} 1\nsentinel down-after-milliseconds main 500\n\
         sentinel failover-timeout main 3000\n"
    );
    fs::write(&file, lines).unwrap();
    // It writes what it learns into the file.
    let sentinel = Server::start_sentinel(&file);
    assert!(until(|| sentinel.ask::<String>(&["INFO", "sentinel"]).contains("status=ok,address=127.0.0.1")));
    assert!(until(|| sentinel.ask::<String>(&["INFO", "sentinel"]).contains("slaves=1")));
    Some(Watched { primary, replica, sentinel, _folder: folder })
}
