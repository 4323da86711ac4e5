//! Keys as people have them: in environment variables, in certificates, as bytes.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use tower_auth::{
    TokenVerifier,
    token::{Algorithm, TokenError, VerifyingKey},
};

use crate::tokens::{
    NOW, judged,
    mint::{
        AUDIENCE, ED25519, ISSUER, P256, P384, P521, RSA, RSA_PKCS1, SECP256K1, b64, claims, der, fixture, hmac, key,
    },
};

const KEYS: [(Algorithm, &str, &str); 7] = [
    (Algorithm::Rs256, "rs256", RSA),
    (Algorithm::Rs256, "rs256", RSA_PKCS1),
    (Algorithm::Es256, "es256", P256),
    (Algorithm::Es384, "es384", P384),
    (Algorithm::Es512, "es512", P521),
    (Algorithm::Es256k, "es256k", SECP256K1),
    (Algorithm::Ed25519, "ed25519", ED25519),
];

/// The key of this text verifies what it signed.
async fn assert_good(algorithm: Algorithm, kid: &str, pem: &str, name: &str) {
    let made = VerifyingKey::from_pem(algorithm, pem).unwrap_or_else(|error| panic!("{name}: {error}"));
    let tokens = TokenVerifier::keys(ISSUER, [made]).audience(AUDIENCE);
    assert!(judged(tokens, &key(kid).token(NOW)).await.is_ok(), "{name}");
}

#[tokio::test]
async fn p81_line_breaks_of_a_pem_are_read_however_they_are_written() {
    for (algorithm, kid, pem) in KEYS {
        let lines: Vec<&str> = pem.lines().collect();
        let one_line = pem.trim_end().replace('\n', " ");
        for (name, text) in [
            ("as it is", pem.to_owned()),
            ("escaped", pem.replace('\n', "\\n")),
            ("escaped, without the last", pem.trim_end().replace('\n', "\\n")),
            ("escaped with CR", pem.replace('\n', "\\r\\n")),
            ("escaped twice", pem.replace('\n', "\\\\n")),
            ("escaped, and breaks", pem.replace('\n', "\\n\n")),
            ("in quotes", format!("\"{}\"", pem.replace('\n', "\\n"))),
            ("in single quotes", format!("'{pem}'")),
            ("CRLF", pem.replace('\n', "\r\n")),
            ("CR", pem.replace('\n', "\r")),
            ("in one line", one_line),
            ("without any white space in it", lines.concat()),
            ("indented", lines.join("\n    ")),
            ("behind a BOM", format!("\u{feff}{pem}")),
            ("with text around it", format!("the key of 2026:\n{pem}\nthat was all")),
            ("in front of another", format!("{pem}{}", if pem == P384 { P256 } else { P384 })),
        ] {
            assert_good(algorithm, kid, &text, name).await;
        }
    }
}

const CERTIFICATES: [(Algorithm, &str, &str); 6] = [
    (Algorithm::Rs256, "rs256", fixture!("rsa.crt.pem")),
    (Algorithm::Es256, "es256", fixture!("p256.crt.pem")),
    (Algorithm::Es384, "es384", fixture!("p384.crt.pem")),
    (Algorithm::Es512, "es512", fixture!("p521.crt.pem")),
    (Algorithm::Es256k, "es256k", fixture!("secp256k1.crt.pem")),
    (Algorithm::Ed25519, "ed25519", fixture!("ed25519.crt.pem")),
];

#[tokio::test]
async fn p81_a_certificate_gives_its_key() {
    for (algorithm, kid, pem) in CERTIFICATES {
        let others = CERTIFICATES.map(|(_, other, pem)| if other == kid { "" } else { pem }).concat();
        // A chain begins with the certificate that is meant.
        let chain = format!("{pem}{}", others.repeat(4));
        assert!(chain.len() > 8 * 1024);
        for (name, text) in [
            ("as it is", pem.to_owned()),
            ("escaped", pem.replace('\n', "\\n")),
            ("by its old label", pem.replace("CERTIFICATE", "X509 CERTIFICATE")),
            ("a chain", chain),
        ] {
            assert_good(algorithm, kid, &text, name).await;
        }
        let bytes = der(pem);
        for end in [0, 1, 4, 30, bytes.len() / 2, bytes.len() - 1] {
            let text = STANDARD.encode(&bytes[..end]);
            let cut = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----");
            assert!(VerifyingKey::from_pem(algorithm, &cut).is_err(), "{end}");
        }
        let other = if kid == "ed25519" { Algorithm::Rs256 } else { Algorithm::Ed25519 };
        assert!(VerifyingKey::from_pem(other, pem).is_err());
    }
}

