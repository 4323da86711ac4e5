//! Header and claims as bytes: what is JSON, and what only some parsers read as JSON.

use super::{Accepted, Invalid, Table, Verdict, rs256};
use crate::tokens::mint::{Object, b64};

pub(super) fn add(table: &mut Table) {
    for place in [Place::Header, Place::Claims] {
        texts(table, place);
        encodings(table, place);
        depths(table, place);
        repeated(table, place);
    }
}

/// Which of the two objects is not as it should be.
#[derive(Clone, Copy)]
enum Place {
    Header,
    Claims,
}

impl Place {
    fn object(self, table: &Table) -> Object {
        match self {
            Self::Header => rs256().header(),
            Self::Claims => table.claims(),
        }
    }

    fn add(self, table: &mut Table, group: &'static str, name: &str, bytes: impl AsRef<[u8]>, verdict: Verdict) {
        match self {
            Self::Header => table.header(group, format!("{name} (header)"), bytes, verdict),
            Self::Claims => table.claim(group, format!("{name} (claims)"), bytes, verdict),
        }
    }
}

fn texts(table: &mut Table, place: Place) {
    let good = place.object(table);
    let text = good.as_str();
    for (name, text) in [
        ("white space around it", format!(" \n\t{text}\r\n ")),
        ("white space within", text.replace(':', " :\n ").replace("https :\n ", "https:").replace("},", "} ,")),
        ("an unknown member", good.clone().raw("unknown", "[1,{\"a\":null},\"\"]").as_str().to_owned()),
        ("an empty name", good.clone().raw("", "0").as_str().to_owned()),
        ("an escaped slash", text.replace('/', "\\/")),
        ("noncharacters", good.clone().text("x", "\u{fffe}\u{10ffff}").as_str().to_owned()),
        ("an escaped pair of surrogates", good.clone().raw("x", "\"\\ud83d\\udd11\"").as_str().to_owned()),
        ("an escaped NUL", good.clone().raw("x", "\"\\u0000\"").as_str().to_owned()),
        ("a large number", good.clone().raw("x", "1e308").as_str().to_owned()),
        ("a whole number beyond 64 bits", good.clone().raw("x", "123456789012345678901234567890").as_str().to_owned()),
    ] {
        place.add(table, "good", name, text, Accepted);
    }
    let within = &text[1..text.len() - 1];
    for (name, text) in [
        ("nothing", String::new()),
        ("white space", "  ".to_owned()),
        ("null", "null".to_owned()),
        ("true", "true".to_owned()),
        ("a number", "1".to_owned()),
        ("a string", "\"RS256\"".to_owned()),
        ("an empty object", "{}".to_owned()),
        ("an empty array", "[]".to_owned()),
        ("the object in an array", format!("[{text}]")),
        ("the object in an object", format!("{{\"x\":{text}}}")),
        ("the object as a string", serde_json::to_string(text).unwrap()),
        ("an array by position", "[\"RS256\",\"rs256\",\"at+jwt\"]".to_owned()),
        ("two objects", format!("{text}{text}")),
        ("two objects in two lines", format!("{text}\n{text}")),
        ("a word behind it", format!("{text} x")),
        ("a brace behind it", format!("{text}}}")),
        ("a comma behind it", format!("{text},")),
        ("a NUL behind it", format!("{text}\0")),
        ("a NUL before it", format!("\0{text}")),
        ("a trailing comma", format!("{{{within},}}")),
        ("a leading comma", format!("{{,{within}}}")),
        ("no closing brace", format!("{{{within}")),
        ("no opening brace", format!("{within}}}")),
        ("a comment", format!("{{/* */{within}}}")),
        ("a comment to the end of the line", format!("{{{within}//\n}}")),
        ("single quotes", text.replace('"', "'")),
        ("names without quotes", text.replacen("\"alg\"", "alg", 1).replacen("\"iss\"", "iss", 1)),
        ("equal signs for colons", text.replacen(':', "=", 1)),
        ("semicolons for commas", text.replacen(',', ";", 1)),
        ("a form feed", format!("\u{c}{text}")),
        ("a no-break space", format!("\u{a0}{text}")),
        ("NaN", format!("{{{within},\"x\":NaN}}")),
        ("Infinity", format!("{{{within},\"x\":-Infinity}}")),
        ("a number too large", format!("{{{within},\"x\":1e400}}")),
        ("a leading zero", format!("{{{within},\"x\":01}}")),
        ("a hexadecimal number", format!("{{{within},\"x\":0x1}}")),
        ("a plus sign", format!("{{{within},\"x\":+1}}")),
        ("a number that starts with a point", format!("{{{within},\"x\":.5}}")),
        ("a literal in capitals", format!("{{{within},\"x\":True}}")),
        ("a control character in a string", format!("{{{within},\"x\":\"\u{1}\"}}")),
        ("a line break in a string", format!("{{{within},\"x\":\"\n\"}}")),
        ("an unknown escape", format!("{{{within},\"x\":\"\\x41\"}}")),
        ("half a pair of surrogates", format!("{{{within},\"x\":\"\\ud800\"}}")),
        ("the other half", format!("{{{within},\"x\":\"\\udc00\"}}")),
        ("half a pair in a name", format!("{{{within},\"\\ud800\":1}}")),
        ("a number of 200 digits", format!("{{{within},\"x\":{}}}", "1".repeat(200))),
    ] {
        place.add(table, "json", name, text, Invalid);
    }
}

