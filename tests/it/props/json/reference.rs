//! The same a second time: a text to a tree, and the tree against a schema.

use serde_json::{Number, Value};

use super::schema::{Choice, Contents, Names, Read, Record, Schema};

#[derive(Clone, Debug)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) depth: usize,
    pub(super) string: usize,
    pub(super) number: usize,
}

/// The tree of a text that is JSON as the manual page describes it.
pub(super) fn parse(bytes: &[u8], limits: Limits) -> Option<Tree> {
    let mut parser = Parser { rest: str::from_utf8(bytes).ok()?, limits };
    let tree = parser.value(0)?;
    parser.white_space();
    parser.rest.is_empty().then_some(tree)
}

struct Parser<'a> {
    rest: &'a str,
    limits: Limits,
}

impl Parser<'_> {
    fn white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r']);
    }

    /// Whether this is next, after white space; if so it is past.
    fn take(&mut self, what: &str) -> bool {
        self.white_space();
        let behind = self.rest.strip_prefix(what);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }

    fn value(&mut self, depth: usize) -> Option<Tree> {
        if self.take("null") {
            Some(Tree::Null)
        } else if self.take("true") {
            Some(Tree::Bool(true))
        } else if self.take("false") {
            Some(Tree::Bool(false))
        } else if self.take("\"") {
            self.string().map(Tree::Text)
        } else if self.take("[") {
            let mut all = Vec::new();
            self.list("]", depth, |parser| {
                all.push(parser.value(depth + 1)?);
                Some(())
            })?;
            Some(Tree::List(all))
        } else if self.take("{") {
            let mut all: Vec<(String, Tree)> = Vec::new();
            self.list("}", depth, |parser| {
                let name = if parser.take("\"") { parser.string()? } else { return None };
                let new = all.iter().all(|(other, _)| *other != name);
                let value = if new && parser.take(":") { parser.value(depth + 1)? } else { return None };
                all.push((name, value));
                Some(())
            })?;
            Some(Tree::Object(all))
        } else {
            let text: String = self.rest.chars().take_while(|c| "+-.eE0123456789".contains(*c)).collect();
            self.rest = &self.rest[text.len()..];
            (is_number(&text) && text.len() <= self.limits.number).then_some(Tree::Number(text))
        }
    }

    fn list(&mut self, close: &str, depth: usize, mut one: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if depth >= self.limits.depth {
            return None;
        }
        if self.take(close) {
            return Some(());
        }
        loop {
            one(self)?;
            if self.take(close) {
                return Some(());
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    /// What stands behind an opening quote, past the closing one.
    fn string(&mut self) -> Option<String> {
        let start = self.rest;
        // As UTF-16, so that two halves become one character by themselves.
        let mut units: Vec<u16> = Vec::new();
        loop {
            let first = self.rest.chars().next()?;
            self.rest = &self.rest[first.len_utf8()..];
            match first {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..' ' => return None,
                plain => units.extend(plain.encode_utf16(&mut [0; 2]).iter()),
            }
        }
        let long = start.len() - self.rest.len() - 1 > self.limits.string;
        String::from_utf16(&units).ok().filter(|_| !long)
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.rest.chars().next()?;
        let length = if letter == 'u' { 5 } else { 1 };
        let digits = self.rest.get(1..length).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let simple = [('b', 8), ('f', 12), ('n', 10), ('r', 13), ('t', 9), ('"', 34), ('\\', 92), ('/', 47)];
        let unit = match letter {
            'u' => u16::from_str_radix(digits?, 16).ok()?,
            other => simple.iter().find(|(letter, _)| *letter == other)?.1,
        };
        self.rest = &self.rest[length..];
        Some(unit)
    }
}

/// Whether a text is a number of RFC 8259 that a double can hold.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let positive = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = positive.split_once(['e', 'E']).unwrap_or((positive, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && digits(fraction)
        && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// What a type finds in a tree.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// All names that were met and are not documented.
    pub(super) unknown: Vec<Unknown>,
    /// The value, or the pointer of what stopped the type.
    pub(super) value: Result<Read, String>,
}

#[derive(Clone, Debug)]
pub(super) struct Unknown {
    pub(super) pointer: String,
    /// The documented names that do not stand in the object.
    pub(super) free: Vec<&'static str>,
}

pub(super) fn expected(schema: &Schema, tree: &Tree) -> Expected {
    let mut walk = Walk { unknown: Vec::new() };
    let value = walk.value(schema, tree, "");
    Expected { unknown: walk.unknown, value }
}

struct Walk {
    unknown: Vec<Unknown>,
}

/// Such as `/a/0`.
fn below(path: &str, step: &str) -> String {
    format!("{path}/{}", step.replace('~', "~0").replace('/', "~1"))
}

impl Walk {
    fn value(&mut self, schema: &Schema, tree: &Tree, path: &str) -> Result<Read, String> {
        let stop = || path.to_owned();
        match (schema, tree) {
            (Schema::Bool, Tree::Bool(value)) => Ok(Read::Bool(*value)),
            (Schema::Text, Tree::Text(text)) => Ok(Read::Text(text.clone())),
            (Schema::Character, Tree::Text(text)) => character(text).ok_or_else(stop),
            (Schema::Float, Tree::Number(text)) => Ok(Read::Float(text.parse::<f64>().unwrap().to_bits())),
            (Schema::Integer(width), Tree::Number(text)) => {
                // Minus zero is a float, unless 128 bits are asked for: those are read from the digits.
                let float = text == "-0" && width.ends()[1].len() < 30;
                width.parse(text).filter(|_| !float).ok_or_else(stop)
            }
            (Schema::Ignored, _) | (Schema::Unit | Schema::Option(_), Tree::Null) => Ok(Read::Nothing),
            (Schema::Any, tree) => any(tree, path).map(Read::Any),
            (Schema::Option(inner), tree) => Ok(Read::Some(self.value(inner, tree, path)?.into())),
            (Schema::Newtype(inner), tree) => self.value(inner, tree, path),
            (Schema::Lenient(inner), tree) => Ok(self.value(inner, tree, path).unwrap_or(Read::Nothing)),
            (Schema::List(inner), Tree::List(all)) => {
                let places = all.iter().enumerate();
                let reads = places.map(|(place, tree)| self.value(inner, tree, &below(path, &place.to_string())));
                reads.collect::<Result<_, _>>().map(Read::List)
            }
            (Schema::Tuple(schemas), tree) => self.tuple(schemas, tree, path),
            (Schema::Map(key, inner), Tree::Object(members)) => {
                let reads = members.iter().map(|(name, tree)| {
                    let path = below(path, name);
                    not_reserved(name, &path)?;
                    Ok((as_key(key, name).ok_or_else(|| path.clone())?, self.value(inner, tree, &path)?))
                });
                reads.collect::<Result<_, _>>().map(Read::Members)
            }
            (Schema::Struct(record), tree) => self.record(record, tree, path),
            (Schema::Enum(choice), tree) => self.choice(choice, tree, path),
            _ => Err(stop()),
        }
    }

    fn tuple(&mut self, schemas: &[Schema], tree: &Tree, path: &str) -> Result<Read, String> {
        let Tree::List(all) = tree else { return Err(path.to_owned()) };
        let both = schemas.iter().zip(all).enumerate();
        let reads: Vec<Read> = both
            .map(|(place, (schema, tree))| self.value(schema, tree, &below(path, &place.to_string())))
            .collect::<Result<_, _>>()?;
        if schemas.len() == all.len() { Ok(Read::List(reads)) } else { Err(path.to_owned()) }
    }

    fn record(&mut self, record: &Record, tree: &Tree, path: &str) -> Result<Read, String> {
        let Tree::Object(members) = tree else { return Err(path.to_owned()) };
        let free = record.names.iter().filter(|name| members.iter().all(|(other, _)| other != *name));
        let free: Vec<&'static str> = free.copied().collect();
        let mut reads: Vec<Option<Read>> = vec![None; record.names.len()];
        for (name, tree) in members {
            let pointer = below(path, name);
            match place(record.names, name) {
                Some(field) => reads[field] = Some(self.value(&record.fields[field].1, tree, &pointer)?),
                None => self.unknown.push(Unknown { pointer, free: free.clone() }),
            }
        }
        let fields = reads.into_iter().zip(&record.fields).zip(record.names);
        let reads = fields.map(|((read, (may_be_missing, schema)), name)| match (read, schema) {
            (Some(read), _) => Ok(read),
            (None, _) if *may_be_missing => Ok(Read::Missing),
            (None, Schema::Option(_)) => Ok(Read::Nothing),
            (None, _) => Err(below(path, name)),
        });
        reads.collect::<Result<_, _>>().map(Read::List)
    }

    fn choice(&mut self, choice: &Choice, tree: &Tree, path: &str) -> Result<Read, String> {
        let members = match tree {
            Tree::Text(name) => return unit(choice, name).ok_or_else(|| path.to_owned()),
            Tree::Object(members) => members,
            _ => return Err(path.to_owned()),
        };
        let (name, tree) = members.first().ok_or_else(|| path.to_owned())?;
        let pointer = below(path, name);
        let place = place(choice.names, name).ok_or_else(|| pointer.clone())?;
        let read = match &choice.contents[place] {
            Contents::Nothing => self.value(&Schema::Unit, tree, &pointer),
            Contents::One(schema) => self.value(schema, tree, &pointer),
            Contents::Several(schemas) => self.tuple(schemas, tree, &pointer),
            Contents::Fields(record) => self.record(record, tree, &pointer),
        }?;
        if members.len() > 1 { Err(path.to_owned()) } else { Ok(Read::Variant(choice.names[place], read.into())) }
    }
}

fn place(names: Names, name: &str) -> Option<usize> {
    names.iter().position(|known| *known == name)
}

fn character(text: &str) -> Option<Read> {
    (text.chars().count() == 1).then(|| Read::Text(text.to_owned()))
}

fn unit(choice: &Choice, name: &str) -> Option<Read> {
    let place = place(choice.names, name)?;
    matches!(choice.contents[place], Contents::Nothing)
        .then(|| Read::Variant(choice.names[place], Read::Nothing.into()))
}

/// A name as the key of a map.
fn as_key(schema: &Schema, name: &str) -> Option<Read> {
    match schema {
        Schema::Text => Some(Read::Text(name.to_owned())),
        Schema::Character => character(name),
        Schema::Bool => name.parse().ok().map(Read::Bool),
        Schema::Option(inner) => as_key(inner, name).map(|read| Read::Some(read.into())),
        Schema::Newtype(inner) => as_key(inner, name),
        Schema::Enum(choice) => unit(choice, name),
        number if is_number(name) => {
            Walk { unknown: Vec::new() }.value(number, &Tree::Number(name.to_owned()), "").ok()
        }
        _ => None,
    }
}

/// What `serde_json` says to itself under such names is not taken from a client.
fn not_reserved(name: &str, path: &str) -> Result<(), String> {
    if name.starts_with("$serde_json::private::") { Err(path.to_owned()) } else { Ok(()) }
}

fn any(tree: &Tree, path: &str) -> Result<Value, String> {
    Ok(match tree {
        Tree::Null => Value::Null,
        Tree::Bool(value) => Value::Bool(*value),
        Tree::Text(text) => Value::String(text.clone()),
        Tree::List(all) => {
            let places = all.iter().enumerate();
            Value::Array(
                places.map(|(place, tree)| any(tree, &below(path, &place.to_string()))).collect::<Result<_, _>>()?,
            )
        }
        Tree::Object(members) => {
            let values = members.iter().map(|(name, tree)| {
                let path = below(path, name);
                not_reserved(name, &path)?;
                Ok::<_, String>((name.clone(), any(tree, &path)?))
            });
            Value::Object(values.collect::<Result<_, _>>()?)
        }
        Tree::Number(text) => {
            let whole = text.parse::<u64>().map(Number::from).or_else(|_| text.parse::<i64>().map(Number::from));
            let float = || Number::from_f64(text.parse().unwrap()).unwrap();
            Value::Number(whole.ok().filter(|_| text != "-0").unwrap_or_else(float))
        }
    })
}
