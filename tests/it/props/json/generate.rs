//! Types and texts that nearly fit them, drawn from random bytes: fewer and smaller bytes make a smaller case.

use std::{fmt::Write as _, sync::LazyLock};

use super::schema::{Choice, Contents, Names, Record, Schema, Width};

/// Random bytes, and zeros behind them.
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl Choices<'_> {
    pub(super) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number below this one.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let large = end > 256;
        let number = if large { usize::from(self.byte()) << 8 | usize::from(self.byte()) } else { self.byte().into() };
        number % end
    }

    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    /// Once in so many times.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == times - 1
    }
}

/// What structs and enums are made of. The last has more names than fit into one word of bits.
static NAMES: LazyLock<Vec<Names>> = LazyLock::new(|| {
    let many: Vec<&str> = (0..66).map(|place| &*format!("field{place}").leak()).collect();
    vec![
        &["id"],
        &["id", "email"],
        &["email", "password", "organization_id", "x"],
        &["a/b", "m~n", "~1", "/"],
        &["", " ", "é", "𝄞", "0"],
        &[],
        many.leak(),
    ]
});

/// The most fields or variants that may have contents.
const MANY: usize = 10;

/// A type; now and then one that goes on where a part of it fails.
pub(super) fn schema(choices: &mut Choices<'_>, depth: usize, lenient: bool) -> Schema {
    if lenient && choices.once_in(4) {
        return Schema::Lenient(schema(choices, depth, lenient).into());
    }
    let inner = |choices: &mut Choices<'_>| Box::new(schema(choices, depth.saturating_sub(1), lenient));
    match choices.below(if depth == 0 { 10 } else { 30 }) {
        0 => Schema::Text,
        1 => Schema::Bool,
        2 | 3 => Schema::Integer(choices.of(Width::ALL)),
        4 => Schema::Float,
        5 => Schema::Character,
        6 => Schema::Unit,
        7 => Schema::Ignored,
        8 | 9 => Schema::Any,
        10..13 => Schema::Option(inner(choices)),
        13 => Schema::Newtype(inner(choices)),
        14..17 => Schema::List(inner(choices)),
        17 => Schema::Tuple((0..choices.below(4)).map(|_| *inner(choices)).collect()),
        18..21 => Schema::Map(key(choices).into(), inner(choices)),
        21..27 => Schema::Struct(record(choices, depth - 1, lenient)),
        _ => Schema::Enum(choice(choices, depth - 1, lenient)),
    }
}

/// What stands between quotes all the same.
fn key(choices: &mut Choices<'_>) -> Schema {
    match choices.below(12) {
        4 => Schema::Character,
        5 => Schema::Bool,
        6 => Schema::Float,
        7 => Schema::Option(key(choices).into()),
        8 => Schema::Newtype(key(choices).into()),
        9 => Schema::Enum(choice(choices, 0, false)),
        10 | 11 => Schema::Integer(choices.of(Width::ALL)),
        _ => Schema::Text,
    }
}

pub(super) fn record(choices: &mut Choices<'_>, depth: usize, lenient: bool) -> Record {
    let names = choices.of(&NAMES);
    let many = names.len() > MANY;
    let mut field = || (many || choices.once_in(3), if many { Schema::Bool } else { schema(choices, depth, lenient) });
    Record { names, fields: names.iter().map(|_| field()).collect() }
}

fn choice(choices: &mut Choices<'_>, depth: usize, lenient: bool) -> Choice {
    let names = choices.of(&NAMES[..5]);
    let mut contents = || match choices.below(6) {
        0..3 => Contents::Nothing,
        3 => Contents::One(schema(choices, depth, lenient)),
        4 => Contents::Several((0..choices.of(&[2, 3, 0])).map(|_| schema(choices, depth, lenient)).collect()),
        _ => Contents::Fields(record(choices, depth, lenient)),
    };
    Choice { names, contents: names.iter().map(|_| contents()).collect() }
}

