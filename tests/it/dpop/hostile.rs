//! Proofs that somebody has tampered with.

use serde_json::{Value, json};

use super::{Proof, jkt, jwk, prove, request_for, sha256, stack, token, token_of};
use crate::tokens::{
    NOW, ask,
    mint::{Object, attackers, b64, claims, der, fixture, hmac, key},
};

/// A header and claims of a good proof, with whatever signature.
fn with_signature(proof: &Proof, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}.{}", b64(&proof.header), b64(&proof.claims), b64(signature))
}

#[tokio::test]
async fn no_signature_and_the_signature_of_another() {
    let (stack, token) = (stack(), token_of("es256"));
    let good = || Proof::of("es256", &token);
    let unsigned = good().header(|header| header.text("alg", "none"));
    for proof in [
        with_signature(&good(), []),
        with_signature(&good(), [0; 64]),
        with_signature(&good(), [255; 64]),
        with_signature(&good(), [1; 63]),
        with_signature(&unsigned, []),
        format!("{}.{}.", b64(&unsigned.header), b64(&unsigned.claims)),
        format!("{}.{}", b64(&good().header), b64(&good().claims)),
        attackers()[1].seal(good().header, good().claims),
        key("es384").seal(good().header, good().claims),
        good().sealed() + "A",
        good().sealed() + "=",
        good().sealed() + ".",
        good().sealed().replace('.', ".."),
        "..".to_owned(),
        "a.b.c".to_owned(),
        token.clone(),
    ] {
        prove(&stack, &token, &proof).await.assert_bad_proof("");
    }
    // In DER, as X.509 has it, and doubled.
    let signed = good();
    let message = format!("{}.{}", b64(&signed.header), b64(&signed.claims));
    let fixed = key("es256").sign(message.as_bytes());
    prove(&stack, &token, &format!("{message}.{}", b64([&fixed[..], &fixed].concat()))).await.assert_bad_proof("");
    prove(&stack, &token, &format!("{message}.{}", b64(&fixed))).await.assert_accepted();
}

/// The public key as the secret of an HMAC.
#[tokio::test]
async fn the_key_is_never_a_secret() {
    let (stack, token) = (stack(), token_of("es256"));
    let secret = der(fixture!("p256.pub.pem"));
    for alg in ["HS256", "HS384", "HS512"] {
        for own in [jwk(key("es256")), json!({"kty": "oct", "k": b64(&secret)}), json!({"kty": "oct"})] {
            let proof = Proof::of("es256", &token).header(|header| header.text("alg", alg).raw("jwk", &own));
            let message = format!("{}.{}", b64(&proof.header), b64(&proof.claims));
            for secret in [&secret[..], own.to_string().as_bytes(), &[]] {
                let sealed = format!("{message}.{}", b64(hmac(alg, secret, message.as_bytes())));
                prove(&stack, &token, &sealed).await.assert_bad_proof("alg");
            }
        }
    }
    // A token that is bound to a secret, which everybody knows.
    let oct = json!({"kty": "oct", "k": b64(&secret)});
    let thumb = sha256(format!(r#"{{"k":"{}","kty":"oct"}}"#, b64(&secret)));
    let bound = super::token(&json!({ "jkt": thumb }));
    let proof = Proof::of("es256", &bound).header(|header| header.raw("jwk", &oct));
    prove(&stack, &bound, &proof.sealed()).await.assert_bad_proof("private member");
}

#[tokio::test]
async fn a_key_is_whole_and_for_its_algorithm() {
    let stack = stack();
    let changed = |client: &str, change: &dyn Fn(&mut Value)| {
        let mut own = jwk(key(client));
        change(&mut own);
        own
    };
    let set = |name: &'static str, value: Value| move |own: &mut Value| own[name] = value.clone();
    let remove = |name: &'static str| move |own: &mut Value| drop(own.as_object_mut().unwrap().remove(name));
    for (client, own) in [
        ("es256", json!(null)),
        ("es256", json!("key")),
        ("es256", json!([])),
        ("es256", json!({})),
        ("es256", json!([jwk(key("es256"))])),
        ("es256", changed("es256", &set("kty", json!("RSA")))),
        ("es256", changed("es256", &set("kty", json!("OKP")))),
        ("es256", changed("es256", &set("kty", json!("ec")))),
        ("es256", changed("es256", &set("crv", json!("P-384")))),
        ("es256", changed("es256", &set("crv", json!("secp256k1")))),
        ("es256", changed("es256", &set("x", json!("")))),
        ("es256", changed("es256", &set("x", json!("AA")))),
        ("es256", changed("es256", &set("x", json!(b64([0; 32]))))),
        ("es256", changed("es256", &set("y", json!(b64([255; 32]))))),
        ("es256", changed("es256", &set("x", json!(1)))),
        ("es256", changed("es256", &set("x", json!("\"},\"y\":\"")))),
        ("es256", changed("es256", &remove("x"))),
        ("es256", changed("es256", &remove("y"))),
        ("es256", changed("es256", &remove("kty"))),
        ("es256", changed("es256", &remove("crv"))),
        ("es256", changed("es256", &set("alg", json!("ES384")))),
        ("es256", changed("es256", &set("use", json!("enc")))),
        ("es256", changed("es256", &set("key_ops", json!(["encrypt"])))),
        ("ed25519", changed("ed25519", &set("crv", json!("X25519")))),
        ("ed25519", changed("ed25519", &set("crv", json!("Ed448")))),
        ("ed25519", changed("ed25519", &set("x", json!(b64([0; 32]))))),
        ("rs256", changed("rs256", &set("n", json!("AQAB")))),
        ("rs256", changed("rs256", &set("n", json!(b64([255; 128]))))),
        ("rs256", changed("rs256", &set("e", json!("")))),
        ("rs256", changed("rs256", &set("e", json!("AA")))),
        ("rs256", changed("rs256", &set("alg", json!("PS256")))),
        ("rs256", jwk(key("es256"))),
        ("es256", jwk(key("es384"))),
    ] {
        // The token is bound to the key that the proof names, whatever that is.
        let named = |name: &str| own.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let canonical = match client {
            "rs256" => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, named("e"), named("n")),
            "ed25519" => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, named("x")),
            _ => format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, named("x"), named("y")),
        };
        let token = token(&json!({ "jkt": sha256(canonical) }));
        let proof = Proof::of(client, &token).header(|header| header.raw("jwk", &own)).sealed();
        let told = prove(&stack, &token, &proof).await;
        assert_eq!(told.status, 401, "{own}");
        // Zeros are a point of Ed25519, of which the signature is none.
        told.assert_bad_proof(if own["x"] == b64([0; 32]) && client == "ed25519" { "signature" } else { "jwk" });
    }
}

