//! What a token may call its algorithm, and which key then verifies it.

use super::{Accepted, Invalid, Table, rs256};
use crate::tokens::mint::{KIDS, Object, attackers, b64, hmac, key, secret};

pub(super) fn add(table: &mut Table) {
    good(table);
    none(table);
    names(table);
    types(table);
    families(table);
}

fn good(table: &mut Table) {
    for kid in KIDS {
        let key = key(kid);
        table.add("good", kid, key.token(table.now), Accepted);
        let nameless = key.seal(key.header().without("kid"), table.claims());
        table.add("good", format!("{kid} without kid"), nameless, Accepted);
    }
    let ed25519 = key("ed25519");
    for name in ["EdDSA", "Ed25519"] {
        let token = ed25519.seal(ed25519.header().text("alg", name), table.claims());
        table.add("good", format!("alg {name}"), token, Accepted);
    }
    table.header("good", "an escape in alg", rs256().header().raw("alg", r#""R\u0053256""#), Accepted);
    table.header(
        "good",
        "an escape in the name alg",
        rs256().header().without("alg").first("\\u0061lg", "\"RS256\""),
        Accepted,
    );
    table.header(
        "good",
        "members in another order",
        rs256().header().without("alg").last("alg", "\"RS256\""),
        Accepted,
    );
}

/// No spelling of "not signed" is an algorithm, whatever stands where the signature would.
fn none(table: &mut Table) {
    let spellings = [
        ("none", "\"none\""),
        ("None", "\"None\""),
        ("NONE", "\"NONE\""),
        ("nOnE", "\"nOnE\""),
        ("noNe", "\"noNe\""),
        ("none and a space", "\"none \""),
        ("a space and none", "\" none\""),
        ("none and a NUL", "\"none\\u0000\""),
        ("none with escapes", "\"n\\u006fne\""),
        ("none in Cyrillic letters", "\"n\u{43e}ne\""),
        ("null", "\"null\""),
        ("empty", "\"\""),
        ("unsecured", "\"unsecured\""),
    ];
    for (name, alg) in spellings {
        for named in [true, false] {
            let header = rs256().header().raw("alg", alg);
            let header = if named { header } else { header.without("kid") };
            let signed = format!("{}.{}", b64(&header), b64(table.claims()));
            let kid = if named { "a kid" } else { "no kid" };
            let under_secret = b64(hmac("HS256", b"", signed.as_bytes()));
            let signatures = [
                ("no signature", String::new()),
                ("nonsense", "c2lnbmF0dXJl".to_owned()),
                ("a good signature", b64(rs256().sign(signed.as_bytes()))),
                ("an HMAC of no secret", under_secret),
            ];
            for (what, signature) in signatures {
                table.add("none", format!("{name}, {kid}, {what}"), format!("{signed}.{signature}"), Invalid);
            }
            table.add("none", format!("{name}, {kid}, two parts"), signed, Invalid);
        }
    }
}

fn names(table: &mut Table) {
    for kid in KIDS {
        let key = key(kid);
        let lower = key.alg.to_ascii_lowercase();
        let mixed: String =
            key.alg.chars().enumerate().map(|(at, c)| if at == 0 { c } else { c.to_ascii_lowercase() }).collect();
        for name in [lower, mixed] {
            let token = key.seal(key.header().text("alg", &name), table.claims());
            table.add("alg", format!("{name} for {}", key.alg), token, Invalid);
        }
    }
    for name in [
        "ES256K",
        "ES512",
        "RS1",
        "HS1",
        "Ed448",
        "ED25519",
        "eddsa",
        "ML-DSA-65",
        "RSA-OAEP",
        "RSA1_5",
        "dir",
        "A128KW",
        "PBES2-HS256+A128KW",
        "ECDH-ES",
        "A256GCM",
        "RS256 ",
        " RS256",
        "RS256,HS256",
        "RS257",
        "RS",
        "RSASSA",
        "256",
        "*",
        "SHA256withRSA",
        "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    ] {
        for key in [rs256(), key("hs256"), key("ed25519")] {
            let token = key.seal(key.header().text("alg", name), table.claims());
            table.add("alg", format!("{name:?} by the key {}", key.kid), token, Invalid);
        }
    }
    table.header("alg", "a NUL behind RS256", rs256().header().raw("alg", "\"RS256\\u0000\""), Invalid);
    table.header("alg", "a line break behind RS256", rs256().header().raw("alg", "\"RS256\\n\""), Invalid);
}

fn types(table: &mut Table) {
    table.header("alg", "missing", rs256().header().without("alg"), Invalid);
    for value in
        ["null", "256", "0", "-1", "true", "false", "[]", "[\"RS256\"]", "{}", "{\"alg\":\"RS256\"}", "[[\"RS256\"]]"]
    {
        table.header("alg", format!("the value {value}"), rs256().header().raw("alg", value), Invalid);
    }
    table.header("alg", "in capitals as a name", rs256().header().without("alg").text("ALG", "RS256"), Invalid);
    table.header("alg", "in another object", rs256().header().without("alg").raw("x", r#"{"alg":"RS256"}"#), Invalid);
    for (name, one, other) in [
        ("none and RS256", "none", "RS256"),
        ("RS256 and none", "RS256", "none"),
        ("RS256 and RS256", "RS256", "RS256"),
        ("HS256 and RS256", "HS256", "RS256"),
    ] {
        let (one, other) = (format!("\"{one}\""), format!("\"{other}\""));
        let twice = |second: &str| rs256().header().without("alg").first("alg", &one).last(second, &other);
        table.header("duplicate", format!("alg: {name}"), twice("alg"), Invalid);
        table.header("duplicate", format!("alg, escaped: {name}"), twice("\\u0061lg"), Invalid);
        table.header("duplicate", format!("alg, escaped whole: {name}"), twice("\\u0061\\u006C\\u0067"), Invalid);
    }
}

/// A key that a token names takes its own algorithm and no other, though another key would verify the token.
fn families(table: &mut Table) {
    for named in KIDS {
        for signer in KIDS.into_iter().filter(|signer| *signer != named) {
            let signer = key(signer);
            let header = signer.header().text("kid", named);
            let token = signer.seal(header, table.claims());
            table.add("family", format!("{} under the kid {named}", signer.alg), token, Invalid);
        }
    }
    // The header's own algorithm, and a signature by another.
    for claimed in KIDS {
        for signer in KIDS.into_iter().filter(|signer| *signer != claimed) {
            let token = key(signer).seal(key(claimed).header(), table.claims());
            table.add("family", format!("the header of {claimed} and a signature of {signer}"), token, Invalid);
        }
    }
    for attacker in attackers() {
        for (what, header) in [
            ("its own kid", attacker.header()),
            ("no kid", attacker.header().without("kid")),
            ("a good kid", attacker.header().text("kid", &attacker.alg.to_ascii_lowercase())),
        ] {
            let token = attacker.seal(header, table.claims());
            table.add("family", format!("{} with {what}", attacker.kid), token, Invalid);
        }
    }
    // The secret of one HMAC is long enough for all three, and for one of them alone.
    for (kid, alg) in
        [("hs256", "HS384"), ("hs256", "HS512"), ("hs384", "HS256"), ("hs512", "HS256"), ("hs512", "HS384")]
    {
        let secret = secret(kid);
        for named in [Some(kid), None] {
            let header = Object::default().text("alg", alg).text("typ", "at+jwt");
            let header = if let Some(kid) = named { header.text("kid", kid) } else { header };
            let signed = format!("{}.{}", b64(&header), b64(table.claims()));
            let signature = b64(hmac(alg, secret.as_bytes(), signed.as_bytes()));
            let name = format!("{alg} by the secret of {kid}, kid {named:?}");
            table.add("family", name, format!("{signed}.{signature}"), Invalid);
        }
    }
}
