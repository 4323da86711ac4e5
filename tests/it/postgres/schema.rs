//! Migrations, and every statement on a real server.

use futures_util::future::join_all;
use tokio_postgres::Client;
use tower_auth::PostgresKeyStore;

use super::{Tables, change, create, find, key};
use crate::support::postgres;

async fn prepare_all(client: &Client, store: &PostgresKeyStore) -> usize {
    let statements = store.statements();
    for statement in &statements {
        client.prepare(statement).await.unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    statements.len()
}

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let Some(tables) = Tables::new().await else { return };
    let client = tables.pool.get().await.unwrap();
    assert_eq!(prepare_all(&client, &tables.store).await, 105);
}

#[tokio::test]
async fn migrations_run_once() {
    let Some(database) = postgres::database().await else { return };
    let tables = Tables::over(database);
    let missing = tables.store.check_schema().await.unwrap_err().to_string();
    assert!(missing.contains("has no tables of keys") && missing.contains("migrate"), "{missing}");
    for _ in 0..2 {
        tables.store.migrate().await.unwrap();
        tables.store.check_schema().await.unwrap();
        assert_eq!(tables.count("schema_version").await, 3);
    }
}

#[tokio::test]
async fn starters_at_the_same_time_wait_for_each_other() {
    let Some(database) = postgres::database().await else { return };
    let tables = Tables::over(database);
    let stores: Vec<_> = (0..6).map(|_| PostgresKeyStore::from_pool(tables.database.pool(1))).collect();
    for migrated in join_all(stores.iter().map(PostgresKeyStore::migrate)).await {
        migrated.unwrap();
    }
    assert_eq!(tables.count("schema_version").await, 3);
    tables.store.check_schema().await.unwrap();
}

#[tokio::test]
async fn the_scripts_for_other_tools_lead_to_the_same_schema_from_every_version() {
    let Some(database) = postgres::database().await else { return };
    let tables = Tables::over(database);
    let scripts = tables.store.migrations();
    for known in 0..=scripts.len() {
        postgres::execute(&tables.database.url(), "DROP SCHEMA IF EXISTS tower_auth CASCADE").unwrap();
        for script in &scripts[..known] {
            // The scripts run without the crate. Several statements in one call are one transaction.
            postgres::execute(&tables.database.url(), script).unwrap();
        }
        if known < scripts.len() {
            let old = tables.store.check_schema().await.unwrap_err().to_string();
            assert!(old.contains("version") && old.contains("migrate"), "{old}");
        }
        tables.store.migrate().await.unwrap();
        tables.store.check_schema().await.unwrap();
        let client = tables.pool.get().await.unwrap();
        prepare_all(&client, &tables.store).await;
    }
}

#[tokio::test]
async fn a_newer_schema_is_used_if_it_says_so() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    tables.execute("INSERT INTO tower_auth.schema_version (version, compatible_with) VALUES (1000, 1)");
    tables.store.check_schema().await.unwrap();
    tables.store.migrate().await.unwrap();
    assert!(find(&tables.store, 1).await.is_some());
    tables.execute("UPDATE tower_auth.schema_version SET compatible_with = 999 WHERE version = 1000");
    for refused in [tables.store.check_schema().await, tables.store.migrate().await] {
        let refused = refused.unwrap_err().to_string();
        let parts = ["are of version 1000", "knows version 999", "update tower-auth"];
        assert!(parts.iter().all(|part| refused.contains(part)), "{refused}");
    }
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let Some(database) = postgres::database().await else { return };
    let tables = Tables::over(database);
    // A view of the name of the last object of the script.
    tables.execute("CREATE SCHEMA tower_auth");
    let owner = tables.database.url();
    let denied = tables.store.migrate().await.unwrap_err().to_string();
    assert!(denied.contains("permission denied for schema tower_auth") && denied.contains("grant"), "{denied}");
    tables.execute("GRANT ALL ON SCHEMA tower_auth TO PUBLIC");
    postgres::execute(&owner, "CREATE VIEW tower_auth.verify AS SELECT 1 AS one").unwrap();
    let failed = tables.store.migrate().await.unwrap_err().to_string();
    assert!(failed.contains("to version 1") && failed.contains("\"verify\" already exists"), "{failed}");
    postgres::execute(&owner, "DROP VIEW tower_auth.verify").unwrap();
    // Nothing of the failed attempt is in the way, and the lock is free.
    tables.store.migrate().await.unwrap();
}

#[tokio::test]
async fn any_name_of_a_schema_is_quoted() {
    let Some(database) = postgres::database().await else { return };
    let tables = Tables::over(database);
    for name in ["auth", "Auth", "a b", "a\"; DROP TABLE x; --", "o'clock", "{schema}", "schlüssel", "$1", "select"] {
        let store = tables.store.clone().schema(name).unwrap();
        store.migrate().await.unwrap_or_else(|error| panic!("{name}: {error}"));
        store.check_schema().await.unwrap();
        assert!(find(&store, 1).await.is_none(), "the schemas are apart");
        change(&store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
        assert_eq!(find(&store, 1).await.unwrap().id(), "key_1");
    }
    for (wrong, why) in [("", "empty"), ("pg_auth", "reserved"), ("a\0", "U+0000"), (&*"a".repeat(64), "63 bytes")] {
        let error = tables.store.clone().schema(wrong).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_older_program_keeps_the_columns_that_it_does_not_know() {
    let Some(tables) = Tables::new().await else { return };
    change(&tables.store, vec![create(key("key_1", "acme"), 1)]).await.unwrap();
    tables.execute(
        "ALTER TABLE tower_auth.keys ADD COLUMN region text DEFAULT 'eu'; UPDATE tower_auth.keys SET region = 'ch'",
    );
    let update = tower_auth::registry::Change::Update(super::entry(key("key_1", "acme").named("web"), 1));
    change(&tables.store, vec![update, create(key("key_2", "acme"), 2)]).await.unwrap();
    assert_eq!(tables.count("keys WHERE name = 'web' AND region = 'ch'").await, 1);
    assert_eq!(tables.count("keys WHERE id = 'key_2' AND region = 'eu'").await, 1);
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_name_is_refused() {
    let Some(server) = postgres::database().await else { return };
    let name = format!("{}_latin", server.role("owner").name);
    let create = format!("CREATE DATABASE {name} ENCODING LATIN1 TEMPLATE template0 LOCALE 'C'");
    postgres::execute(&server.superuser(), &create).unwrap();
    let mut config: tokio_postgres::Config = server.superuser().parse().unwrap();
    config.dbname(&name);
    let pool = deadpool_postgres::Pool::builder(deadpool_postgres::Manager::new(config, tokio_postgres::NoTls));
    let refused = PostgresKeyStore::from_pool(pool.build().unwrap()).migrate().await.unwrap_err().to_string();
    assert!(refused.contains("LATIN1") && refused.contains("UTF8"), "{refused}");
}
