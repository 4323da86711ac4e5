//! Limits over TLS, with a certificate authority of one's own.

use std::fs;

use super::*;
use crate::support::{folder::Folder, process::free_address, redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limits_are_counted_over_tls() {
    let folder = Folder::new("redis-limits-tls");
    let Some(()) = redis::certificate(folder.path()) else { return };
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_address().port();
    let settings = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &path("certificate.pem")],
        ["--tls-key-file", &path("key.pem")],
        ["--tls-auth-clients", "no"],
    ];
    let Some(server) = redis::private(&settings.concat()) else { return };
    let config = || RedisConfig::url(&format!("rediss://localhost:{port}")).unwrap();
    let pem = fs::read(path("certificate.pem")).unwrap();
    let trusting = config().root_certificates(&pem).unwrap();
    let redis = RedisLimiter::with(trusting, SharedPolicy::exact().deadline(PATIENT));
    redis.check().await.unwrap();
    let (api, limits) = (redis.named("api"), limits(Quota::per_day(10)));
    assert_eq!(remaining(&admitted(ask(&api, alice(), &limits, 4).await)), [6]);
    assert_eq!(keys(&server, "tower_auth").len(), 1);
    // Who does not trust the certificate counts nothing, and lets nobody believe that it does.
    let error = RedisLimiter::new(config()).check().await.unwrap_err().to_string();
    assert!(error.contains("cannot connect with TLS"), "{error}");
}