#[test]
fn p81_what_is_no_public_key_says_what_to_do() {
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    let trusted = "-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n-----END TRUSTED CERTIFICATE-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nMAA=\n-----END OPENSSH PRIVATE KEY-----\n";
    let jwk = key("rs256").jwk().to_string();
    for (pem, what, help) in [
        (fixture!("rsa.pem"), "private key", "openssl pkey"),
        (fixture!("p256.pem"), "private key", "openssl pkey"),
        (&fixture!("ed25519.pem").replace('\n', "\\n"), "private key", "-pubout"),
        (encrypted, "private key", "-pubout"),
        (openssh, "private key", "-pubout"),
        (broken, "certificate cannot be read", "openssl x509"),
        (trusted, "label", "openssl x509"),
        (request, "certificate request", "openssl req"),
        (&jwk, "JSON", "from_jwk"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI me@here", "OpenSSH", "ssh-keygen"),
        ("/etc/keys/issuer.pem", "name of a file", "read"),
        ("", "BEGIN PUBLIC KEY", "BEGIN PUBLIC KEY"),
        ("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A", "BEGIN PUBLIC KEY", "BEGIN PUBLIC KEY"),
        (&RSA[..200], "END line", "END PUBLIC KEY"),
        (&RSA.replace("MII", "!!!"), "base64", "text of the file"),
        (&RSA.replace('\n', "\\x"), "base64", "text of the file"),
    ] {
        let error = VerifyingKey::from_pem(Algorithm::Rs256, pem).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(help), "{error}");
        assert!(!error.contains("MII") && !error.contains("AAAAC3"), "nothing of it is shown: {error}");
    }
    let error = VerifyingKey::from_pem(Algorithm::Es256, RSA).unwrap_err().to_string();
    assert!(error.contains("ES256") && error.contains("an RSA key"), "{error}");
    let error = VerifyingKey::from_pem(Algorithm::Hs256, RSA).unwrap_err().to_string();
    assert!(error.contains("VerifyingKey::hmac"), "{error}");
}

#[tokio::test]
async fn p81_a_secret_may_be_any_bytes() {
    let secret: Vec<u8> = (0..64).map(|n: u8| n.wrapping_mul(37) ^ 0xa5).collect();
    assert!(str::from_utf8(&secret).is_err());
    for (algorithm, kid) in [(Algorithm::Hs256, "hs256"), (Algorithm::Hs384, "hs384"), (Algorithm::Hs512, "hs512")] {
        let made = VerifyingKey::hmac_bytes(algorithm, &secret).unwrap();
        assert!(!format!("{made:?}").contains("165"), "{made:?}");
        let signed = format!("{}.{}", b64(key(kid).header()), b64(claims(NOW)));
        let tokens = || TokenVerifier::keys(ISSUER, [made.clone()]).audience(AUDIENCE);
        let token = |secret: &[u8]| format!("{signed}.{}", b64(hmac(algorithm.name(), secret, signed.as_bytes())));
        assert!(judged(tokens(), &token(&secret)).await.is_ok());
        assert!(matches!(judged(tokens(), &token(&secret[1..])).await, Err(TokenError::BadSignature)));
    }
    let short = VerifyingKey::hmac_bytes(Algorithm::Hs256, &secret[..31]).unwrap_err().to_string();
    assert!(short.contains("at least 32 bytes") && short.contains("31"), "{short}");
    assert!(VerifyingKey::hmac_bytes(Algorithm::Rs256, &secret).is_err());
}
