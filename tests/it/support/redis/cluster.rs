//! Three servers that share the slots.

use std::thread;

use super::server::Server;
use crate::support::process::{free_address, until};

/// The first and the last slot of each server.
const SLOTS: [(u16, u16); 3] = [(0, 5461), (5462, 10922), (10923, 16383)];

/// A cluster without replicas. A server that does not hear of the others for a second answers nothing any more.
pub(crate) struct Cluster {
    servers: Vec<Server>,
}

impl Cluster {
    pub(super) fn start() -> Self {
        let started = thread::scope(|scope| {
            let starting: Vec<_> = SLOTS.iter().map(|_| scope.spawn(member)).collect();
            starting.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
        });
        let (servers, buses): (Vec<_>, Vec<_>) = started.into_iter().unzip();
        for (number, (server, (first, last))) in (1..).zip(servers.iter().zip(SLOTS)) {
            let _: () = server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &format!("{number}")]);
            let _: () = server.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        }
        let cluster = Self { servers };
        for (server, bus) in cluster.servers.iter().zip(buses) {
            let port = server.address().port().to_string();
            let _: () = cluster.servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus.to_string()]);
        }
        assert!(until(|| cluster.is_ready()), "the cluster does not come together");
        cluster
    }

    fn is_ready(&self) -> bool {
        self.servers.iter().all(|server| {
            let info: String = server.ask(&["CLUSTER", "INFO"]);
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.servers.iter().map(Server::url).collect()
    }

    pub(crate) fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The slot of a key.
    pub(crate) fn slot(&self, key: &str) -> u16 {
        self.servers[0].ask(&["CLUSTER", "KEYSLOT", key])
    }

    /// The server that has a key at the beginning, and another one.
    pub(crate) fn owner_and_other(&self, key: &str) -> (&Server, &Server) {
        let slot = self.slot(key);
        let owner = SLOTS.iter().position(|(_, last)| slot <= *last).unwrap();
        (&self.servers[owner], &self.servers[(owner + 1) % SLOTS.len()])
    }
}

/// A server, and the port on which it talks to the others: the usual one, 10,000 higher, may be out of range.
fn member() -> (Server, u16) {
    let bus = free_address().port();
    let port = bus.to_string();
    let settings = ["--cluster-enabled", "yes", "--cluster-port", &port, "--cluster-node-timeout", "1000"];
    (Server::start(&settings), bus)
}