fn encodings(table: &mut Table, place: Place) {
    let object = place.object(table);
    let text = object.as_str();
    let utf16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let value = |bytes: &[u8]| {
        let (before, behind) = (&text[..text.len() - 1], ",\"x\":\"");
        [before.as_bytes(), behind.as_bytes(), bytes, b"\"}"].concat()
    };
    for (name, bytes) in [
        ("a byte order mark", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("UTF-16, little-endian", utf16(u16::to_le_bytes)),
        ("UTF-16, big-endian", utf16(u16::to_be_bytes)),
        ("UTF-16 with a mark", [vec![0xff, 0xfe], utf16(u16::to_le_bytes)].concat()),
        ("UTF-32", utf32),
        ("UTF-7", format!("+AHs-{}", &text[1..]).into_bytes()),
        ("Latin-1", value(b"z\xfcrich")),
        ("a byte that is no character", value(b"\xff")),
        ("an overlong slash", value(b"\xc0\xaf")),
        ("an overlong NUL", value(b"\xc0\x80")),
        ("a surrogate in UTF-8", value(b"\xed\xa0\x80")),
        ("beyond Unicode", value(b"\xf4\x90\x80\x80")),
        ("a character that is cut off", value(b"\xe2\x82")),
        ("bytes that are no text", vec![0xff; 40]),
        ("compressed", vec![0x78, 0x9c, 0xab, 0x56, 0x4a, 0x2c, 0x4a, 0x57, 0xb2]),
        ("encoded in base64 once more", b64(text).into_bytes()),
    ] {
        place.add(table, "encoding", name, bytes, Invalid);
    }
}

fn depths(table: &mut Table, place: Place) {
    let object = place.object(table);
    let deep = |depth: usize| object.clone().raw("x", format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let objects = |depth: usize| object.clone().raw("x", format!("{}0{}", "{\"x\":".repeat(depth), "}".repeat(depth)));
    place.add(table, "good", "5 arrays in each other", deep(5), Accepted);
    place.add(table, "good", "5 objects in each other", objects(5), Accepted);
    for depth in [100, 500, 2000] {
        place.add(table, "json", &format!("{depth} arrays in each other"), deep(depth), Invalid);
    }
    place.add(table, "json", "500 objects in each other", objects(500), Invalid);
    place.add(table, "json", "2,000 brackets that are never closed", "[".repeat(2000), Invalid);
    place.add(table, "json", "1,000 objects that are never closed", "{\"x\":".repeat(1000), Invalid);
    let many = (0..200).map(|n| format!(",\"m{n}\":{n}")).collect::<Vec<_>>().concat();
    place.add(table, "good", "200 members", object.as_str().replacen('}', &format!("{many}}}"), 1), Accepted);
    place.add(
        table,
        "duplicate",
        "200 members, the first again",
        object.as_str().replacen('}', &format!("{many},\"m0\":0}}"), 1),
        Invalid,
    );
}

fn repeated(table: &mut Table, place: Place) {
    let object = place.object(table);
    for (name, text) in [
        ("an unknown name", object.clone().last("x", 1).last("x", 2)),
        ("an unknown name with equal values", object.clone().last("x", 1).last("x", 1)),
        ("an unknown name with an escape", object.clone().last("x", 1).last("\\u0078", 2)),
        ("an empty name twice", object.clone().last("", 1).last("", 2)),
        ("a name within an unknown member", object.clone().raw("x", "{\"a\":1,\"a\":2}")),
        ("a name deep within", object.clone().raw("x", "[[{\"y\":{\"a\":1,\"\\u0061\":2}}]]")),
    ] {
        place.add(table, "duplicate", name, text, Invalid);
    }
    place.add(
        table,
        "good",
        "equal names in different objects",
        object.raw("x", "[{\"a\":1},{\"a\":{\"a\":2}}]"),
        Accepted,
    );
}
