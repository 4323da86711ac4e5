//! The compact form: parts, base64, length.

use serde_json::json;

use super::{Accepted, Invalid, Table, rs256};
use crate::tokens::mint::{Key, b64, claims, key};

pub(super) fn add(table: &mut Table) {
    parts(table);
    other_serialisations(table);
    base64(table);
    spare_bits(table);
    lengths(table);
}

fn parts(table: &mut Table) {
    let token = rs256().token(table.now);
    let [header, claims, signature] = three(&token);
    for (name, text) in [
        ("one, the header", header.clone()),
        ("one, the claims", claims.clone()),
        ("one word", "token".to_owned()),
        ("one character", "a".to_owned()),
        ("two, without signature and dot", format!("{header}.{claims}")),
        ("two, without claims", format!("{header}.{signature}")),
        ("no signature", format!("{header}.{claims}.")),
        ("no claims", format!("{header}..{signature}")),
        ("no header", format!(".{claims}.{signature}")),
        ("a header alone", format!("{header}..")),
        ("claims alone", format!(".{claims}.")),
        ("a signature alone", format!("..{signature}")),
        ("dots alone", "..".to_owned()),
        ("one dot", ".".to_owned()),
        ("two dots and white space", ". .".to_owned()),
        ("words", "a.b.c".to_owned()),
        ("four, a dot behind", format!("{token}.")),
        ("four, a dot before", format!(".{token}")),
        ("four, the signature twice", format!("{token}.{signature}")),
        ("four, two dots in a row", format!("{header}..{claims}.{signature}")),
        ("five, with empty ones", format!("{token}..")),
        ("six, the token twice", format!("{token}.{token}")),
        ("the token twice without a dot", format!("{token}{token}")),
        ("reversed", format!("{signature}.{claims}.{header}")),
        ("the header twice", format!("{header}.{header}.{signature}")),
        ("the claims twice", format!("{claims}.{claims}.{signature}")),
        ("many dots", ".".repeat(4000)),
        ("a detached signature", format!("{header}..{signature}")),
        ("commas for dots", token.replace('.', ",")),
        ("escaped dots", token.replace('.', "%2E")),
        ("a full-width dot", format!("{header}．{claims}．{signature}")),
    ] {
        table.add("parts", name, text, Invalid);
    }
}

/// JWE in compact form, and both JSON serialisations.
fn other_serialisations(table: &mut Table) {
    let token = rs256().token(table.now);
    let [header, claims, signature] = three(&token);
    for (name, jwe) in [
        ("dir", json!({ "alg": "dir", "enc": "A256GCM", "typ": "at+jwt" })),
        ("RSA-OAEP", json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "kid": "rs256" })),
        ("a nested one", json!({ "alg": "ECDH-ES", "enc": "A128GCM", "cty": "JWT" })),
        ("a signed header", json!({ "alg": "RS256", "kid": "rs256", "typ": "at+jwt" })),
        ("p2c", json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": "AAAA" })),
    ] {
        let encrypted = b64(jwe.to_string());
        let five = format!("{encrypted}.{}.{}.{claims}.{}", b64([1_u8; 32]), b64([2_u8; 12]), b64([3_u8; 16]));
        table.add("jwe", format!("{name}, five parts"), five, Invalid);
        table.add(
            "jwe",
            format!("{name}, no key"),
            format!("{encrypted}..{}.{claims}.{}", b64([2_u8; 12]), b64([3_u8; 16])),
            Invalid,
        );
        table.add("jwe", format!("{name}, no tag"), format!("{encrypted}...{claims}."), Invalid);
        if name != "a signed header" {
            let three = rs256().seal(jwe.to_string(), table.claims());
            table.add("jwe", format!("{name}, three parts, well signed"), three, Invalid);
        }
    }
    let flattened = json!({ "payload": claims, "protected": header, "signature": signature });
    let general = json!({ "payload": claims, "signatures": [{ "protected": header, "signature": signature }] });
    for (name, document) in [("flattened", flattened), ("general", general)] {
        let text = document.to_string();
        table.add("serialisation", name, text.clone(), Invalid);
        table.add("serialisation", format!("{name}, encoded"), b64(&text), Invalid);
        table.add(
            "serialisation",
            format!("{name}, as a header"),
            format!("{}.{claims}.{signature}", b64(&text)),
            Invalid,
        );
    }
    // A member that an attacker hides in the signature's place, as parsers that search for JSON would find it.
    let hidden =
        format!("{{\"payload\":\"{claims}\",\"protected\":\"{header}\",\"x\":\".\",\"signature\":\"{signature}.\"}}");
    table.add("serialisation", "with two dots", hidden, Invalid);
}

