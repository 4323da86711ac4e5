//! The servers of a cluster, and which of them counts a bucket.

use std::{
    iter,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use redis::Value;
use tokio::runtime::Handle;

use super::{
    lane::{Elsewhere, Lane, Reply},
    script::Call,
    slots::{SLOTS, Table, slot},
};
use crate::{
    Health,
    base::clock::TimedOut,
    limit::shared::{Breaker, Guarded, Outage, guarded},
    redis::{
        config::{RedisConfig, Servers},
        connection::Connection,
        failure::Failure,
        locate::primaries,
        node::Node,
    },
};

pub(super) struct Cluster {
    config: RedisConfig,
    deadline: Duration,
    /// What the names of the keys of probes begin with.
    probe: String,
    table: ArcSwap<Table<Member>>,
    /// Held by who changes the table.
    changing: Mutex<()>,
    /// Held by who asks for the slots.
    asking: tokio::sync::Mutex<()>,
    /// How often the slots have been read.
    readings: AtomicU64,
    turn: AtomicUsize,
    /// Opens when the server of a slot cannot be found.
    breaker: Breaker,
    this: Weak<Self>,
}

/// Slots, and the server that has them.
type Range = (RangeInclusive<usize>, Node);

/// A server of the cluster.
struct Member {
    node: Node,
    lane: Lane,
    cluster: Weak<Cluster>,
}

/// How many servers are asked for one answer: one that had the slot, one that has it, and one that it is moving to.
const HOPS: usize = 3;

/// How many keys are tried to find one in the slots of a server. One of 16,384 slots is missed once in 10²⁷ times.
const KEYS: u32 = 1 << 20;

impl Cluster {
    pub(super) fn new(config: &RedisConfig, prefix: &str, deadline: Duration) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            config: config.clone(),
            deadline,
            probe: format!("{prefix}probe:"),
            table: ArcSwap::from_pointee(Table::new()),
            changing: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
            readings: AtomicU64::new(0),
            turn: AtomicUsize::new(0),
            breaker: Breaker::new(deadline),
            this: Weak::clone(this),
        })
    }

    /// Runs a script on the server that has the slot of its key.
    pub(super) async fn run(self: &Arc<Self>, call: &Call<'_>) -> Result<Value, Outage> {
        let slot = slot(call.key);
        let mut member = match self.holder(slot) {
            Some(member) => member,
            // To find it takes many steps, and each decision would have room for all of them.
            None => guarded(self, Box::pin(self.find(slot))).await?,
        };
        let mut is_moving = false;
        for _ in 0..HOPS {
            let elsewhere = match guarded(&member, member.lane.run(call, is_moving)).await? {
                Reply::Answer(answer) => return Ok(answer),
                Reply::Elsewhere(elsewhere) => elsewhere,
            };
            is_moving = !elsewhere.is_settled;
            member = self.follow(&member, slot, elsewhere);
        }
        // No server has failed, so no breaker opens.
        Err(Outage::not_asked("Redis: the servers of the cluster do not agree which of them has a slot"))
    }

    fn holder(&self, slot: usize) -> Option<Arc<Member>> {
        self.table.load().server(slot).cloned()
    }

    async fn find(&self, slot: usize) -> Result<Arc<Member>, Outage> {
        self.read(None).await.map_err(|failure| Outage::not_asked(failure.to_string()))?;
        self.holder(slot).ok_or_else(|| uncovered(slot))
    }

    /// Returns the server that another one has named. If the slot has moved to it, its table is read in the background.
    fn follow(&self, from: &Member, slot: usize, to: Elsewhere) -> Arc<Member> {
        let (node, is_settled) = (from.node.at(to.host, to.port), to.is_settled);
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.table.load_full();
        let known = old.servers().iter().find(|member| member.is_at(&node)).cloned();
        let is_news = known.is_none() || is_settled && !old.server(slot).is_some_and(|member| member.is_at(&node));
        let member = known.unwrap_or_else(|| self.member(node));
        if is_news {
            let mut table = Table::clone(&old);
            table.add(&member);
            if is_settled {
                table.assign(slot..=slot, &member);
            }
            self.table.store(Arc::new(table));
        }
        drop(changing);
        if is_news && is_settled {
            self.read_soon(&member);
        }
        member
    }

    fn read_soon(&self, from: &Arc<Member>) {
        if let (Ok(runtime), Some(cluster), from) = (Handle::try_current(), self.this.upgrade(), Arc::clone(from)) {
            // If it fails, the next bucket that has moved leads here again.
            runtime.spawn(async move { cluster.read(Some(&from)).await.map_err(drop) });
        }
    }

    /// Reads the slots of all servers. Calls at the same time share one answer.
    async fn read(&self, first: Option<&Arc<Member>>) -> Result<(), Failure> {
        let before = self.readings.load(Ordering::Acquire);
        let asking = self.asking.lock().await;
        if self.readings.load(Ordering::Acquire) == before {
            let found = self.ask(first).await?;
            self.install(found);
            self.readings.fetch_add(1, Ordering::Release);
        }
        drop(asking);
        Ok(())
    }

    /// Asks one server after the other for the slots, beginning with those that are connected and answer.
    async fn ask(&self, first: Option<&Arc<Member>>) -> Result<Vec<Range>, Failure> {
        let (table, turn) = (self.table.load_full(), self.turn.fetch_add(1, Ordering::Relaxed));
        let members = table.servers();
        let mut last = Failure::new("no server is configured");
        let in_turn = members.iter().cycle().skip(turn % members.len().max(1)).take(members.len());
        for member in first.into_iter().chain(in_turn).filter(|member| !member.lane.breaker.is_open()) {
            if let Some(mut connection) = member.lane.connection() {
                match primaries(&self.config, &mut connection, &member.node).await {
                    Ok(found) => return Ok(found),
                    Err(failure) => last = failure,
                }
            }
        }
        let named = if let Servers::Cluster(named) = &self.config.servers { &**named } else { &[] };
        let nodes: Vec<_> = named.iter().chain(members.iter().map(|member| &member.node)).collect();
        for node in nodes.iter().cycle().skip(turn % nodes.len().max(1)).take(nodes.len()) {
            let found = match Connection::open(&self.config, node, None).await {
                Ok(mut connection) => primaries(&self.config, &mut connection, node).await,
                Err(failure) => Err(failure),
            };
            match found {
                Ok(found) => return Ok(found),
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    /// Replaces the table. Servers that have no slots any more are let go.
    fn install(&self, found: Vec<Range>) {
        let changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, mut table) = (self.table.load_full(), Table::new());
        for (slots, node) in found {
            let both = table.servers().iter().chain(old.servers());
            let known = both.into_iter().find(|member| member.is_at(&node)).cloned();
            let member = known.unwrap_or_else(|| self.member(node));
            table.add(&member);
            table.assign(slots, &member);
        }
        // In the middle of a failover, a server may not know who has a slot. Whoever had it says where it is, or does not answer.
        for slot in 0..SLOTS {
            if let (None, Some(member)) = (table.server(slot), old.server(slot)) {
                table.add(member);
                table.assign(slot..=slot, member);
            }
        }
        let kept = |member: &Arc<Member>| table.servers().iter().any(|kept| Arc::ptr_eq(kept, member));
        let left: Vec<_> = old.servers().iter().filter(|member| !kept(member)).cloned().collect();
        self.table.store(Arc::new(table));
        drop(changing);
        for member in left {
            member.lane.breaker.close();
        }
    }

    fn member(&self, node: Node) -> Arc<Member> {
        let lane = Lane::new(&self.config, Some(node.clone()), Breaker::new(self.deadline));
        Arc::new(Member { node, lane, cluster: Weak::clone(&self.this) })
    }

    /// Asks all servers that have slots.
    pub(super) async fn check(&self) -> Result<(), Outage> {
        self.probe().await?;
        let table = self.table.load_full();
        let checked =
            join_all(table.servers().iter().map(|member| self.check_one(member, member.lane.patience()))).await;
        checked.into_iter().collect()
    }

    async fn check_one(&self, member: &Member, limit: Duration) -> Result<(), Outage> {
        // A server without slots answers no question, so it is not missed.
        let Some((slot, key)) = self.key_of(member) else { return Ok(()) };
        if let Reply::Elsewhere(elsewhere) = member.lane.check(&key, limit).await? {
            // It answers. What it says is newer than the table.
            self.follow(member, slot, elsewhere);
        }
        Ok(())
    }

    /// A key in a slot of this server.
    fn key_of(&self, member: &Member) -> Option<(usize, String)> {
        let table = self.table.load();
        let is_its = |slot| table.server(slot).is_some_and(|holder| member.is_at(&holder.node));
        if !table.servers().iter().any(|known| member.is_at(&known.node)) {
            return None;
        }
        let keys = (0..KEYS).map(|number| format!("{}{number}", self.probe));
        keys.map(|key| (slot(&key), key)).find(|(slot, _)| is_its(*slot))
    }

    /// How the worst server does.
    pub(super) fn health(&self) -> Health {
        let table = self.table.load();
        let all = iter::once(&self.breaker).chain(table.servers().iter().map(|member| &member.lane.breaker));
        all.map(Breaker::health).find(|health| *health != Health::Good).unwrap_or(Health::Good)
    }
}

fn uncovered(slot: usize) -> Outage {
    Outage::not_asked(format!("Redis: no server of the cluster has slot {slot}; help: redis-cli --cluster check"))
}

impl Guarded for Cluster {
    fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    async fn probe(&self) -> Result<(), Outage> {
        self.read(None).await.map_err(|failure| Outage::not_asked(failure.to_string()))?;
        self.table.load().gap().map_or(Ok(()), |slot| Err(uncovered(slot)))
    }

    fn late(&self, late: TimedOut) -> Outage {
        Outage::not_asked(Failure::new(format_args!("the cluster {late}")).to_string())
    }
}

impl Member {
    fn is_at(&self, node: &Node) -> bool {
        self.node.port == node.port && self.node.host == node.host
    }
}

impl Guarded for Member {
    fn breaker(&self) -> &Breaker {
        &self.lane.breaker
    }

    async fn probe(&self) -> Result<(), Outage> {
        let Some(cluster) = self.cluster.upgrade() else { return Ok(()) };
        // Another server may have its slots now. If nobody knows, this one may still answer.
        let _ = cluster.read(None).await;
        cluster.check_one(self, self.lane.breaker.deadline()).await
    }

    fn late(&self, late: TimedOut) -> Outage {
        self.lane.late(late)
    }
}
