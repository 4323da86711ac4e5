//! What claims say, apart from times: issuer, audience, subject, scopes, and what nobody asks for.

use serde_json::json;

use super::{Accepted, Invalid, Table};
use crate::tokens::mint::{AUDIENCE, ISSUER};

pub(super) fn add(table: &mut Table) {
    issuers(table);
    audiences(table);
    subjects(table);
    scopes(table);
    bindings(table);
    others(table);
    repeated(table);
}

fn issuers(table: &mut Table) {
    let claims = table.claims();
    table.claim("iss", "missing", claims.clone().without("iss"), Invalid);
    for (name, issuer) in [
        ("another", "https://other.test/"),
        ("the server itself", "freddy"),
        ("empty", ""),
        ("without its last slash", "https://issuer.test"),
        ("two slashes behind", "https://issuer.test//"),
        ("a path behind", "https://issuer.test/realms/a"),
        ("a prefix", "https://issuer"),
        ("a suffix", "issuer.test/"),
        ("another in front", "https://evil.test/https://issuer.test/"),
        ("a sub-domain of another", "https://issuer.test.evil.test/"),
        ("user information", "https://issuer.test@evil.test/"),
        ("in capitals", "HTTPS://ISSUER.TEST/"),
        ("one capital", "https://Issuer.test/"),
        ("http", "http://issuer.test/"),
        ("a port", "https://issuer.test:443/"),
        ("a query", "https://issuer.test/?a"),
        ("a fragment", "https://issuer.test/#"),
        ("a space behind", "https://issuer.test/ "),
        ("a space before", " https://issuer.test/"),
        ("a NUL behind", "https://issuer.test/\0"),
        ("a NUL and another", "https://issuer.test/\0.evil.test"),
        ("a line break behind", "https://issuer.test/\n"),
        ("percent-encoded", "https%3A%2F%2Fissuer.test%2F"),
        ("a letter that looks the same", "https://\u{456}ssuer.test/"),
        ("the audience", AUDIENCE),
    ] {
        table.claim("iss", name, claims.clone().text("iss", issuer), Invalid);
    }
    for value in ["null", "0", "true", "{}", "[]"] {
        table.claim("iss", format!("the value {value}"), claims.clone().raw("iss", value), Invalid);
    }
    table.claim("iss", "in an array", claims.clone().raw("iss", json!([ISSUER])), Invalid);
    table.claim("iss", "in an array with another", claims.clone().raw("iss", json!([ISSUER, "other"])), Invalid);
    table.claim("iss", "in an object", claims.clone().raw("iss", json!({ "iss": ISSUER })), Invalid);
    table.claim("iss", "in another object", claims.clone().without("iss").raw("x", json!({ "iss": ISSUER })), Invalid);
    table.claim("iss", "as ISS", claims.clone().without("iss").text("ISS", ISSUER), Invalid);
    table.claim("iss", "as issuer", claims.clone().without("iss").text("issuer", ISSUER), Invalid);
    table.claim(
        "good",
        "iss with escapes",
        claims.clone().raw("iss", r#""https:\/\/issuer\u002etest\u002f""#),
        Accepted,
    );
    table.claim("good", "the name iss with escapes", claims.without("iss").first("\\u0069ss", json!(ISSUER)), Accepted);
}

fn audiences(table: &mut Table) {
    let claims = table.claims();
    table.claim("aud", "missing", claims.clone().without("aud"), Invalid);
    for (name, value) in [
        ("another", json!("other")),
        ("empty", json!("")),
        ("a prefix", json!("fredd")),
        ("a suffix", json!("reddy")),
        ("one character more", json!("freddyy")),
        ("in capitals", json!("FREDDY")),
        ("one capital", json!("Freddy")),
        ("a space behind", json!("freddy ")),
        ("a NUL behind", json!("freddy\0")),
        ("two in one text", json!("freddy other")),
        ("two with a comma", json!("freddy,other")),
        ("a pattern", json!("*")),
        ("the issuer", json!(ISSUER)),
        ("a letter that looks the same", json!("fr\u{435}ddy")),
        ("null", json!(null)),
        ("a number", json!(0)),
        ("true", json!(true)),
        ("an object", json!({ "freddy": true })),
        ("an object with its own name", json!({ "aud": "freddy" })),
        ("an empty array", json!([])),
        ("an array without it", json!(["other", "another"])),
        ("an array of an empty text", json!([""])),
        ("an array with null", json!(["freddy", null])),
        ("an array with a number before", json!([1, "freddy"])),
        ("an array with a number behind", json!(["freddy", 1])),
        ("an array with an object", json!(["freddy", {}])),
        ("an array in an array", json!([["freddy"]])),
        ("an array with another in capitals", json!(["FREDDY", "other"])),
    ] {
        table.claim("aud", name, claims.clone().raw("aud", value), Invalid);
    }
    for (name, value) in [
        ("an array of it", json!(["freddy"])),
        ("the first of an array", json!(["freddy", "other"])),
        ("the last of an array", json!(["other", "another", "freddy"])),
        ("twice in an array", json!(["freddy", "freddy"])),
        ("beside an empty text", json!(["", "freddy"])),
    ] {
        table.claim("aud", name, claims.clone().raw("aud", value), Accepted);
    }
    let many: Vec<String> = (0..100).map(|n| format!("service_{n}")).collect();
    table.claim("aud", "100 others", claims.clone().raw("aud", json!(many)), Invalid);
    table.claim("good", "aud with escapes", claims.raw("aud", r#""fr\u0065ddy""#), Accepted);
}

fn subjects(table: &mut Table) {
    let claims = table.claims();
    table.claim("sub", "missing", claims.clone().without("sub"), Invalid);
    for value in ["\"\"", "null", "0", "12345", "1.5", "true", "[]", "[\"user_1\"]", "{}", "{\"id\":\"user_1\"}"] {
        table.claim("sub", format!("the value {value}"), claims.clone().raw("sub", value), Invalid);
    }
    table.claim("sub", "as SUB", claims.clone().without("sub").text("SUB", "user_1"), Invalid);
    for value in
        ["ü", "日本語", "🔑", "a b", "auth0|123", "user@example.com", "0", "../../etc/passwd", "' OR 1=1", "\u{202e}x"]
    {
        table.claim("good", format!("sub {value:?}"), claims.clone().text("sub", value), Accepted);
    }
    table.claim("good", "sub with escapes", claims.clone().raw("sub", r#""a\"\\\u0000\ud83d\udd11\n""#), Accepted);
    table.claim("good", "sub of 2,000 characters", claims.text("sub", &"s".repeat(2000)), Accepted);
}

fn scopes(table: &mut Table) {
    let claims = table.claims();
    for value in [
        "\"\"",
        "\"read\"",
        "\"read write\"",
        "\"  read   write  \"",
        "[]",
        "[\"read\",\"write\"]",
        "[\"read write\"]",
        "null",
        "[\"\"]",
    ] {
        table.claim("scope", format!("the value {value}"), claims.clone().raw("scope", value), Accepted);
    }
    table.claim("scope", "missing", claims.clone().without("scope"), Accepted);
    for value in [
        "0",
        "true",
        "{}",
        "{\"read\":true}",
        "[1]",
        "[null]",
        "[[\"read\"]]",
        "[\"read\",1]",
        "[{\"scope\":\"read\"}]",
    ] {
        table.claim("scope", format!("the value {value}"), claims.clone().raw("scope", value), Invalid);
    }
    for name in ["roles", "organizations"] {
        for value in ["\"one\"", "[\"one\",\"two\"]", "[]", "null"] {
            table.claim("scope", format!("{name} {value}"), claims.clone().raw(name, value), Accepted);
        }
        for value in ["1", "{}", "[1]", "true", "[\"one\",null]"] {
            table.claim("scope", format!("{name} {value}"), claims.clone().raw(name, value), Invalid);
        }
    }
    for name in ["account", "plan", "jti", "client_id"] {
        for value in ["\"one\"", "null", "\"\""] {
            table.claim("scope", format!("{name} {value}"), claims.clone().raw(name, value), Accepted);
        }
        // Nobody asks for a token's own ids here.
        let asked = ["account", "plan"].contains(&name);
        for value in ["1", "{}", "[\"one\"]", "true"] {
            let verdict = if asked { Invalid } else { Accepted };
            table.claim("scope", format!("{name} {value}"), claims.clone().raw(name, value), verdict);
        }
    }
}

/// A token that is bound to a key, and comes alone.
fn bindings(table: &mut Table) {
    for value in [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jkt": "a", "x5t#S256": "b"}),
        json!({"jwk": {"kty": "oct", "k": "c2VjcmV0"}}),
        json!({"jkt": "a", "kid": "b"}),
        json!({"kid": "a"}),
        json!({"jku": "https://evil.test/keys"}),
        json!({"jkt": ""}),
        json!({"jkt": null}),
        json!({"jkt": ["a"]}),
        json!({}),
        json!([]),
        json!([{"jkt": "a"}]),
        json!("a"),
        json!(1),
        json!(false),
        json!(null),
    ] {
        table.claim("cnf", value.to_string(), table.claims().raw("cnf", &value), Invalid);
    }
    table.claim("cnf", "escaped", table.claims().raw("\\u0063nf", "{\"jkt\":\"a\"}"), Invalid);
    table.claim("cnf", "twice", table.claims().raw("cnf", "{\"jkt\":\"a\"}").last("cnf", "{\"jkt\":\"a\"}"), Invalid);
    table.claim("cnf", "a member twice", table.claims().raw("cnf", "{\"jkt\":\"a\",\"jkt\":\"b\"}"), Invalid);
    table.claim("good", "CNF is another claim", table.claims().raw("CNF", "{\"jkt\":\"a\"}"), Accepted);
}

/// Claims that nobody asks for are none of the verifier's business.
fn others(table: &mut Table) {
    for (name, value) in [
        ("email_verified", "true"),
        ("amr", "[\"pwd\",\"otp\"]"),
        ("act", "{\"sub\":\"admin\"}"),
        ("auth_time", "\"yesterday\""),
        ("permissions", "{\"read\":[1,2,3]}"),
        ("alg", "\"none\""),
        ("kid", "\"other\""),
        ("typ", "\"refresh\""),
        ("EXP", "0"),
        ("Exp", "\"never\""),
        ("exp ", "0"),
        ("nbf_", "99999999999"),
        ("sub.id", "7"),
        ("__proto__", "{\"admin\":true}"),
        ("日本", "\"語\""),
    ] {
        table.claim("good", format!("a claim {name:?} {value}"), table.claims().raw(name, value), Accepted);
    }
}

fn repeated(table: &mut Table) {
    let claims = table.claims();
    let (past, future) = (table.now - 3600, table.now + 3600);
    for (name, one, other) in [
        ("iss", json!(ISSUER), json!("https://other.test/")),
        ("iss", json!("https://other.test/"), json!(ISSUER)),
        ("aud", json!("other"), json!(AUDIENCE)),
        ("aud", json!(AUDIENCE), json!(["other"])),
        ("exp", json!(past), json!(future)),
        ("exp", json!(future), json!(past)),
        ("exp", json!(future), json!(future)),
        ("nbf", json!(past), json!(future)),
        ("sub", json!("user_1"), json!("admin")),
        ("sub", json!("user_1"), json!("user_1")),
        ("scope", json!("read"), json!("admin")),
        ("roles", json!("admin"), json!([])),
        ("jti", json!("a"), json!("b")),
    ] {
        let twice = |second: &str| claims.clone().without(name).first(name, &one).last(second, &other);
        table.claim("duplicate", format!("{name}: {one} and {other}"), twice(name), Invalid);
        let first = name.as_bytes()[0];
        let escaped = format!("\\u{:04x}{}", first, &name[1..]);
        table.claim("duplicate", format!("{name}, escaped: {one} and {other}"), twice(&escaped), Invalid);
    }
}
