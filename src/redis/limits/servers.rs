//! The servers of a configuration, as a backend of shared limits.

use std::{sync::Arc, time::Duration};

use redis::Value;

use super::{
    answer::{Answer, nanos},
    cluster::Cluster,
    lane::{Lane, Reply},
    script::{Arguments, Call, key},
};
use crate::{
    Clock, Health,
    base::clock::TimedOut,
    limit::{
        BucketKey, Reservation,
        shared::{Ask, Backend, Breaker, Converted, Guarded, Outage, SharedPolicy, Taken, guarded},
    },
    redis::config::RedisConfig,
};

pub(super) struct Servers {
    route: Route,
    /// What the names of all keys begin with.
    prefix: String,
    /// For how long a bucket is asked for again, because other limits have counted it, or because of another clock.
    deadline: Duration,
}

enum Route {
    One(Arc<One>),
    Cluster(Arc<Cluster>),
}

/// The only server, or the primary that sentinels name.
struct One {
    lane: Lane,
    /// The key of a bucket that only probes count in.
    probe: String,
}

impl Servers {
    pub(super) fn new(config: &RedisConfig, policy: &SharedPolicy) -> Self {
        let prefix = config.prefix_of_limits();
        let route = if config.servers.are_a_cluster() {
            Route::Cluster(Cluster::new(config, &prefix, policy.deadline))
        } else {
            let lane = Lane::new(config, None, Breaker::new(policy.deadline));
            Route::One(Arc::new(One { lane, probe: format!("{prefix}probe") }))
        };
        Self { route, prefix, deadline: policy.deadline }
    }

    async fn run(&self, call: Call<'_>) -> Result<Value, Outage> {
        match &self.route {
            Route::One(one) => match guarded(one, one.lane.run(&call, false)).await? {
                Reply::Answer(answer) => Ok(answer),
                // Only a server of a cluster says so.
                Reply::Elsewhere(_) => Err(Outage::not_asked("Redis: this server is in a cluster")),
            },
            Route::Cluster(cluster) => cluster.run(&call).await,
        }
    }
}

impl Guarded for One {
    fn breaker(&self) -> &Breaker {
        &self.lane.breaker
    }

    async fn probe(&self) -> Result<(), Outage> {
        self.lane.check(&self.probe, self.lane.breaker.deadline()).await.map(drop)
    }

    fn late(&self, late: TimedOut) -> Outage {
        self.lane.late(late)
    }
}

impl Backend for Servers {
    const CHORES: usize = 128;

    async fn take(&self, ask: &Ask) -> Result<Taken, Outage> {
        let key = key(&self.prefix, ask.bucket);
        let (mut now, mut converted, mut began) = (None, None, None);
        loop {
            let other = converted.as_ref().map(|(other, converted): &(_, Converted)| (other, converted));
            let call = Call { key: &key, arguments: Arguments::Take { ask, now, other } };
            match Answer::read(&self.run(call).await?, &ask.limits) {
                Some(Answer::Taken(taken)) => return Ok(taken),
                Some(Answer::Other(other)) => {
                    let form = other.form.convert(&other.pairs, &ask.limits, nanos(other.now));
                    converted = Some((other, form));
                }
                Some(Answer::Clock(server)) => now = Some(server),
                None => {
                    return Err(Outage::of_bucket(format_args!(
                        "Redis: the key {key} has a form that this version cannot read; help: delete it, and its bucket is full, or use one \
                         version in all processes"
                    )));
                }
            }
            // Other processes may change the bucket between two questions, again and again.
            let time = Clock::system().elapsed();
            if time.saturating_sub(*began.get_or_insert(time)) >= self.deadline {
                return Err(Outage::of_bucket(format_args!(
                    "Redis: processes with different limits change the bucket {key} all the time; help: deploy the same limits everywhere"
                )));
            }
        }
    }

    async fn give_back(&self, bucket: BucketKey, reservation: Reservation) -> Result<(), Outage> {
        let key = key(&self.prefix, bucket);
        self.run(Call { key: &key, arguments: Arguments::GiveBack(&reservation) }).await.map(drop)
    }

    async fn check(&self) -> Result<(), Outage> {
        match &self.route {
            Route::One(one) => one.lane.check(&one.probe, one.lane.patience()).await.map(drop),
            Route::Cluster(cluster) => cluster.check().await,
        }
    }

    fn health(&self) -> Health {
        match &self.route {
            Route::One(one) => one.lane.breaker.health(),
            Route::Cluster(cluster) => cluster.health(),
        }
    }
}
