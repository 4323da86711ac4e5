//! TLS to Redis, with a certificate authority of one's own.

use std::fs;

use tower_auth::{
    cache::Changes as _,
    redis::{RedisChanges, RedisConfig},
};

use super::{Log, listen, works};
use crate::support::{folder::Folder, process::free_address, redis};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked() {
    let folder = Folder::new("redis-tls");
    let Some(()) = redis::certificate(folder.path()) else { return };
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let port = free_address().port();
    let settings = [
        ["--tls-port", &port.to_string()],
        ["--tls-cert-file", &path("certificate.pem")],
        ["--tls-key-file", &path("key.pem")],
        ["--tls-auth-clients", "no"],
    ];
    let Some(_server) = redis::private(&settings.concat()) else { return };
    let pem = fs::read(path("certificate.pem")).unwrap();
    let config = |host: &str| RedisConfig::url(&format!("rediss://{host}:{port}")).unwrap();
    let trusting = RedisChanges::new(config("localhost").root_certificates(&pem).unwrap());
    works(&trusting, &mut listen(&trusting).await).await;

    for wrong in [config("localhost"), config("127.0.0.1").root_certificates(&pem).unwrap()] {
        let changes = RedisChanges::new(wrong);
        let error = changes.subscribe(Log::default().sink()).await.err().unwrap().to_string();
        assert!(error.contains("cannot connect with TLS"), "{error}");
    }
}

#[test]
fn certificates_that_cannot_be_read_are_refused() {
    let config = || RedisConfig::url("rediss://localhost").unwrap();
    for pem in [&b""[..], b"certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let error = config().root_certificates(pem).unwrap_err().to_string();
        assert!(error.contains("pass one or more certificates as PEM"), "{error}");
    }
}
