//! Three servers that share the slots.

use std::thread;

use super::server::Server;
use crate::support::process::{free_address, until};

/// The first and the last slot of each server.
const SLOTS: [(u16, u16); 3] = [(0, 5461), (5462, 10922), (10923, 16383)];

/// A cluster, by default without replicas. A server that does not hear of the others for a second answers nothing any more.
pub(crate) struct Cluster {
    servers: Vec<Server>,
    /// That of the first server.
    replica: Option<Server>,
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
        let cluster = Self { servers, replica: None };
        for (server, bus) in cluster.servers.iter().zip(buses) {
            let port = server.address().port().to_string();
            let _: () = cluster.servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus.to_string()]);
        }
        assert!(until(|| cluster.is_ready()), "the cluster does not come together");
        cluster
    }

    /// Adds a replica of the first server. If that one is missed for a second, the others promote the replica.
    pub(super) fn with_replica(mut self) -> Self {
        let (replica, bus) = member();
        let port = replica.address().port().to_string();
        let _: () = self.servers[0].ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus.to_string()]);
        let id: String = self.servers[0].ask(&["CLUSTER", "MYID"]);
        assert!(until(|| replica.ask::<String>(&["CLUSTER", "NODES"]).contains(&id)), "the replica hears nothing");
        assert!(until(|| replica.ask::<String>(&["CLUSTER", "INFO"]).contains("cluster_state:ok")));
        let _: () = replica.ask(&["CLUSTER", "REPLICATE", &id]);
        assert!(until(|| replica.ask::<String>(&["INFO", "replication"]).contains("master_link_status:up")));
        let is_known = |server: &Server| server.ask::<String>(&["CLUSTER", "NODES"]).contains(&format!("slave {id}"));
        assert!(until(|| self.servers.iter().all(is_known)), "the replica is not known");
        self.replica = Some(replica);
        self
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

    pub(crate) fn servers_mut(&mut self) -> &mut [Server] {
        &mut self.servers
    }

    pub(crate) fn replica(&self) -> &Server {
        self.replica.as_ref().expect("the cluster has a replica")
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
