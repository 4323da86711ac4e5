//! Limits in PostgreSQL, which several processes share.

mod counts;
mod faults;
mod load;

use std::time::Duration;

use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};
use tower_auth::{
    PostgresKeyStore, PostgresLimiter, Quota,
    limit::{
        BucketKey, LimitDecision, Limiter, Limits, Reservation, WindowStates,
        shared::{NamedLimiter, SharedPolicy},
    },
};

use crate::{
    decided::{PATIENT, admitted, alice, ask, limits, refused, remaining},
    support::postgres::{self, Database},
};

/// A database with tables in it, and a store over them.
struct Tables {
    database: Database,
    store: PostgresKeyStore,
}

impl Tables {
    async fn new() -> Option<Self> {
        Some(Self::over(postgres::database().await?).await)
    }

    async fn over(database: Database) -> Self {
        let store = PostgresKeyStore::from_pool(database.pool(4));
        store.migrate().await.unwrap();
        Self { database, store }
    }

    /// A limiter of one of several processes, with a pool of its own.
    fn limiter(&self, policy: SharedPolicy) -> PostgresLimiter {
        PostgresLimiter::with(&PostgresKeyStore::from_pool(self.database.pool(4)), policy.deadline(PATIENT))
    }

    /// Runs statements as the superuser.
    fn execute(&self, statements: &str) {
        postgres::execute(&self.database.superuser(), statements).unwrap();
    }

    /// The answer to a query for one number.
    async fn number(&self, query: &str) -> i64 {
        self.database.pool(1).get().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    async fn rows(&self) -> i64 {
        self.number("SELECT count(*) FROM tower_auth.limit_buckets").await
    }

    /// Transactions that are open, except the one that asks.
    async fn open_transactions(&self) -> i64 {
        self.number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' \
             AND pid <> pg_backend_pid()",
        )
        .await
    }
}

/// A pool of this role, with one setting of its sessions.
fn pool(url: &str, size: usize, options: &str) -> Pool {
    let mut config: Config = url.parse().unwrap();
    config.options(options);
    Pool::builder(Manager::new(config, NoTls)).max_size(size).build().unwrap()
}

fn give_back(limiter: &NamedLimiter, limits: &Limits, cost: u32, levels: &WindowStates) {
    limiter.refund(alice(), &Reservation::new(cost, limits, levels, Duration::ZERO), Duration::ZERO.into());
}
