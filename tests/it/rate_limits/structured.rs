//! A small parser of structured fields (RFC 9651, section 4.2) that knows nothing of this crate: lists of items whose
//! values and parameters are strings, integers, tokens and byte sequences, and nothing that is only nearly so.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    Integer(i64),
    Text(String),
    Token(String),
    Bytes(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) value: Bare,
    pub(super) parameters: Vec<(String, Bare)>,
}

impl Item {
    /// The value, which has to be a string.
    pub(super) fn name(&self) -> &str {
        match &self.value {
            Bare::Text(text) => text,
            other => panic!("{other:?} is no string"),
        }
    }

    /// A parameter that has to be an integer.
    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.parameters.iter().find(|(known, _)| known == name) {
            Some((_, Bare::Integer(number))) => *number,
            other => panic!("{name} is {other:?}"),
        }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.parameters.iter().map(|(name, _)| name.as_str()).collect()
    }
}

/// A list that is not empty.
pub(super) fn list(text: &str) -> Vec<Item> {
    parse(text).unwrap_or_else(|why| panic!("{text:?} is no list: {why}"))
}

pub(super) fn parse(text: &str) -> Result<Vec<Item>, &'static str> {
    let mut rest = text.trim_matches(' ').as_bytes();
    let mut items = Vec::new();
    loop {
        items.push(item(&mut rest)?);
        rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return Ok(items),
            Some((b',', behind)) => rest = behind.trim_ascii_start(),
            Some(_) => return Err("no comma between two members"),
        }
    }
}

fn item(rest: &mut &[u8]) -> Result<Item, &'static str> {
    let value = bare(rest)?;
    let mut parameters: Vec<(String, Bare)> = Vec::new();
    while let Some((b';', behind)) = rest.split_first() {
        *rest = behind;
        while let Some((b' ', behind)) = rest.split_first() {
            *rest = behind;
        }
        let name = key(rest)?;
        let Some((b'=', behind)) = rest.split_first() else { return Err("a parameter without a value") };
        *rest = behind;
        let value = bare(rest)?;
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err("a parameter twice");
        }
        parameters.push((name, value));
    }
    Ok(Item { value, parameters })
}

fn key(rest: &mut &[u8]) -> Result<String, &'static str> {
    if !rest.first().is_some_and(|byte| byte.is_ascii_lowercase() || *byte == b'*') {
        return Err("a key begins with a small letter or a star");
    }
    Ok(take(rest, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.*".contains(&byte)))
}

fn bare(rest: &mut &[u8]) -> Result<Bare, &'static str> {
    match rest.first() {
        Some(b'"') => string(rest).map(Bare::Text),
        Some(byte) if byte.is_ascii_digit() || *byte == b'-' => integer(rest).map(Bare::Integer),
        Some(b':') => {
            *rest = &rest[1..];
            let inside = take(rest, |byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
            let Some((b':', behind)) = rest.split_first() else { return Err("bytes without an end") };
            *rest = behind;
            Ok(Bare::Bytes(inside))
        }
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'*' => {
            Ok(Bare::Token(take(rest, |byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:/".contains(&byte))))
        }
        _ => Err("no value"),
    }
}

/// A decimal number is none.
fn integer(rest: &mut &[u8]) -> Result<i64, &'static str> {
    let sign = if rest.first() == Some(&b'-') { -1 } else { 1 };
    if sign < 0 {
        *rest = &rest[1..];
    }
    let digits = take(rest, |byte| byte.is_ascii_digit());
    if digits.is_empty() || digits.len() > 15 || rest.first() == Some(&b'.') {
        return Err("no integer");
    }
    digits.parse::<i64>().map(|number| sign * number).map_err(|_| "no integer")
}

fn string(rest: &mut &[u8]) -> Result<String, &'static str> {
    let mut text = String::new();
    let mut bytes = rest[1..].iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                *rest = &rest[at + 2..];
                return Ok(text);
            }
            b'\\' => match bytes.next() {
                Some((_, escaped @ (b'"' | b'\\'))) => text.push(char::from(*escaped)),
                _ => return Err("a wrong escape"),
            },
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => return Err("a character that no string has"),
        }
    }
    Err("a string without an end")
}

fn take(rest: &mut &[u8], wanted: impl Fn(u8) -> bool) -> String {
    let end = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
    let (taken, behind) = rest.split_at(end);
    *rest = behind;
    String::from_utf8(taken.to_vec()).unwrap()
}

#[test]
fn the_parser_takes_what_the_rfc_writes_and_nothing_else() {
    for good in [
        r#""burst";q=100;w=60, "daily";q=1000;w=86400"#,
        r#""peruser";q=65535;qu="content-bytes";w=10;pk=:sdfjLJUOUH==:"#,
        r#""a\"b\\";x=-1 ,  token;a=*b"#,
    ] {
        assert!(parse(good).is_ok(), "{good}: {:?}", parse(good));
    }
    let two = list(r#""burst";q=100;w=60, "daily";q=1000;w=86400"#);
    assert_eq!((two[1].name(), two[1].integer("q"), two[1].names()), ("daily", 1000, vec!["q", "w"]));
    for bad in [
        "",
        r#""a";q=1,"#,
        r#""a";q=1.5"#,
        r#""a";q="#,
        r#""a";q"#,
        r#""a";Q=1"#,
        r#""a" "b""#,
        r#""a";q=1;q=2"#,
        r#""a"#,
        r#""ä";q=1"#,
        r#""a\x""#,
        r#""a";q=1234567890123456"#,
        r#""a";q= 1"#,
    ] {
        assert!(parse(bad).is_err(), "{bad}: {:?}", parse(bad));
    }
}