/// What else stands in a header has no effect, or is refused.
#[tokio::test]
async fn no_other_key_is_used() {
    let (stack, token) = (stack(), token_of("es256"));
    let certificate = json!(["MIIB"]);
    for (name, value) in [
        ("x5c", certificate.clone()),
        ("x5u", json!("https://evil.test/")),
        ("jku", json!("https://evil.test/")),
        ("kid", json!("es256")),
        ("kid", json!({"a": 1})),
        ("cty", json!("JWT")),
    ] {
        let proof = || Proof::of("es256", &token).header(|header| header.raw(name, &value));
        prove(&stack, &token, &proof().sealed()).await.assert_accepted();
        prove(&stack, &token, &proof().header(|header| header.without("jwk")).sealed())
            .await
            .assert_bad_proof("no jwk");
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("enc", json!("x")),
        ("zip", json!("DEF")),
    ] {
        let proof = Proof::of("es256", &token).header(|header| header.raw(name, &value)).sealed();
        prove(&stack, &token, &proof).await.assert_bad_proof("crit");
    }
    let attacker = attackers()[1].jwk();
    let twice = |header: Object| header.last("jwk", jwk(key("es256")));
    let first = |header: Object| header.raw("jwk", &attacker);
    for proof in [
        Proof::of("es256", &token).header(|header| twice(first(header))),
        Proof::of("es256", &token).header(|header| first(header).first("jwk", jwk(key("es256")))),
        Proof::of("es256", &token).header(|header| header.last("\\u0061lg", "\"none\"")),
        Proof::of("es256", &token).header(|header| header.last("typ", "\"dpop+jwt\"")),
        Proof::of("es256", &token).claim(|claims| claims.last("htm", "\"GET\"")),
        Proof::of("es256", &token).claim(|claims| claims.last("jti", "\"other\"")),
        Proof::of("es256", &token).claim(|claims| claims.last("\\u0061th", "\"other\"")),
    ] {
        prove(&stack, &token, &proof.sealed()).await.assert_bad_proof("cannot be read");
        prove(&stack, &token, &attackers()[1].seal(&proof.header, &proof.claims))
            .await
            .assert_bad_proof("cannot be read");
    }
}