/// A text that nearly fits the type.
pub(super) fn document(choices: &mut Choices<'_>, schema: &Schema) -> Vec<u8> {
    let mut text = String::new();
    value(choices, schema, &mut text);
    let mut bytes = text.into_bytes();
    let at = choices.below(bytes.len() + 1);
    let byte = choices.of(b"\"\\{}[]:,0-.eE+ \n\tntfu/ \x00\x1f\x7f\x80\xff");
    match choices.below(40) {
        12 => bytes.truncate(at),
        13 => bytes.insert(at, byte),
        14 if at < bytes.len() => bytes[at] = byte,
        15 if at < bytes.len() => bytes[at] ^= 1 << choices.below(8),
        16 if at < bytes.len() => drop(bytes.remove(at)),
        17 => bytes.extend_from_slice(choices.of(&[" ", "\r\n", "\t", "x", "null", "}", "]", ",", "\0"]).as_bytes()),
        18 => bytes = [choices.of(&["\u{feff}", " ", "//\n", "\0", ",", "["]).as_bytes(), &bytes].concat(),
        19 => {
            let levels = choices.of(&[1, 2, 60, 64, 70, 200]);
            bytes = ["[".repeat(levels).as_bytes(), &bytes, "]".repeat(levels).as_bytes()].concat();
        }
        _ => {}
    }
    bytes
}

fn white_space(choices: &mut Choices<'_>, text: &mut String) {
    if choices.once_in(12) {
        text.push_str(choices.of(&[" ", "\n", "\t", "\r", " \r\n  "]));
    }
}

/// A list of what has been written already, with white space.
fn list(choices: &mut Choices<'_>, [open, close]: [char; 2], elements: &[String], text: &mut String) {
    text.push(open);
    for (place, element) in elements.iter().enumerate() {
        white_space(choices, text);
        text.push_str(element);
        white_space(choices, text);
        text.push_str(if place + 1 < elements.len() { "," } else { "" });
    }
    white_space(choices, text);
    text.push(close);
}

fn value(choices: &mut Choices<'_>, schema: &Schema, text: &mut String) {
    if choices.once_in(40) {
        text.push_str(choices.of(&["null", "true", "\"id\"", "0", "[]", "{}", "[null]", "{\"id\":0}", "-1.5"]));
        return;
    }
    match schema {
        Schema::Text => string(choices, text),
        Schema::Bool => text.push_str(choices.of(&["true", "false"])),
        Schema::Integer(width) => whole_number(choices, *width, text),
        Schema::Float => text.push_str(number(choices)),
        Schema::Character => {
            let content = choices.of(CHARACTER);
            spelled(choices, content, text);
        }
        Schema::Unit => text.push_str("null"),
        Schema::Any | Schema::Ignored => {
            let depth = choices.below(3);
            let other = self::schema(choices, depth, false);
            if matches!(other, Schema::Any | Schema::Ignored) {
                string(choices, text);
            } else {
                value(choices, &other, text);
            }
        }
        Schema::Option(_) if choices.once_in(4) => text.push_str("null"),
        Schema::Option(inner) | Schema::Newtype(inner) | Schema::Lenient(inner) => value(choices, inner, text),
        Schema::List(inner) => {
            let elements: Vec<String> = (0..choices.below(4)).map(|_| written(choices, inner)).collect();
            list(choices, ['[', ']'], &elements, text);
        }
        Schema::Tuple(schemas) => tuple(choices, schemas, text),
        Schema::Map(key, inner) => {
            let mut names: Vec<String> = (0..choices.below(4)).map(|_| name_as(choices, key)).collect();
            names.sort();
            if !choices.once_in(10) {
                names.dedup();
            }
            let members: Vec<String> = names.iter().map(|name| member(choices, name, inner)).collect();
            list(choices, ['{', '}'], &members, text);
        }
        Schema::Struct(record) => object(choices, record, text),
        Schema::Enum(choice) => variant(choices, choice, text),
    }
}

fn written(choices: &mut Choices<'_>, schema: &Schema) -> String {
    let mut text = String::new();
    value(choices, schema, &mut text);
    text
}

