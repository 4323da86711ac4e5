//! A public key is no secret: HMACs under everything that an attacker can make of one.

use super::{Invalid, Table};
use crate::tokens::mint::{ED25519, Object, P256, P384, P521, RSA, RSA_PKCS1, SECP256K1, b64, der, hmac, jwks, key};

pub(super) fn add(table: &mut Table) {
    for (kid, forms) in [
        ("rs256", forms("rs256", &[RSA, RSA_PKCS1], &[("the modulus", der(RSA_PKCS1)[9..265].to_vec())])),
        ("es256", forms("es256", &[P256], &points(P256, 65))),
        ("es384", forms("es384", &[P384], &points(P384, 97))),
        ("es512", forms("es512", &[P521], &points(P521, 133))),
        ("es256k", forms("es256k", &[SECP256K1], &points(SECP256K1, 65))),
        ("ed25519", forms("ed25519", &[ED25519], &[("the key's bytes", tail(ED25519, 32))])),
    ] {
        for (form, secret) in forms {
            for alg in ["HS256", "HS384", "HS512"] {
                for (what, named) in [("its kid", Some(kid)), ("no kid", None), ("the kid of the secret", Some(alg))] {
                    let named = named.map(str::to_ascii_lowercase);
                    let header = Object::default().text("alg", alg).text("typ", "at+jwt");
                    let header = if let Some(kid) = &named { header.text("kid", kid) } else { header };
                    let signed = format!("{}.{}", b64(&header), b64(table.claims()));
                    let signature = b64(hmac(alg, &secret, signed.as_bytes()));
                    let name = format!("{alg} under {form} of {kid}, {what}");
                    table.add("confusion", name, format!("{signed}.{signature}"), Invalid);
                }
            }
        }
    }
}

/// The key as text and as bytes, in every form in which somebody may have it.
fn forms(kid: &str, pems: &[&str], bytes: &[(&str, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    for pem in pems {
        let tag = pem.lines().next().unwrap().trim_matches('-').to_owned();
        all.push((format!("the PEM ({tag})"), pem.as_bytes().to_vec()));
        all.push((format!("the PEM without its last line break ({tag})"), pem.trim_end().as_bytes().to_vec()));
        all.push((format!("the PEM behind white space ({tag})"), format!(" \n{pem}").into_bytes()));
        all.push((format!("the PEM with CRLF ({tag})"), pem.replace('\n', "\r\n").into_bytes()));
        all.push((format!("the PEM in one line ({tag})"), pem.replace('\n', "").into_bytes()));
        all.push((format!("the DER ({tag})"), der(pem)));
    }
    all.extend(bytes.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())));
    let jwk = key(kid).jwk();
    all.push(("the JWK".to_owned(), jwk.to_string().into_bytes()));
    all.push(("the JWK in many lines".to_owned(), serde_json::to_vec_pretty(&jwk).unwrap()));
    all.push(("the key set".to_owned(), jwks(&[kid]).into_bytes()));
    all.push(("no byte at all, instead".to_owned(), Vec::new()));
    all.push(("a NUL, instead".to_owned(), vec![0]));
    all.push(("the kid, instead".to_owned(), kid.as_bytes().to_vec()));
    all
}

fn tail(pem: &str, bytes: usize) -> Vec<u8> {
    let der = der(pem);
    der[der.len() - bytes..].to_vec()
}

fn points(pem: &str, length: usize) -> Vec<(&'static str, Vec<u8>)> {
    let point = tail(pem, length);
    assert_eq!(point[0], 4, "the point is not compressed");
    let half = length / 2;
    let sign = 2 + (point[length - 1] & 1);
    vec![
        ("the point", point.clone()),
        ("both coordinates", point[1..].to_vec()),
        ("the first coordinate", point[1..=half].to_vec()),
        ("the compressed point", [&[sign], &point[1..=half]].concat()),
    ]
}