/// How a part is encoded otherwise.
type Change<'a> = &'a dyn Fn(&str) -> String;

fn base64(table: &mut Table) {
    let odd = odd(table.now);
    let [header, claims, signature] = three(&odd);
    for (place, name) in [(0, "the header"), (1, "the claims"), (2, "the signature")] {
        let changed = |change: Change<'_>| {
            let mut parts = [header.clone(), claims.clone(), signature.clone()];
            parts[place] = change(&parts[place]);
            // What is signed is signed as it stands: nothing but the encoding is wrong.
            if place < 2 { rs256().seal_parts(&parts[0], &parts[1]) } else { parts.join(".") }
        };
        let middle = |text: &str, inserted: &str| format!("{}{inserted}{}", &text[..20], &text[20..]);
        let cases: [(&str, Change<'_>); 17] = [
            ("padded", &|text| text.to_owned() + &"=".repeat((4 - text.len() % 4) % 4)),
            ("one = behind", &|text| format!("{text}=")),
            ("four = behind", &|text| format!("{text}====")),
            ("padding inside", &|text| middle(text, "==")),
            ("of the other alphabet", &|text| text.replace('-', "+").replace('_', "/")),
            ("a + inside", &|text| middle(text, "+")),
            ("a space inside", &|text| middle(text, " ")),
            ("a space before", &|text| format!(" {text}")),
            ("a space behind", &|text| format!("{text} ")),
            ("a tab inside", &|text| middle(text, "\t")),
            ("a line break inside", &|text| middle(text, "\n")),
            ("a line break behind", &|text| format!("{text}\r\n")),
            ("a NUL inside", &|text| middle(text, "\0")),
            ("an ASCII character of no alphabet", &|text| middle(text, "!")),
            ("a letter that is not ASCII", &|text| middle(text, "é")),
            ("percent-encoded", &|text| format!("%{:02X}{}", text.as_bytes()[0], &text[1..])),
            ("encoded twice", &|text| b64(text)),
        ];
        for (what, change) in cases {
            let token = changed(change);
            assert_ne!(token, odd, "{name} {what}");
            // White space behind the last part belongs to the field, and not to the token.
            if (place, what) != (2, "a space behind") {
                table.add("base64", format!("{name}: {what}"), token, Invalid);
            }
        }
        // Four characters are three bytes: one more is none.
        let token = changed(&|text| format!("{}A", &text[..text.len() / 4 * 4]));
        table.add("base64", format!("{name}: of an impossible length"), token, Invalid);
    }
    table.add("good", "a token whose every part has - or _", odd, Accepted);
}

/// A token whose three parts all have a character that the usual alphabet has not, and none a length that needs no
/// padding.
fn odd(now: u64) -> String {
    let header = rs256().header().text("x", "??>~~~ÿÿ");
    let tokens =
        (0..1000).map(|n| rs256().seal(header.clone().raw("n", n), claims(now).text("x", "??>~~~ÿÿ").raw("n", n)));
    let special = |part: &str| part.contains(['-', '_']) && !part.len().is_multiple_of(4);
    tokens.into_iter().find(|token| three(token).iter().all(|part| special(part))).unwrap()
}

