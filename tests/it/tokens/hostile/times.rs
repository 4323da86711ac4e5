//! `exp`, `nbf` and `iat`, with a leeway of 60 seconds.

use super::{Accepted, Expired, Invalid, Table, rs256};
use crate::tokens::mint::attackers;

pub(super) fn add(table: &mut Table) {
    boundaries(table);
    both(table);
    dates(table);
    faults_of_expired_tokens(table);
}

fn boundaries(table: &mut Table) {
    let (claims, now, slack) = (table.claims(), table.now, table.slack);
    for (name, exp, verdict) in [
        ("exp in the leeway's last second", (now - 59 + slack).to_string(), Accepted),
        ("exp in the leeway's last half second", format!("{}.5", now - 60 + slack), Accepted),
        ("exp a leeway ago", (now - 60).to_string(), Expired),
        ("exp a leeway and a bit ago", format!("{}.999", now - 61), Expired),
        ("exp a leeway and a second ago", (now - 61).to_string(), Expired),
        ("exp now", (now + slack).to_string(), Accepted),
        ("exp in a second", (now + 1 + slack).to_string(), Accepted),
        ("exp in half a second", format!("{}.5", now + slack), Accepted),
        ("exp in an hour", (now + 3600).to_string(), Accepted),
        ("exp an hour ago", (now - 3600).to_string(), Expired),
        ("exp a year ago", (now - 365 * 86_400).to_string(), Expired),
    ] {
        table.claim("times", name, claims.clone().raw("exp", exp), verdict);
    }
    let beyond = now + 61 + 60 * slack;
    for (name, nbf, verdict) in [
        ("nbf now", now.to_string(), Accepted),
        ("nbf a second ago", (now - 1).to_string(), Accepted),
        ("nbf an hour ago", (now - 3600).to_string(), Accepted),
        ("nbf in a second", (now + 1).to_string(), Accepted),
        ("nbf in a leeway", (now + 60).to_string(), Accepted),
        ("nbf in a leeway and a bit", format!("{}.001", beyond - 1), Invalid),
        ("nbf in a leeway and a second", beyond.to_string(), Invalid),
        ("nbf in two hours, behind exp", (now + 7200).to_string(), Invalid),
        ("nbf in a thousand years", (now + 31_557_600_000).to_string(), Invalid),
    ] {
        table.claim("times", name, claims.clone().raw("nbf", nbf), verdict);
    }
    for (name, iat) in [("now", now), ("an hour ago", now - 3600), ("in an hour", now + 3600), ("1970", 0)] {
        table.claim("times", format!("iat {name}"), claims.clone().raw("iat", iat), Accepted);
    }
    table.claim("times", "no iat", claims.without("iat"), Accepted);
}

/// Over is over, whether it had begun or not.
fn both(table: &mut Table) {
    let (claims, now) = (table.claims(), table.now);
    let window = |nbf: u64, exp: u64| claims.clone().raw("nbf", nbf).raw("exp", exp);
    table.claim("times", "a window around now", window(now - 10, now + 3600), Accepted);
    table.claim("times", "a window in the past", window(now - 7200, now - 3600), Expired);
    table.claim("times", "a window in the future", window(now + 7200, now + 9000), Invalid);
    table.claim("times", "a window that ends before it starts", window(now + 7200, now - 3600), Expired);
}

/// Every claim that is a time, with every value that is none.
fn dates(table: &mut Table) {
    let now = table.now;
    for name in ["exp", "nbf", "iat"] {
        let mut claims = table.claims();
        if name == "nbf" {
            claims = claims.raw("nbf", now - 60);
        }
        let good = |value: &str| claims.clone().raw(name, value);
        let quoted = format!("\"{}\"", now + 3600);
        let date = "\"2099-01-01T00:00:00Z\"".to_owned();
        for value in [
            &*quoted,
            &date,
            "\"\"",
            "\"NaN\"",
            "\"Infinity\"",
            "null",
            "true",
            "false",
            "[]",
            "{}",
            "[4102444800]",
            "{\"exp\":4102444800}",
            "-1",
            "-1.5",
            "-0.5",
            "-1e3",
            "-9223372036854775808",
            "-9223372036854775809",
            "1e30",
            "1e308",
            "1e400",
            "-1e400",
            "9007199254740993",
            "9007199254740994",
            "9.1e15",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "1e16",
            "99999999999999999999999999",
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "01",
            "+4102444800",
            "4102444800.",
            ".5",
            "0x7fffffff",
            "4_102_444_800",
            "4102444800s",
        ] {
            table.claim("dates", format!("{name} {value}"), good(value), Invalid);
        }
        table.claim("dates", format!("{name} of 200 digits"), good(&"4".repeat(200)), Invalid);
        // As far as a double is exact, whole or not, however it is written.
        let far = if name == "nbf" { Invalid } else { Accepted };
        for value in [
            "9007199254740992",
            "9007199254740992.0",
            "9.007199254740992e15",
            "4102444800.5",
            "41024448e2",
            "4.1024448E+9",
        ] {
            table.claim("dates", format!("{name} {value}"), good(value), far);
        }
        let past = if name == "exp" { Expired } else { Accepted };
        for value in ["0", "0.0", "1", "0.5", "1e-300", "1e-400", "-0", "-0.0", "0e0", "999999999.999999999"] {
            table.claim("dates", format!("{name} {value}"), good(value), past);
        }
    }
    table.claim("dates", "no exp", table.claims().without("exp"), Invalid);
    table.claim(
        "dates",
        "exp in another object",
        table.claims().without("exp").raw("x", "{\"exp\":4102444800}"),
        Invalid,
    );
    table.claim("dates", "exp as EXP", table.claims().without("exp").raw("EXP", "4102444800"), Invalid);
    table.claim("dates", "exp as expires_in", table.claims().without("exp").raw("expires_in", "3600"), Invalid);
}

/// Only a token without any other fault is reported as expired.
fn faults_of_expired_tokens(table: &mut Table) {
    let claims = table.claims().raw("exp", table.now - 3600);
    table.claim("over", "without any other fault", claims.clone(), Expired);
    for (name, claims) in [
        ("another iss", claims.clone().text("iss", "https://other.test/")),
        ("no iss", claims.clone().without("iss")),
        ("another aud", claims.clone().text("aud", "other")),
        ("no aud", claims.clone().without("aud")),
        ("no sub", claims.clone().without("sub")),
        ("an empty sub", claims.clone().text("sub", "")),
        ("a scope that is a number", claims.clone().raw("scope", 1)),
        ("an iat that is a text", claims.clone().text("iat", "now")),
        ("an nbf that is a text", claims.clone().text("nbf", "now")),
        ("a name twice", claims.clone().last("x", 1).last("x", 1)),
    ] {
        table.claim("over", name, claims, Invalid);
    }
    let key = rs256();
    table.add("over", "another typ", key.seal(key.header().text("typ", "refresh"), &claims), Invalid);
    table.add("over", "crit", key.seal(key.header().raw("crit", "[\"exp\"]"), &claims), Invalid);
    table.add("over", "an unknown kid", key.seal(key.header().text("kid", "x"), &claims), Invalid);
    let token = key.seal(key.header(), &claims);
    let cut = token.rfind('.').unwrap();
    table.add("over", "no signature", &token[..=cut], Invalid);
    table.add("over", "another signature", format!("{}{}", &token[..=cut], &key.token(table.now)[cut + 1..]), Invalid);
    let attacker = &attackers()[0];
    table.add("over", "an attacker's signature", attacker.seal(key.header(), &claims), Invalid);
}
