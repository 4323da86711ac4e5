//! Keys and signatures of ECDSA: rule 065.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tower_auth::{
    TokenVerifier,
    token::{Algorithm, VerifyingKey},
};

use super::{
    NOW, hostile, judged,
    mint::{AUDIENCE, ISSUER, P256, P384, P521, RSA, SECP256K1, b64, der, key, unb64},
};

/// The JWK of a key without these members.
fn jwk_without(kid: &str, members: &[&str]) -> Value {
    let mut jwk = key(kid).jwk();
    jwk.as_object_mut().unwrap().retain(|name, _| !members.contains(&name.as_str()));
    jwk
}

#[tokio::test]
async fn r065_ecdsa_signatures_are_two_numbers_in_range_on_a_point_of_the_curve() {
    hostile::group(&["ecdsa", "rsa"], 40).await;
    let text = |jwk: &Value, name: &str| jwk[name].as_str().unwrap().to_owned();
    for (kid, other) in [("es256", "es256k"), ("es384", "es256"), ("es512", "es384"), ("es256k", "es256")] {
        let good = key(kid).jwk();
        assert!(VerifyingKey::from_jwk(&good.to_string()).is_ok());
        let xy = [unb64(&text(&good, "x")), unb64(&text(&good, "y"))].concat();
        for (what, x, y) in [
            ("the coordinates the other way round", text(&good, "y"), text(&good, "x")),
            ("one twice", text(&good, "x"), text(&good, "x")),
            ("zero", "A".repeat(text(&good, "x").len()), "A".repeat(text(&good, "x").len())),
            ("short", text(&good, "x")[..8].to_owned(), text(&good, "y")),
            ("none", String::new(), String::new()),
            ("one of another curve", text(&key(other).jwk(), "x"), text(&good, "y")),
            ("those of another curve", text(&key(other).jwk(), "x"), text(&key(other).jwk(), "y")),
            ("with a zero before", b64([&[0][..], &unb64(&text(&good, "x"))].concat()), text(&good, "y")),
            ("split elsewhere", b64(&xy[..xy.len() / 2 - 1]), b64(&xy[xy.len() / 2 - 1..])),
            ("with padding", format!("{}=", text(&good, "x")), text(&good, "y")),
        ] {
            let mut jwk = good.clone();
            (jwk["x"], jwk["y"]) = (x.into(), y.into());
            assert!(VerifyingKey::from_jwk(&jwk.to_string()).is_err(), "{kid}: {what}");
        }
    }
    let pems = [
        (Algorithm::Es256, P256),
        (Algorithm::Es384, P384),
        (Algorithm::Es512, P521),
        (Algorithm::Es256k, SECP256K1),
        (Algorithm::Rs256, RSA),
    ];
    for (algorithm, _) in &pems[..4] {
        for (other, pem) in pems.iter().filter(|(other, _)| other != algorithm) {
            let held = match other {
                Algorithm::Rs256 => "but an RSA key".to_owned(),
                curve => format!("but an EC key for {curve}"),
            };
            let said = VerifyingKey::from_pem(*algorithm, pem).unwrap_err().to_string();
            assert!(said.contains(&format!("the PEM holds no key for {algorithm}, {held}; ")), "{said}");
        }
    }
    // A point of P-256 that is called one of secp256k1, and the other way round: both have the same length.
    for (algorithm, pem, oid, other) in
        [(Algorithm::Es256k, P256, P256_OID, SECP256K1_OID), (Algorithm::Es256, SECP256K1, SECP256K1_OID, P256_OID)]
    {
        assert!(VerifyingKey::from_pem(algorithm, &renamed(pem, oid, other)).is_err(), "{algorithm}");
    }
}

const P256_OID: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const SECP256K1_OID: &[u8] = &[6, 5, 0x2b, 0x81, 4, 0, 0x0a];

/// The PEM of an EC key with the name of another curve.
fn renamed(pem: &str, from: &[u8], to: &[u8]) -> String {
    let der = der(pem);
    let at = der.windows(from.len()).position(|window| window == from).unwrap();
    // The identifier of the algorithm, which comes before, has nine bytes with its tag and length.
    let algorithm = [&der[at - 9..at], to].concat();
    let point = &der[at + from.len()..];
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let inside = [&[0x30, length(&algorithm)], &*algorithm, point].concat();
    let whole = [&[0x30, length(&inside)], &*inside].concat();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(whole))
}

#[tokio::test]
async fn r065_keys_on_every_curve_verify_from_each_form_of_a_key() {
    let good = async |made: VerifyingKey, kid: &str| {
        let algorithm = made.algorithm();
        let tokens = TokenVerifier::keys(ISSUER, [made]).audience(AUDIENCE);
        let judged = judged(tokens, &key(kid).token(NOW)).await;
        assert!(judged.is_ok(), "{algorithm}: {judged:?}");
    };
    for (algorithm, kid, pem) in [
        (Algorithm::Es256, "es256", P256),
        (Algorithm::Es384, "es384", P384),
        (Algorithm::Es512, "es512", P521),
        (Algorithm::Es256k, "es256k", SECP256K1),
    ] {
        good(VerifyingKey::from_pem(algorithm, pem).unwrap(), kid).await;
        let read = |jwk: Value| VerifyingKey::from_jwk(&jwk.to_string());
        for without in [&[][..], &["alg"], &["alg", "use", "kid"]] {
            let made = read(jwk_without(kid, without)).unwrap();
            assert_eq!(made.algorithm(), algorithm);
            good(made, kid).await;
        }
        for (member, value, why) in [
            ("alg", json!("ES257"), "not for tokens"),
            ("alg", json!(if kid == "es256" { "ES256K" } else { "ES256" }), "does not match"),
            ("crv", json!("brainpoolP256r1"), "not supported"),
            ("crv", json!("secp256K1"), "not supported"),
            ("use", json!("enc"), "not for signatures"),
            ("key_ops", json!(["deriveKey"]), "not for verifying"),
            ("key_ops", json!("verify"), "not a JWK"),
            ("x", json!(7), "coordinates"),
        ] {
            let mut jwk = key(kid).jwk();
            jwk[member] = value;
            let said = read(jwk).unwrap_err().to_string();
            assert!(said.contains(why), "{kid} {member}: {said}");
        }
        assert!(read(jwk_without(kid, &["y"])).unwrap_err().to_string().contains("coordinates"));
        assert!(read(jwk_without(kid, &["crv"])).is_err());
    }
}