/// Bits behind the last byte have to be zero.
fn spare_bits(table: &mut Table) {
    for key in [rs256(), key("es256"), key("hs256"), key("ed25519")] {
        for spaces in 1..=3 {
            let header = key.header().as_str().to_owned() + &" ".repeat(spaces);
            let token = key.seal(header, table.claims());
            let [header, claims, signature] = three(&token);
            let Some(changed) = next_bit(&header) else { continue };
            table.add(
                "base64",
                format!("{}: spare bits of the header, {spaces}", key.kid),
                key.seal_parts(&changed, &claims),
                Invalid,
            );
            let unsigned = format!("{changed}.{claims}.{signature}");
            table.add(
                "base64",
                format!("{}: spare bits of the header, {spaces}, signed without them", key.kid),
                unsigned,
                Invalid,
            );
        }
        for spaces in 1..=3 {
            let claims = table.claims().as_str().to_owned() + &" ".repeat(spaces);
            let token = key.seal(key.header(), claims);
            let [header, claims, _] = three(&token);
            let Some(changed) = next_bit(&claims) else { continue };
            table.add(
                "base64",
                format!("{}: spare bits of the claims, {spaces}", key.kid),
                key.seal_parts(&header, &changed),
                Invalid,
            );
        }
        let token = key.token(table.now);
        let [header, claims, signature] = three(&token);
        let changed = next_bit(&signature).unwrap();
        table.add(
            "base64",
            format!("{}: spare bits of the signature", key.kid),
            format!("{header}.{claims}.{changed}"),
            Invalid,
        );
    }
}

/// The same bytes to a careless decoder: the last character one further, where that bit is spare.
fn next_bit(part: &str) -> Option<String> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = part.chars().next_back()?;
    let next = ALPHABET.chars().nth(ALPHABET.find(last)? + 1)?;
    (!part.len().is_multiple_of(4)).then(|| format!("{}{next}", &part[..part.len() - 1]))
}

/// The limit is 8 KiB, and holds for the token as a whole.
fn lengths(table: &mut Table) {
    for key in [rs256(), key("hs256")] {
        for (length, verdict) in [(8191, Accepted), (8192, Accepted), (8193, Invalid), (8194, Invalid)] {
            table.add("length", format!("{}: {length} bytes", key.kid), of_length(key, table.now, length), verdict);
        }
    }
    for kibibytes in [16, 63, 65, 128] {
        let token = of_length(rs256(), table.now, kibibytes * 1024);
        table.add("length", format!("{kibibytes} KiB, well signed"), token, Invalid);
    }
    table.add("length", "1 MiB, well signed", of_length(rs256(), table.now, 1024 * 1024), Invalid);
    table.add("length", "1 MiB of one letter", "A".repeat(1024 * 1024), Invalid);
    table.add("length", "64 KiB of one letter", "A".repeat(64 * 1024), Invalid);
    let [header, claims, signature] = three(&rs256().token(table.now));
    table.add("length", "a long signature", format!("{header}.{claims}.{}", signature.repeat(30)), Invalid);
    let [many, more] = [500, 5000].map(|count| table.claims().raw("n", format!("[{}0]", "0,".repeat(count))));
    table.claim("good", "a list of 500 in the claims", many, Accepted);
    table.claim("length", "a list of 5,000 in the claims", more, Invalid);
}

/// A good token of exactly so many bytes.
fn of_length(key: &Key, now: u64, length: usize) -> String {
    let signature = b64(key.sign(b"")).len();
    for spaces in 0..4 {
        let header = b64(key.header().as_str().to_owned() + &" ".repeat(spaces));
        let claims_length = length - signature - header.len() - 2;
        if claims_length % 4 == 1 {
            continue;
        }
        let bytes = claims_length * 3 / 4;
        let padded = |pad: usize| claims(now).text("pad", &"x".repeat(pad));
        let pad = bytes - padded(0).as_str().len();
        let token = key.seal_parts(&header, &b64(padded(pad)));
        assert_eq!(token.len(), length);
        return token;
    }
    panic!("no token of {length} bytes");
}

pub(super) fn three(token: &str) -> [String; 3] {
    let parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}
