//! Finds the primary that holds the keys and channels of a configuration.

use std::ops::RangeInclusive;

use redis::{Value, cmd};

use super::{
    config::{RedisConfig, Servers},
    connection::{Connection, Hears},
    failure::Failure,
    node::Node,
    primary::field,
};

/// Connects to the primary. `turn` says which of several servers is asked first, so that one with an old view is not asked for
/// ever.
pub(super) async fn connect(config: &RedisConfig, turn: usize, hears: Option<Hears>) -> Result<Connection, Failure> {
    let node = match &config.servers {
        Servers::One(node) => node.clone(),
        Servers::Cluster(nodes) => from_any(config, nodes, turn, Lookup::Slot(config.name("changes"))).await?,
        Servers::Sentinel { primary, sentinels } => {
            let found = from_any(config, sentinels, turn, Lookup::Name(primary.host.clone())).await?;
            primary.moved(found.host, found.port)
        }
    };
    let mut connection = Connection::open(config, &node, hears).await?;
    let info: String = config.within(connection.ask(cmd("INFO").arg("cluster"))).await?;
    match (field(&info, "cluster_enabled") == Some("1"), config.servers.are_a_cluster()) {
        (true, false) => Err(connection.failed("this server is in a cluster; help: use RedisConfig::cluster")),
        (false, true) => Err(connection.failed("this server is not in a cluster; help: use RedisConfig::url")),
        _ => Ok(connection),
    }
}

/// What is asked of servers that know where the primary is.
enum Lookup {
    /// The primary of the slot of this key.
    Slot(String),
    /// The primary with this name.
    Name(String),
}

/// The answer of the first server that has one.
async fn from_any(config: &RedisConfig, nodes: &[Node], turn: usize, lookup: Lookup) -> Result<Node, Failure> {
    let mut last = Failure::new("no server is configured");
    for node in nodes.iter().cycle().skip(turn % nodes.len().max(1)).take(nodes.len()) {
        match from(config, node, &lookup).await {
            Ok(found) => return Ok(found),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

async fn from(config: &RedisConfig, node: &Node, lookup: &Lookup) -> Result<Node, Failure> {
    let mut connection = Connection::open(config, node, None).await?;
    let address = match lookup {
        Lookup::Slot(key) => {
            let slot: i64 = config.within(connection.ask(cmd("CLUSTER").arg("KEYSLOT").arg(key))).await?;
            let slots: Value = config.within(connection.ask(cmd("CLUSTER").arg("SLOTS"))).await?;
            address_of(slot, &slots)
        }
        Lookup::Name(name) => {
            config.within(connection.ask(cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name))).await?
        }
    };
    let (host, port) = address.ok_or_else(|| connection.failed(lookup.missing()))?;
    Ok(node.at(host, port))
}

impl Lookup {
    const fn missing(&self) -> &'static str {
        match self {
            Self::Slot(_) => "no server of the cluster holds the slot of the changes",
            Self::Name(_) => {
                "the sentinel does not know this name of a primary; help: use the name in its configuration"
            }
        }
    }
}

/// Asks a server of a cluster for all slots and their primaries.
pub(super) async fn primaries(
    config: &RedisConfig,
    connection: &mut Connection,
    node: &Node,
) -> Result<Vec<(RangeInclusive<usize>, Node)>, Failure> {
    let slots: Value = config.within(connection.ask(cmd("CLUSTER").arg("SLOTS"))).await?;
    let range = |(slots, address): (RangeInclusive<i64>, Option<(String, u16)>)| {
        let slots = usize::try_from(*slots.start()).ok()?..=usize::try_from(*slots.end()).ok()?;
        let (host, port) = address?;
        Some((slots, node.at(host, port)))
    };
    let found: Vec<_> = ranges(&slots).filter_map(range).collect();
    if found.is_empty() {
        return Err(connection.failed("this server knows no server of the cluster that has slots"));
    }
    Ok(found)
}

/// The address of the primary of a slot, in the answer to `CLUSTER SLOTS`.
fn address_of(slot: i64, slots: &Value) -> Option<(String, u16)> {
    ranges(slots).find(|(range, _)| range.contains(&slot)).and_then(|(_, address)| address)
}

/// Takes the answer to `CLUSTER SLOTS` apart: a list of first slot, last slot, primary, replicas.
fn ranges(slots: &Value) -> impl Iterator<Item = (RangeInclusive<i64>, Option<(String, u16)>)> {
    let all = if let Value::Array(all) = slots { &**all } else { &[] };
    all.iter().filter_map(|range| match range {
        Value::Array(range) => match &**range {
            [Value::Int(first), Value::Int(last), Value::Array(primary), ..] => {
                Some((*first..=*last, address(primary)))
            }
            _ => None,
        },
        _ => None,
    })
}

fn address(server: &[Value]) -> Option<(String, u16)> {
    let (host, port) = match server {
        [Value::Nil, Value::Int(port), ..] => (String::new(), port),
        [Value::BulkString(host), Value::Int(port), ..] => (String::from_utf8(host.clone()).ok()?, port),
        _ => return None,
    };
    // A server writes `?` for a host name that it should know and does not.
    let known = host != "?";
    known.then_some((host, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec()), Value::Array(vec![])])
    }

    #[test]
    fn the_primary_of_a_slot_is_the_first_server_of_its_range() {
        let host = |name: &str| Value::BulkString(name.into());
        let range =
            |first, last, servers: &[Value]| Value::Array([&[Value::Int(first), Value::Int(last)], servers].concat());
        let slots = Value::Array(vec![
            range(0, 99, &[server(host("a"), 1), server(host("b"), 2)]),
            range(100, 199, &[server(Value::Nil, 3)]),
            range(200, 299, &[server(host("?"), 4)]),
        ]);
        assert_eq!(address_of(99, &slots), Some(("a".to_owned(), 1)));
        assert_eq!(address_of(100, &slots), Some((String::new(), 3)));
        assert_eq!(address_of(200, &slots), None);
        assert_eq!(address_of(300, &slots), None);
    }
}
