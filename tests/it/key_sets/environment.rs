//! What the environment of a process says: no proxy is asked, and the roots are the operating system's.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jsonwebtoken::{Algorithm, crypto};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde_json::Value;
use tower_auth::{Clock, TokenVerifier, jwks::JwksClient};

use super::{
    AUDIENCE, Fate, ISSUER, OLD, Signer, noon,
    server::{Issuer, JWKS},
    verdict,
};
use crate::support::server::{example, exchange};

/// Freddy with these variables in its environment, and without all others that could matter.
struct Freddy {
    child: Child,
    address: SocketAddr,
}

const VARIABLES: [&str; 8] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

impl Freddy {
    fn start(jwks: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(example("freddy"));
        for name in VARIABLES.iter().chain(&["SSL_CERT_FILE", "SSL_CERT_DIR"]) {
            command.env_remove(name);
        }
        command.args(["--listen", "127.0.0.1:0", "--jwks", jwks, "--issuer", ISSUER, "--audience", AUDIENCE]);
        command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let address = ready["listening"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
        Self { child, address }
    }

    /// The status that a token of the issuer gets.
    fn status(&self) -> u16 {
        let lines = ["GET /v1/models HTTP/1.1", "host: localhost", "connection: close"].join("\r\n");
        let request = format!("{lines}\r\nauthorization: Bearer {}\r\n\r\n", OLD.token());
        exchange(self.address, request.as_bytes()).status
    }
}

impl Drop for Freddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn r049_no_proxy_of_the_environment_is_asked() {
    let (issuer, proxy) = (Issuer::of(&[&OLD]), Issuer::start());
    let url = proxy.url("");
    let server = Freddy::start(&issuer.url(JWKS), &VARIABLES.map(|name| (name, &*url))[..6]);
    assert_eq!((server.status(), issuer.requests(), proxy.connections()), (200, 1, 0));
}

/// An element of DER, under 256 bytes long: its tag, its length, its parts.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let inside = parts.concat();
    let length = match u8::try_from(inside.len()).unwrap() {
        short @ ..128 => vec![short],
        long => vec![0x81, long],
    };
    [&[tag][..], &length, &inside].concat()
}

const SEQUENCE: u8 = 0x30;

/// A certificate (RFC 5280, section 4.1) that an Ed25519 key signs for itself and this address, good from 2020 to 2100.
fn certificate(signer: &Signer, address: [u8; 4]) -> Vec<u8> {
    let algorithm = der(SEQUENCE, &[&der(0x06, &[b"\x2b\x65\x70"])]);
    let common_name = der(SEQUENCE, &[&der(0x06, &[b"\x55\x04\x03"]), &der(0x0c, &[b"test"])]);
    let name = der(SEQUENCE, &[&der(0x31, &[&common_name])]);
    let validity = der(SEQUENCE, &[&der(0x17, &[b"200101000000Z"]), &der(0x18, &[b"21000101000000Z"])]);
    let public = URL_SAFE_NO_PAD.decode(signer.jwk()["x"].as_str().unwrap()).unwrap();
    let key = der(SEQUENCE, &[&algorithm, &der(0x03, &[&[0], &public])]);
    let names = der(0x04, &[&der(SEQUENCE, &[&der(0x87, &[&address])])]);
    let extensions = der(SEQUENCE, &[&der(SEQUENCE, &[&der(0x06, &[b"\x55\x1d\x11"]), &names])]);
    let (version, serial) = (der(0xa0, &[&der(0x02, &[&[2]])]), der(0x02, &[&[1]]));
    let parts = [&*version, &serial, &algorithm, &name, &validity, &name, &key, &der(0xa3, &[&extensions])];
    let body = der(SEQUENCE, &parts);
    let signature = crypto::sign(&body, &signer.key(), Algorithm::EdDSA).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    der(SEQUENCE, &[&body, &algorithm, &der(0x03, &[&[0], &signature])])
}

const TLS: Signer = Signer { id: "tls", seed: 4 };
const HERE: [u8; 4] = [127, 0, 0, 1];

/// An issuer behind TLS, with this certificate.
fn issuer(certificate: &[u8]) -> Issuer {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(TLS.pkcs8()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![CertificateDer::from(certificate.to_vec())], key)
        .unwrap();
    let server = Issuer::over(Some(Arc::new(config)));
    server.serve(JWKS, super::server::Act::publish(&[&OLD]));
    server
}

