//! Connections that break while a session is changed.

use super::*;
use crate::support::proxy::Proxy;

/// The statement is lost, or its answer. A rotation that was carried out must not look like a token that was used twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_whose_connection_breaks_is_never_refused() {
    let databases = Databases::default();
    let Some(direct) = databases.fresh().await else { return };
    let url = databases.0.lock().unwrap()[0].url();
    let port = url.parse::<tokio_postgres::Config>().unwrap().get_ports()[0];
    let proxy = Proxy::to(([127, 0, 0, 1], port).into());
    let place = url.replace(&format!(":{port}"), &format!(":{}", proxy.address().port()));
    let manager = deadpool_postgres::Manager::new(place.parse().unwrap(), tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let store = PostgresKeyStore::from_pool(pool);
    direct.create(&session("one", 0)).await.unwrap();
    let mut failed = 0;
    for generation in 1..=200 {
        let rotating = tokio::spawn({
            let (store, next) = (store.clone(), session("one", generation));
            async move { store.rotate(&next).await }
        });
        tokio::time::sleep(Duration::from_micros(40 * (generation.unsigned_abs() % 50))).await;
        proxy.cut();
        if let Ok(rotated) = rotating.await.unwrap() {
            assert!(rotated, "generation {generation}");
        } else {
            failed += 1;
            // It can be repeated.
            direct.rotate(&session("one", generation)).await.unwrap();
        }
        assert_eq!(direct.find("one").await.unwrap(), Some(session("one", generation)));
    }
    assert!(failed < 200, "some are carried out");
}
