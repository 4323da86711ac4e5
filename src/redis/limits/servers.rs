//! The servers of a configuration, as a backend of shared limits.

use std::sync::Arc;

use redis::Value;

use super::{
    answer::{Answer, nanos},
    lane::Lane,
    script::{Arguments, Call, key},
};
use crate::{
    Health,
    limit::{
        BucketKey, Reservation,
        shared::{Ask, Backend, Breaker, Converted, Outage, SharedPolicy, Taken, guarded},
    },
    redis::config::RedisConfig,
};

pub(super) struct Servers {
    lane: Arc<Lane>,
    /// What the names of all keys begin with.
    prefix: String,
}

/// How often a bucket is asked for again, because other limits have counted it, or because of another clock.
const TURNS: usize = 8;

impl Servers {
    pub(super) fn new(config: &RedisConfig, policy: &SharedPolicy) -> Self {
        let prefix = config.prefix_of_limits();
        let lane = Lane::new(config, format!("{prefix}probe"), Breaker::new(policy.deadline));
        Self { lane, prefix }
    }

    async fn run(&self, call: Call<'_>) -> Result<Value, Outage> {
        guarded(&self.lane, self.lane.run(&call)).await
    }
}

impl Backend for Servers {
    async fn take(&self, ask: Ask) -> Result<Taken, Outage> {
        let key = key(&self.prefix, ask.bucket);
        let (mut now, mut converted) = (None, None);
        for _ in 0..TURNS {
            let other = converted.as_ref().map(|(other, converted): &(_, Converted)| (other, converted));
            let call = Call { key: &key, arguments: Arguments::Take { ask: &ask, now, other } };
            match Answer::read(&self.run(call).await?, &ask.limits) {
                Some(Answer::Taken(taken)) => return Ok(taken),
                Some(Answer::Other(other)) => {
                    let form = other.form.convert(&other.pairs, &ask.limits, nanos(other.now));
                    converted = Some((other, form));
                }
                Some(Answer::Clock(server)) => now = Some(server),
                None => {
                    return Err(Outage::asked(format_args!(
                        "Redis: the bucket {key} has a form that this version cannot read"
                    )));
                }
            }
        }
        Err(Outage::asked(format_args!("Redis: the limits of the bucket {key} change all the time")))
    }

    async fn give_back(&self, bucket: BucketKey, reservation: Reservation) -> Result<(), Outage> {
        let key = key(&self.prefix, bucket);
        self.run(Call { key: &key, arguments: Arguments::GiveBack(&reservation) }).await.map(drop)
    }

    async fn check(&self) -> Result<(), Outage> {
        self.lane.check().await
    }

    fn health(&self) -> Health {
        self.lane.health()
    }
}