fn tuple(choices: &mut Choices<'_>, schemas: &[Schema], text: &mut String) {
    let mut elements: Vec<String> = schemas.iter().map(|schema| written(choices, schema)).collect();
    match choices.below(20) {
        18 => drop(elements.pop()),
        19 => elements.push("0".to_owned()),
        _ => {}
    }
    list(choices, ['[', ']'], &elements, text);
}

/// Names that somebody may write for a documented one.
const STRANGE: &[&str] =
    &["emial", "e-mail", "ID", "idd", "field", "field65", "x", "a/b", "a~b", "~0", "", "0", "𝄞", RESERVED];
const RESERVED: &str = "$serde_json::private::Number";

fn object(choices: &mut Choices<'_>, record: &Record, text: &mut String) {
    let mut members = Vec::new();
    for (name, (may_be_missing, schema)) in record.names.iter().zip(&record.fields) {
        let left_out = choices.once_in(if *may_be_missing { 2 } else { 40 });
        if !left_out {
            members.push(member(choices, name, schema));
        }
    }
    if choices.once_in(40) {
        let values: Vec<String> = record.fields.iter().map(|(_, schema)| written(choices, schema)).collect();
        return list(choices, ['[', ']'], &values, text);
    }
    let strange = choices.of(&[0, 0, 0, 0, 0, 0, 1, 1, 2, 3]);
    let strange = if choices.once_in(40) { 40 } else { strange };
    for number in 0..strange {
        let name = if strange == 40 { format!("u{number}") } else { choices.of(STRANGE).to_owned() };
        let depth = choices.below(2);
        let schema = schema(choices, depth, false);
        let at = choices.below(members.len() + 1);
        members.insert(at, member(choices, &name, &schema));
    }
    if choices.once_in(50) && !record.names.is_empty() {
        let name = choices.of(record.names);
        members.push(member(choices, name, &Schema::Text));
    }
    if choices.once_in(4) {
        let places = choices.below(members.len() + 1);
        members.rotate_left(places);
    }
    list(choices, ['{', '}'], &members, text);
}

fn variant(choices: &mut Choices<'_>, choice: &Choice, text: &mut String) {
    let place = choices.below(choice.names.len());
    let name = if choices.once_in(30) { choices.of(STRANGE) } else { choice.names[place] };
    let contents = &choice.contents[place];
    if choices.once_in(30) || matches!(contents, Contents::Nothing) && !choices.once_in(4) {
        return spelled(choices, name, text);
    }
    let mut member = String::new();
    spelled(choices, name, &mut member);
    member.push(':');
    match contents {
        Contents::Nothing => member.push_str("null"),
        Contents::One(schema) => value(choices, schema, &mut member),
        Contents::Several(schemas) => tuple(choices, schemas, &mut member),
        Contents::Fields(record) => object(choices, record, &mut member),
    }
    let members = [member, "\"more\":0".to_owned()];
    let length = if choices.once_in(30) { choices.of(&[0, 2]) } else { 1 };
    list(choices, ['{', '}'], &members[..length], text);
}

fn member(choices: &mut Choices<'_>, name: &str, schema: &Schema) -> String {
    let mut text = String::new();
    spelled(choices, name, &mut text);
    white_space(choices, &mut text);
    text.push(':');
    white_space(choices, &mut text);
    value(choices, schema, &mut text);
    text
}

/// A name that stands for a value of this type.
fn name_as(choices: &mut Choices<'_>, key: &Schema) -> String {
    let kind = if choices.once_in(8) { &Schema::Text } else { key };
    match kind {
        Schema::Character => choices.of(CHARACTER).to_owned(),
        Schema::Bool => choices.of(&["true", "false"]).to_owned(),
        Schema::Float => number(choices).to_owned(),
        Schema::Option(inner) | Schema::Newtype(inner) => name_as(choices, inner),
        Schema::Enum(choice) => choices.of(choice.names).to_owned(),
        Schema::Integer(width) => {
            let mut text = String::new();
            whole_number(choices, *width, &mut text);
            text
        }
        _ => choices
            .of(&["a", "b", "c/d", "~", "id", "7", "-7", "", "é", "𝄞", "7x", "7 ", " 7", "+7", "07", "truee", RESERVED])
            .to_owned(),
    }
}

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "0", "1", "7", "-1", "-7", "42", "0.5", "-0", "-0.0", "0e0", "1e2", "1E+2", "1.0", "12e-1", "255", "256", "-128",
    "9007199254740993", "18446744073709551615", "18446744073709551616", "-9223372036854775808",
    "-9223372036854775809", "340282366920938463463374607431768211456", "123456789012345678901234567890.5", "0.1",
    "3.141592653589793", "1e-400", "5e-324", "2.2250738585072011e-308", "1.7976931348623157e308", "1e308",
    "0.30000000000000004", "1e16", "1e23", "8.5e22", "-1e-7",
];

