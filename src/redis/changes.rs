use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{Cmd, FromRedisValue, PushInfo, PushKind, Value, cmd};

use super::{
    bound::{Agreed, read, text},
    config::RedisConfig,
    connection::{Connection, Hears},
    failure::Failure,
    locate::connect,
    subscription::{Ear, Listening, Place},
};
use crate::cache::{Announcement, ChangeSink, Changes, ChangesFuture, Subscription};

/// Redis or Valkey as the way in which processes tell each other what has changed in a store that they share: see the
/// [module page](crate::redis).
///
/// Clones share one connection for announcements. Each subscription has a connection of its own.
///
/// ```
/// use tower_auth::redis::{RedisChanges, RedisConfig};
///
/// let changes = RedisChanges::new(RedisConfig::url("redis://:password@redis.internal:6379/0")?);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RedisChanges(Arc<Shared>);

struct Shared {
    config: RedisConfig,
    channel: String,
    place: Arc<Place>,
    publisher: Mutex<Option<Connection>>,
    turn: AtomicUsize,
}

impl RedisChanges {
    /// Uses this server, or these servers. Nothing is connected yet.
    #[must_use]
    pub fn new(config: RedisConfig) -> Self {
        let channel = config.channel("changes");
        let place = Arc::new(Place { key: config.name("bound"), agreed: Agreed::default() });
        Self(Arc::new(Shared { config, channel, place, publisher: Mutex::default(), turn: AtomicUsize::new(0) }))
    }
}

impl Changes for RedisChanges {
    fn subscribe(&self, sink: ChangeSink) -> ChangesFuture<Box<dyn Subscription>> {
        let shared = Arc::clone(&self.0);
        ChangesFuture::boxed(async move {
            let subscribed = shared.subscribe(sink).await?;
            Ok(Box::new(subscribed) as Box<dyn Subscription>)
        })
    }

    fn shared_bound(&self, wanted: Duration) -> ChangesFuture<Duration> {
        let shared = Arc::clone(&self.0);
        ChangesFuture::boxed(async move { Ok(shared.bound(wanted).await?) })
    }

    fn stored_bound(&self) -> ChangesFuture<Option<Duration>> {
        let shared = Arc::clone(&self.0);
        ChangesFuture::boxed(async move {
            let stored: Option<String> = shared.ask(&[shared.stored()]).await?;
            Ok(stored.as_deref().map(read).transpose()?)
        })
    }

    fn announce(&self, changes: &[Announcement]) -> ChangesFuture<()> {
        if changes.is_empty() {
            return ChangesFuture::ready(Ok(()));
        }
        let message = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let shared = Arc::clone(&self.0);
        ChangesFuture::boxed(async move { Ok(shared.announce(&message).await?) })
    }
}

impl Shared {
    async fn subscribe(&self, sink: ChangeSink) -> Result<Listening, Failure> {
        let ear = Arc::new(Ear::new(sink));
        let hears = Arc::clone(&ear);
        let mut connection = self.connect(Some(Arc::new(move |push: PushInfo| hears.hear(&push)))).await?;
        let subscribe = self.of_mode("SUBSCRIBE", "SSUBSCRIBE").arg(&self.channel).take();
        match self.config.within(connection.ask(&subscribe)).await? {
            Value::Push { kind: PushKind::Subscribe | PushKind::SSubscribe, .. } => {}
            _ => return Err(connection.failed("the subscription was not confirmed")),
        }
        let agreed = &self.place.agreed;
        if let Some(bound) = agreed.shared() {
            let _: Value = self.config.within(connection.ask(&self.keep(bound))).await?;
        }
        let (primary, stored) = self.config.within(connection.ask_primary(&[self.stored()])).await?;
        let stored: Option<String> = stored;
        stored.as_deref().map_or(Ok(()), |stored| agreed.renew(stored))?;
        Ok(Listening { connection, ear, place: Arc::clone(&self.place), primary })
    }

    async fn bound(&self, wanted: Duration) -> Result<Duration, Failure> {
        let agreed = &self.place.agreed;
        let _: Value = self.ask(&[self.keep(agreed.offer(wanted))]).await?;
        let stored: Option<String> = self.ask(&[self.stored()]).await?;
        let stored =
            stored.ok_or_else(|| Failure::new("the shared bound is not kept; help: allow the server to store it"))?;
        agreed.note(wanted, &stored)
    }

    /// The server runs one command at a time: when it answers, the message stands in the connections of all who listen, before
    /// the answer to any request that comes later. The key is asked for too: a server that does not hold its slot any more
    /// refuses the whole transaction, also where it would let the message alone pass.
    async fn announce(&self, message: &str) -> Result<(), Failure> {
        let publish = self.of_mode("PUBLISH", "SPUBLISH").arg(&self.channel).arg(message).take();
        let _: i64 = self.ask(&[self.stored(), publish]).await?;
        Ok(())
    }

    /// Classic channels of a cluster reach the other servers later than the answer, so there the channel of the shard is used.
    fn of_mode(&self, one: &str, cluster: &str) -> Cmd {
        cmd(if self.config.servers.are_a_cluster() { cluster } else { one })
    }

    /// Stores the bound unless one is stored.
    fn keep(&self, bound: Duration) -> Cmd {
        cmd("SET").arg(&self.place.key).arg(text(bound)).arg("NX").take()
    }

    fn stored(&self) -> Cmd {
        cmd("GET").arg(&self.place.key).take()
    }

    /// Asks the primary over the shared connection. If that fails, asks once more over a new one: a connection that was not in
    /// use may have been closed, and the primary may be another server now. Each command may run twice. Returns the answer to the last one.
    async fn ask<T: FromRedisValue>(&self, commands: &[Cmd]) -> Result<T, Failure> {
        let open = self.publisher().clone();
        if let Some(open) = open
            && let Ok(answer) = self.ask_over(open, commands).await
        {
            return Ok(answer);
        }
        let new = self.connect(None).await?;
        *self.publisher() = Some(new.clone());
        self.ask_over(new, commands).await
    }

    async fn ask_over<T: FromRedisValue>(&self, mut connection: Connection, commands: &[Cmd]) -> Result<T, Failure> {
        let asked = self.config.within(connection.ask_primary(commands)).await;
        if asked.is_err() {
            let mut shared = self.publisher();
            // Another call may have replaced it already.
            if shared.as_ref().is_some_and(|shared| shared.is(&connection)) {
                *shared = None;
            }
        }
        asked.map(|(_, answer)| answer)
    }

    async fn connect(&self, hears: Option<Hears>) -> Result<Connection, Failure> {
        connect(&self.config, self.turn.fetch_add(1, Ordering::Relaxed), hears).await
    }

    fn publisher(&self) -> MutexGuard<'_, Option<Connection>> {
        // Nothing panics under the lock.
        self.publisher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for RedisChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisChanges").field(&self.0.config).finish()
    }
}
