//! What else stands in a header: ids, keys that a token brings along, extensions, types.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Accepted, Invalid, Table, rs256};
use crate::tokens::mint::{Object, attackers, b64, der, fixture, hmac, key};

pub(super) fn add(table: &mut Table) {
    kids(table);
    hostile_kids(table);
    keys_within(table);
    extensions(table);
    types(table);
    contents(table);
}

fn kids(table: &mut Table) {
    let header = || rs256().header();
    table.header("kid", "with an escape", header().raw("kid", r#""\u0072s256""#), Accepted);
    for (name, value) in [
        ("unknown", "nobody"),
        ("empty", ""),
        ("in capitals", "RS256"),
        ("a space behind it", "rs256 "),
        ("a space before it", " rs256"),
        ("one character short", "rs25"),
        ("one character long", "rs2566"),
        ("that of a key of the same family", "rs384"),
        ("that of a key of another family", "es256"),
        ("that of a secret", "hs256"),
        ("percent-encoded", "%72s256"),
        ("unicode", "ключ"),
        ("an emoji", "🔑"),
        ("full-width letters", "ｒｓ２５６"),
        ("two, separated by a comma", "rs256,es256"),
        ("a pattern", "*"),
    ] {
        table.header("kid", name, header().text("kid", value), Invalid);
    }
    for value in ["null", "0", "256", "true", "[]", "[\"rs256\"]", "{}", "{\"kid\":\"rs256\"}"] {
        table.header("kid", format!("the value {value}"), header().raw("kid", value), Invalid);
    }
    for length in [255, 256, 257, 2000, 5000, 10_000] {
        table.header("kid", format!("{length} characters"), header().text("kid", &"k".repeat(length)), Invalid);
    }
    let twice =
        |one: &str, name: &str, other: &str| header().without("kid").first("kid", json!(one)).last(name, json!(other));
    table.header("duplicate", "kid, the same", twice("rs256", "kid", "rs256"), Invalid);
    table.header("duplicate", "kid, the last good", twice("nobody", "kid", "rs256"), Invalid);
    table.header("duplicate", "kid, the first good", twice("rs256", "kid", "nobody"), Invalid);
    table.header("duplicate", "kid, escaped", twice("rs256", "k\\u0069d", "nobody"), Invalid);
}

/// An id is looked for among the keys, and nowhere else.
fn hostile_kids(table: &mut Table) {
    for (name, value) in [
        ("a path", "../../../../../../dev/null"),
        ("an absolute path", "/dev/null"),
        ("a path with a NUL", "rs256\0.pem"),
        ("a file address", "file:///dev/null"),
        ("a Windows path", "..\\..\\windows\\win.ini"),
        ("SQL", "' UNION SELECT 'secret'; --"),
        ("SQL behind the good one", "rs256' OR '1'='1"),
        ("a NUL behind the good one", "rs256\0"),
        ("a command", "|/bin/true"),
        ("a command in quotes", "$(true)"),
        ("JNDI", "${jndi:ldap://127.0.0.1/a}"),
        ("a header line", "rs256\r\nset-cookie: a=b"),
        ("a line of a log", "rs256\n2027-01-15 INFO request admitted"),
        ("a terminal sequence", "\u{1b}[2Jrs256"),
        ("markup", "<script>alert(1)</script>"),
        ("a format", "%s%n%x"),
    ] {
        table.header("kid", name, rs256().header().text("kid", value), Invalid);
        // What such a file or row would hold, as the secret.
        for secret in ["", "\0", "secret"] {
            let header = key("hs256").header().text("kid", value);
            let signed = format!("{}.{}", b64(&header), b64(table.claims()));
            let signature = b64(hmac("HS256", secret.as_bytes(), signed.as_bytes()));
            let name = format!("{name}, and an HMAC under {secret:?}");
            table.add("kid", name, format!("{signed}.{signature}"), Invalid);
        }
    }
}

/// Keys, and places of keys, that a token brings along select nothing and are not asked for.
fn keys_within(table: &mut Table) {
    let address = format!("http://{}/keys", table.listener.local_addr().unwrap());
    let certificate = STANDARD.encode(der(fixture!("attacker-rsa.crt.pem")));
    for attacker in attackers() {
        let members: [(&str, Value); 9] = [
            ("jwk", attacker.jwk()),
            ("jku", json!(address)),
            ("x5u", json!(address)),
            ("x5c", json!([certificate])),
            ("x5t", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAA")),
            ("x5t#S256", json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
            ("jwks", json!({ "keys": [attacker.jwk()] })),
            ("jwks_uri", json!(address)),
            ("iss", json!(address)),
        ];
        let all = || members.iter().fold(attacker.header(), |header, (name, value)| header.raw(name, value));
        for (what, kid) in [("no kid", None), ("its kid", Some(attacker.kid)), ("a good kid", Some("rs256"))] {
            let with = |header: Object| match kid {
                Some(kid) => header.text("kid", kid),
                None => header.without("kid"),
            };
            for (name, value) in &members {
                let token = attacker.seal(with(attacker.header().raw(name, value)), table.claims());
                table.add("key header", format!("{name} of {}, {what}", attacker.kid), token, Invalid);
            }
            let token = attacker.seal(with(all()), table.claims());
            table.add("key header", format!("everything of {}, {what}", attacker.kid), token, Invalid);
        }
        for (name, value) in &members {
            let header = rs256().header().raw(name, value);
            table.header("key header", format!("{name} of {} in a good token", attacker.kid), header, Accepted);
        }
    }
    for (name, value) in [("jwk", "null"), ("jwk", "\"rs256\""), ("jku", "7"), ("x5c", "[]"), ("x5u", "{}")] {
        let header = rs256().header().raw(name, value);
        table.header("key header", format!("{name} {value} in a good token"), header, Accepted);
    }
    // The secret in the header itself.
    let (jwk, secret) = (json!({ "kty": "oct", "k": b64("attacker"), "alg": "HS256" }), b"attacker");
    let header = key("hs256").header().without("kid").raw("jwk", jwk);
    let signed = format!("{}.{}", b64(&header), b64(table.claims()));
    let signature = b64(hmac("HS256", secret, signed.as_bytes()));
    table.add("key header", "a secret in jwk", format!("{signed}.{signature}"), Invalid);
}

fn extensions(table: &mut Table) {
    for value in [
        "[]",
        "[\"exp\"]",
        "[\"b64\"]",
        "[\"alg\"]",
        "[\"kid\"]",
        "[\"unknown\"]",
        "[\"\"]",
        "[null]",
        "[1]",
        "[\"b64\",\"b64\"]",
        "\"exp\"",
        "\"\"",
        "null",
        "{}",
        "1",
        "true",
    ] {
        let header = rs256().header().raw("crit", value);
        table.header("crit", format!("crit {value}"), header.clone(), Invalid);
        if value == "[\"unknown\"]" || value == "[\"exp\"]" {
            let header = header.raw("unknown", "1").raw("exp", table.now + 60);
            table.header("crit", format!("crit {value} and the member"), header, Invalid);
        }
    }
    for value in ["false", "true", "null", "0", "\"false\""] {
        let header = rs256().header().raw("b64", value);
        table.header("crit", format!("b64 {value}"), header.clone(), Invalid);
        table.header("crit", format!("b64 {value}, critical"), header.raw("crit", "[\"b64\"]"), Invalid);
    }
    // Claims as they are, as RFC 7797 has them: without a dot, so that there are three parts.
    let header = b64(rs256().header().raw("crit", "[\"b64\"]").raw("b64", "false"));
    let bare = table.claims().text("iss", "freddy");
    table.add("crit", "claims that are not encoded", rs256().seal_parts(&header, bare.as_str()), Invalid);
    for (name, value) in [
        ("zip", "\"DEF\""),
        ("zip", "\"GZIP\""),
        ("zip", "null"),
        ("enc", "\"A256GCM\""),
        ("enc", "\"A128CBC-HS256\""),
        ("enc", "null"),
    ] {
        table.header("crit", format!("{name} {value}"), rs256().header().raw(name, value), Invalid);
    }
    let twice = rs256().header().first("crit", "[\"exp\"]").last("crit", "[]");
    table.header("duplicate", "crit", twice, Invalid);
    table.header("crit", "an escape in crit", rs256().header().raw("cr\\u0069t", "[\"exp\"]"), Invalid);
    for (name, value) in [
        ("unknown", "\"x\""),
        ("unknown", "[{\"a\":[1,2.5,null]}]"),
        ("CRIT", "[\"exp\"]"),
        ("p2c", "2147483647"),
        ("epk", "{}"),
        ("nonce", "\"n\""),
        ("", "\"an empty name\""),
        ("\u{1F511}", "\"another name\""),
    ] {
        let header = rs256().header().raw(name, value);
        table.header("good", format!("a header with {name:?} {value}"), header, Accepted);
    }
}

/// With `at+jwt`, `JWT` and none at all accepted.
fn types(table: &mut Table) {
    let header = |typ: &str| rs256().header().text("typ", typ);
    for typ in
        ["at+jwt", "AT+JWT", "At+Jwt", "application/at+jwt", "Application/AT+jwt", "JWT", "jwt", "application/jwt"]
    {
        table.header("typ", typ, header(typ), Accepted);
    }
    table.header("typ", "missing", rs256().header().without("typ"), Accepted);
    for typ in [
        "refresh",
        "refresh+jwt",
        "rt+jwt",
        "id_token",
        "id+jwt",
        "ID",
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "Bearer",
        "kb+jwt",
        "vc+sd-jwt",
        "JOSE",
        "JOSE+JSON",
        "JWE",
        "at jwt",
        "at%2Bjwt",
        "at+jwt ",
        " at+jwt",
        "at+jwt;v=1",
        "at+jwt, JWT",
        "application/application/at+jwt",
        "text/at+jwt",
        "/at+jwt",
        "*",
        "aｔ+jwt",
        " ",
    ] {
        table.header("typ", format!("{typ:?}"), header(typ), Invalid);
    }
    for value in ["null", "0", "true", "[]", "[\"at+jwt\"]", "{}"] {
        table.header("typ", format!("the value {value}"), rs256().header().raw("typ", value), Invalid);
    }
    table.header("typ", "10,000 characters", header(&"t".repeat(10_000)), Invalid);
    table.header("typ", "4,000 characters", header(&"t".repeat(4000)), Invalid);
    let twice =
        |one: &str, other: &str| rs256().header().without("typ").first("typ", json!(one)).last("typ", json!(other));
    table.header("duplicate", "typ, the last good", twice("refresh", "at+jwt"), Invalid);
    table.header("duplicate", "typ, the first good", twice("at+jwt", "refresh"), Invalid);
    table.header("duplicate", "typ, the same", twice("at+jwt", "at+jwt"), Invalid);
}

/// `cty` promises a token within the token: there is none, or it is not read.
fn contents(table: &mut Table) {
    let (header, inner) = (rs256().header().text("cty", "JWT"), rs256().token(table.now));
    table.header("nested", "cty JWT over claims", header.clone(), Accepted);
    table.header("nested", "cty of another kind", rs256().header().text("cty", "json"), Accepted);
    for (name, claims) in [
        ("the compact form", inner.clone()),
        ("the compact form in quotes", format!("\"{inner}\"")),
        ("the compact form in an array", format!("[\"{inner}\"]")),
        ("the compact form in an object", format!("{{\"jwt\":\"{inner}\"}}")),
    ] {
        table.add("nested", format!("{name}, with cty"), rs256().seal(&header, &claims), Invalid);
        table.add("nested", format!("{name}, without cty"), rs256().seal(rs256().header(), &claims), Invalid);
    }
    let mut deep = inner;
    for level in 1..4 {
        deep = rs256().seal(&header, &deep);
        table.add("nested", format!("{level} levels, good signatures on all"), deep.clone(), Invalid);
    }
}