const NO_NUMBERS: &[&str] = &["1e309", "-1e400", "01", "1.", ".5", "-", "+1", "1e", "0x1", "NaN", "1e+"];

fn number(choices: &mut Choices<'_>) -> &'static str {
    if choices.once_in(60) { choices.of(NO_NUMBERS) } else { choices.of(NUMBERS) }
}

fn whole_number(choices: &mut Choices<'_>, width: Width, text: &mut String) {
    match choices.below(8) {
        5 => text.push_str(number(choices)),
        6 => text.push_str(&width.ends()[choices.below(2)]),
        7 => {
            // As long as the type's own ends, and often just beyond them.
            let end = &width.ends()[choices.below(2)];
            text.push_str(&end[..end.len() - 1]);
            let _ = write!(text, "{}", choices.below(10));
        }
        _ => {
            let _ = write!(text, "{}", choices.below(128));
        }
    }
}

/// The last two are none and several.
const CHARACTER: &[&str] = &["a", "é", "€", "𝄞", "\"", "\\", "\u{1f}", "0", "/", "", "ab"];

#[rustfmt::skip]
const CHARACTERS: &[char] = &[
    'a', 'b', 'Z', '0', ' ', '/', '~', '!', '#', '[', ']', '"', '\\', '\u{7f}', 'é', '€', '𝄞', '\0', '\u{1f}', '\n',
    '\u{2028}', '\u{d7ff}', '\u{e000}', '\u{ffff}', '\u{10ffff}',
];

fn string(choices: &mut Choices<'_>, text: &mut String) {
    let length = choices.of(&[0, 1, 2, 3, 5, 9]);
    let content: String = (0..length).map(|_| choices.of(CHARACTERS)).collect();
    let padding = "a".repeat(if choices.once_in(6) { choices.below(24) } else { 0 });
    spelled(choices, &format!("{padding}{content}"), text);
}

/// The string between quotes, now and then with something in it that is no JSON.
fn spelled(choices: &mut Choices<'_>, content: &str, text: &mut String) {
    text.push('"');
    if choices.below(256) == 255 {
        text.push_str(choices.of(&["\\ud800", "\\udc00", "\\ud834\\u0041", "\\x", "\\u12g4", "\\", "\n", "\u{0}"]));
    }
    let escaped = choices.once_in(5);
    for character in content.chars() {
        let spelling = if escaped { choices.byte() } else { 0 };
        spell(character, spelling, text);
    }
    text.push('"');
}

/// One character: as it is, if it may stand there, or as one of its escapes.
pub(super) fn spell(character: char, spelling: u8, text: &mut String) {
    const SHORT: &[(char, char)] =
        &[('"', '"'), ('\\', '\\'), ('/', '/'), ('\u{8}', 'b'), ('\u{c}', 'f'), ('\n', 'n'), ('\r', 'r'), ('\t', 't')];
    let short = SHORT.iter().find(|(meant, _)| *meant == character);
    let bare = character >= ' ' && !matches!(character, '"' | '\\');
    match (spelling % 4, short) {
        (0 | 1, _) if bare => text.push(character),
        (0 | 2, Some((_, letter))) => text.extend(['\\', *letter]),
        (kind, _) => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = if kind == 3 { write!(text, "\\u{unit:04X}") } else { write!(text, "\\u{unit:04x}") };
            }
        }
    }
}