#[tokio::test]
async fn claims_have_their_types_and_times() {
    let (stack, token) = (stack(), token_of("es256"));
    let good = || Proof::of("es256", &token);
    for (name, value) in [
        ("iat", json!("1800000000")),
        ("iat", json!(-1)),
        ("iat", json!(-1.5)),
        ("iat", json!(0)),
        ("iat", json!(9_007_199_254_740_993_u64)),
        ("iat", json!(1e300)),
        ("iat", json!(u64::MAX)),
        ("iat", json!(null)),
        ("iat", json!(true)),
        ("iat", json!([NOW])),
        ("iat", json!(NOW * 1000)),
        ("iat", json!(1_799_999_929.9)),
        ("iat", json!(1_800_000_010.1)),
        ("jti", json!(1)),
        ("jti", json!(null)),
        ("jti", json!(["a"])),
        ("htm", json!(["GET"])),
        ("htm", json!(null)),
        ("htu", json!(["https://api.test/things"])),
        ("htu", json!({})),
        ("ath", json!(1)),
        ("ath", json!(null)),
        ("exp", json!(NOW - 10)),
        ("exp", json!("never")),
        ("nbf", json!(NOW + 11)),
    ] {
        let told = prove(&stack, &token, &good().claim(|claims| claims.raw(name, &value)).sealed()).await;
        assert_eq!(told.status, 401, "{name} {value}");
        told.assert_bad_proof("");
    }
    for (name, value) in [
        ("iat", json!(1_799_999_999.5)),
        ("exp", json!(NOW + 1)),
        ("nbf", json!(NOW)),
        ("nonce", json!("that nobody asked for")),
        ("iss", json!({"any": "thing"})),
        ("aud", json!(7)),
    ] {
        prove(&stack, &token, &good().claim(|claims| claims.raw(name, &value)).sealed()).await.assert_accepted();
    }
    for claims in ["", "null", "[]", "{}", "{\"jti\":", "\u{feff}{}", "{}{}"] {
        let proof = key("es256").seal(good().header, claims);
        prove(&stack, &token, &proof).await.assert_bad_proof("");
    }
    let deep = good().claim(|claims| claims.raw("x", "[".repeat(200) + &"]".repeat(200))).sealed();
    prove(&stack, &token, &deep).await.assert_bad_proof("cannot be read");
}

#[tokio::test]
async fn an_address_is_no_other_address() {
    let (stack, token) = (stack(), token_of("es256"));
    for (path, htu, accepted) in [
        ("/things", "https://api.test/Things", false),
        ("/things", "https://api.test/things/", false),
        ("/things", "https://api.test//things", false),
        ("/things", "https://api.test/things/.", false),
        ("/things", "https://api.test/things%2F", false),
        ("/things", "https://api.test/things%00", false),
        ("/things", "https://api.test/things;a", false),
        ("/things", "https://api.test/things?", false),
        ("/things", "https://api.test/things#", false),
        ("/things", "https://api.test/things%3Fa", false),
        ("/things", "https://u@api.test/things", false),
        ("/things", "https://api.test@evil.test/things", false),
        ("/things", "https://api.test.evil.test/things", false),
        ("/things", "https://api.test./things", false),
        ("/things", "https://api.test:8443/things", false),
        ("/things", "https://api.test:80/things", false),
        ("/things", "http://api.test:443/things", false),
        ("/things", "https://evil.test/https://api.test/things", false),
        ("/things", "https://api.test\\things", false),
        ("/things", " https://api.test/things", false),
        ("/things", "https://api.test/things\n", false),
        ("/things", "https://ap\u{131}.test/things", false),
        ("/things", "https:///api.test/things", false),
        ("/things", "//api.test/things", false),
        ("/things", "https://api.test", false),
        ("/", "https://api.test", true),
        ("/", "https://api.test/", true),
        ("/?a", "https://api.test/", true),
        ("/a%2fb", "https://api.test/a%2Fb", true),
        ("/a%2fb", "https://api.test/a/b", false),
        ("/a%41", "https://api.test/aA", true),
        ("/a%zz", "https://api.test/a%zz", false),
        ("/a/../things", "https://api.test/things", false),
        ("/a/%2e%2e/things", "https://api.test/things", false),
        ("/a/./things", "https://api.test/a/things", false),
        ("/things", "https://api.test/./a/..//../things", true),
    ] {
        let proof = Proof::of("es256", &token).claim(|claims| claims.text("htu", htu)).sealed();
        let told = ask(&stack, request_for("GET", path, "DPoP", &token, &[&proof])).await;
        assert_eq!(told.status == 200, accepted, "{path} {htu}: {told:?}");
        if !accepted {
            told.assert_bad_proof("");
        }
    }
}

/// A proof is no token, and a token is no proof.
#[tokio::test]
async fn neither_stands_for_the_other() {
    let (stack, token) = (stack(), token_of("es256"));
    // A proof that has all claims of a token, and is signed by a key of the issuer.
    let both = Proof::of("es256", &token).claim(|proof| {
        let issuers: Value = serde_json::from_slice(claims(NOW).as_ref()).unwrap();
        issuers.as_object().unwrap().iter().fold(proof, |proof, (name, value)| proof.raw(name, value))
    });
    let proof = both.header(|header| header.text("kid", "es256")).sealed();
    for scheme in ["Bearer", "DPoP"] {
        let told = ask(&stack, super::request(scheme, &proof, &[&Proof::of("es256", &proof).sealed()])).await;
        assert_eq!(told.short(), (401, "TOKEN_INVALID"), "{told:?}");
    }
    // A token whose header carries the key to which it is bound.
    let header = key("es256").header().raw("jwk", jwk(key("es256")));
    let own = key("es256").seal(header, claims(NOW).raw("cnf", json!({ "jkt": jkt(key("es256")) })));
    prove(&stack, &own, &own).await.assert_bad_proof("typ");
    prove(&stack, &own, &Proof::of("es256", &own).sealed()).await.assert_accepted();
}
