//! The ways to a decision that need no other crate: a script by hand, and `RedisLimiter`.

use std::{sync::Arc, time::Duration};

use redis::{AsyncConnectionConfig, Client, Value, aio::MultiplexedConnection, cmd};
use tower_auth::{
    Limiter as _, Quota,
    limit::{
        BucketKey, LimitDecision, LimitTime, Limits,
        shared::{NamedLimiter, SharedHealth, SharedPolicy},
    },
    redis::{RedisConfig, RedisLimiter},
};

use super::{CALLERS, Road, server::Server};

/// Admits everything that a benchmark can ask for: one request a microsecond, and a burst of a second.
pub(crate) const ROOM: Quota = Quota::per_second(1_000_000);
/// The same for scripts, in microseconds.
const INTERVAL: u64 = 1;
const BURST: u64 = 1_000_000;

/// The time limit of each decision. It is long, because a busy machine is no outage.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A script over a connection, by hand.
#[derive(Clone)]
pub(crate) struct ByHand {
    connection: MultiplexedConnection,
    digest: Arc<str>,
    keys: Arc<[String]>,
    script: Which,
}

/// A script.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// The least that counts one quota.
    Gcra,
    /// The script of `RedisLimiter`, with its arguments.
    Take,
}

const GCRA: &str = include_str!("gcra.lua");
const TAKE: &str =
    concat!(include_str!("../../../src/redis/limits/load.lua"), include_str!("../../../src/redis/limits/take.lua"));

impl ByHand {
    /// Without a limit, an answer that never comes is waited for forever.
    pub(crate) async fn new(server: &Server, script: Which, limit: Option<Duration>) -> Self {
        let client = Client::open(server.url()).expect("the URL is valid");
        let config = AsyncConnectionConfig::new().set_response_timeout(limit);
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connected.expect("Redis accepts connections");
        let text = match script {
            Which::Gcra => GCRA,
            Which::Take => TAKE,
        };
        let digest: String =
            cmd("SCRIPT").arg("LOAD").arg(text).query_async(&mut connection).await.expect("the script is valid");
        let keys = (0..CALLERS).map(|caller| format!("by_hand:{digest}:{caller:032x}")).collect();
        Self { connection, digest: digest.into(), keys, script }
    }
}

impl Road for ByHand {
    async fn admits(&self, caller: usize) -> bool {
        let mut command = cmd("EVALSHA");
        command.arg(&*self.digest).arg(1).arg(&self.keys[caller]);
        let mut connection = self.connection.clone();
        match self.script {
            Which::Gcra => {
                command.arg(INTERVAL).arg(BURST).arg(1);
                let answer: (i64, i64, i64) = command.query_async(&mut connection).await.expect("Redis answers");
                answer.0 == 1
            }
            Which::Take => {
                // One window: the form, wanted, least, the number of windows; ticks in a microsecond and in a request, size.
                command.arg(b"8 bytes.").arg(FORM).arg(1).arg(1).arg(1).arg(1_000).arg(1_000 * INTERVAL).arg(BURST);
                let answer: Value = command.query_async(&mut connection).await.expect("Redis answers");
                matches!(&answer, Value::Array(parts) if matches!(parts[..], [Value::Int(1), _, Value::Int(1), ..]))
            }
        }
    }
}

/// What `RedisLimiter` stores of one quota.
const FORM: &str = r#"[{"events":1000000,"name":"default","period_ns":1000000000}]"#;

/// `RedisLimiter`.
#[derive(Clone)]
pub(crate) struct Ours {
    limiter: RedisLimiter,
    named: NamedLimiter,
    limits: Limits,
    buckets: Arc<[BucketKey]>,
}

impl Ours {
    /// Limiters with the same name share buckets.
    pub(crate) async fn new(server: &Server, policy: SharedPolicy, name: &str, quota: Quota) -> Self {
        let config = RedisConfig::url(&server.url()).expect("the URL is valid");
        let limiter = RedisLimiter::with(config, policy.deadline(LIMIT));
        limiter.check().await.expect("Redis answers");
        let limits = Limits::new(quota).expect("the quota is valid");
        let buckets = (0..CALLERS).map(|caller| BucketKey::new([&*caller.to_string()])).collect();
        Self { named: limiter.named(name), limiter, limits, buckets }
    }

    pub(crate) fn health(&self) -> SharedHealth {
        self.limiter.health()
    }

    /// Decides about a request of one of the callers.
    pub(crate) async fn decide(&self, caller: usize) -> LimitDecision {
        // The time of the server counts, and not this one: a layer reads it once for all its limits.
        let now = LimitTime::from(Duration::ZERO);
        self.named.decide(self.buckets[caller], &self.limits, 1, now).await.expect("Redis answers")
    }
}

impl Road for Ours {
    async fn admits(&self, caller: usize) -> bool {
        matches!(self.decide(caller).await, LimitDecision::Admitted(_))
    }
}