/// A file with this certificate, as the operating system keeps its roots.
fn roots(name: &str, certificate: &[u8]) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate));
    fs::write(&path, pem).unwrap();
    path
}

#[test]
fn r049_keys_are_fetched_over_tls_from_whom_the_operating_system_trusts() {
    let good = certificate(&TLS, HERE);
    let issuer = issuer(&good);
    let trusting = Freddy::start(&issuer.url(JWKS), &[("SSL_CERT_FILE", roots("good.pem", &good).to_str().unwrap())]);
    assert_eq!((trusting.status(), issuer.requests()), (200, 1));
}

#[test]
fn r049_a_certificate_for_another_address_is_refused() {
    let wrong = certificate(&TLS, [127, 0, 0, 2]);
    let issuer = issuer(&wrong);
    let trusting = Freddy::start(&issuer.url(JWKS), &[("SSL_CERT_FILE", roots("wrong.pem", &wrong).to_str().unwrap())]);
    assert_eq!((trusting.status(), issuer.requests()), (503, 0));
    assert!(issuer.connections() > 0);
}

#[tokio::test]
async fn r049_a_certificate_that_nobody_vouches_for_is_refused() {
    let issuer = issuer(&certificate(&TLS, HERE));
    for client in [
        JwksClient::new(issuer.url(JWKS)),
        // Plain HTTP is another thing than TLS to anybody.
        JwksClient::new(issuer.url(JWKS)).insecure_http(),
    ] {
        let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
        let outcome = verdict(tokens.verify(&OLD.token(), &Clock::from(&noon()))).await;
        assert_eq!(Fate::from(&outcome), Fate::Unavailable, "{outcome:?}");
    }
    assert_eq!((issuer.connections(), issuer.requests()), (2, 0));
}

#[tokio::test]
async fn a_certificate_that_is_refused_is_told() {
    let issuer = issuer(&certificate(&TLS, HERE));
    let client = JwksClient::new(issuer.url(JWKS));
    let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
    let why = super::reason(tokens.verify(&OLD.token(), &Clock::from(&noon()))).await;
    assert!(why.contains("certificate"), "the cause is what an operator needs: {why}");
}

fn pem(certificate: &[u8]) -> String {
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(certificate))
}

/// The fate of a token whose keys this client fetches.
async fn fate(client: JwksClient) -> Fate {
    let tokens = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap();
    Fate::from(&verdict(tokens.verify(&OLD.token(), &Clock::from(&noon()))).await)
}

#[tokio::test]
async fn r049_root_certificates_of_the_caller_are_the_only_ones() {
    let good = certificate(&TLS, HERE);
    let other = certificate(&OLD, HERE);
    let here = issuer(&good);
    let client = || JwksClient::new(here.url(JWKS));
    assert_eq!(fate(client().root_certificate_pem(pem(&good))).await, Fate::Good);
    assert_eq!(fate(client().root_certificate_pem(pem(&other))).await, Fate::Unavailable);
    let chain = format!("a comment\n{}{}", pem(&other), pem(&good));
    assert_eq!(fate(client().root_certificate_pem(chain)).await, Fate::Good);
    assert_eq!(fate(client().root_certificate_pem(pem(&good)).root_certificate_pem(pem(&other))).await, Fate::Good);
    let far = issuer(&certificate(&TLS, [127, 0, 0, 2]));
    let elsewhere = JwksClient::new(far.url(JWKS)).root_certificate_pem(pem(&certificate(&TLS, [127, 0, 0, 2])));
    assert_eq!((fate(elsewhere).await, far.requests()), (Fate::Unavailable, 0), "the name is still checked");
}

#[test]
fn root_certificates_that_cannot_be_used_are_refused_when_built() {
    let good = pem(&certificate(&TLS, HERE));
    for (bad, said) in [
        ("", "no certificate"),
        ("/etc/ca.pem", "no certificate"),
        ("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n", "no certificate"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "root certificates cannot be used"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "root certificates cannot be used"),
        (&good[..good.len() - 30], "root certificates cannot be used"),
    ] {
        for client in [
            JwksClient::new("https://id.example.com/keys").root_certificate_pem(bad),
            JwksClient::new("https://id.example.com/keys").root_certificate_pem(&good).root_certificate_pem(bad),
        ] {
            let error = TokenVerifier::source(ISSUER, client).audience(AUDIENCE).build().unwrap_err().to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }
}
