//! The table against a reference that is written a second way, slowly and plainly.

use std::convert::Infallible;

use http::Request;
use proptest::{collection::vec, prelude::*, sample::select, test_runner::Config};
use tower::{Layer as _, ServiceExt as _};
use tower_auth::{AuthStack, Rules, permission::scope};

use super::{build, known, stranger};
use crate::support::{Body, ok};

/// Whom a rule grants: everybody, every known caller, or nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Public,
    Granted,
    Denied,
}

/// All that a path of these segments can be split into, and every segment held against every part of a pattern,
/// recursively.
fn meets(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) | (Some((&"**", [])), _) => true,
        (Some((part, pattern)), Some((segment, path))) => {
            let wild = *part == "*" || (part.starts_with('{') && part.ends_with('}'));
            (if wild { !segment.is_empty() } else { part == segment }) && meets(pattern, path)
        }
        _ => false,
    }
}

/// Whether a path has exactly one reading, by decoding it and looking at what came of it.
fn plain(path: &str) -> bool {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::new();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            decoded.push((*first, false));
            continue;
        }
        let Some(byte) =
            behind.get(..2).and_then(|hex| str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok())
        else {
            return false;
        };
        // `from_str_radix` would read a sign.
        if behind[0] == b'+' {
            return false;
        }
        decoded.push((byte, true));
        rest = &behind[2..];
    }
    let encoded_twice = |at: usize| {
        decoded[at] == (b'%', true)
            && decoded.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(|(byte, _)| byte.is_ascii_hexdigit()))
    };
    let hidden = decoded.iter().any(|(byte, encoded)| {
        *encoded && (byte.is_ascii_alphanumeric() || byte.is_ascii_control() || b"/\\.".contains(byte))
    });
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let empty = segments.iter().rev().skip(1).any(|segment| segment.is_empty());
    let dots = segments.iter().any(|segment| [".", ".."].contains(segment));
    !(hidden || empty || dots || path.contains('\\') || (0..decoded.len()).any(encoded_twice))
}

fn reference(table: &[(String, Access)], otherwise: Option<Access>, method: &str, path: &str) -> Result<Access, u16> {
    if !plain(path) {
        return Err(400);
    }
    decides(table, method, path).map(|place| table[place].1).or(otherwise).ok_or(404)
}

/// The place of the rule that decides.
fn decides(table: &[(String, Access)], method: &str, path: &str) -> Option<usize> {
    for (place, (rule, _)) in table.iter().enumerate() {
        let (of_method, pattern) = rule.split_once(' ').unwrap();
        let by_method = of_method == "*" || of_method == method || (of_method == "GET" && method == "HEAD");
        let pattern: Vec<&str> = pattern.split('/').skip(1).collect();
        if by_method && meets(&pattern, &path.split('/').skip(1).collect::<Vec<_>>()) {
            return Some(place);
        }
    }
    None
}

fn rules(table: &[(String, Access)]) -> Rules {
    table.iter().fold(Rules::new(), |rules, (pattern, access)| match access {
        Access::Public => rules.public(pattern),
        Access::Granted => rules.require(pattern, scope("read")),
        Access::Denied => rules.require(pattern, scope("admin")),
    })
}

/// The rules of a table that are taken: those that an earlier one covers are refused, and decide about no path.
fn taken(table: Vec<(String, Access)>, method: &str, path: &str) -> Vec<(String, Access)> {
    let mut kept = Vec::new();
    for rule in table {
        kept.push(rule);
        if build(rules(&kept)).is_err() {
            assert_ne!(decides(&kept, method, path), Some(kept.len() - 1), "{method} {path}: {kept:?}");
            kept.pop();
        }
    }
    kept
}

fn access() -> impl Strategy<Value = Access> {
    select(vec![Access::Public, Access::Granted, Access::Denied])
}

fn rule() -> impl Strategy<Value = (String, Access)> {
    let part = select(vec!["a", "b", "ab", "{x}", "*", "a.b", "%20"]);
    let end = select(vec!["", "/", "/**", "/", "/*"]);
    let method = select(vec!["*", "GET", "POST", "HEAD"]);
    (method, vec(part, 0..3), end, access()).prop_filter_map("a path", |(method, parts, end, access)| {
        let path: String = parts.iter().flat_map(|part| ["/", part]).collect::<String>() + end;
        (!path.is_empty()).then(|| (format!("{method} {path}"), access))
    })
}

fn path() -> impl Strategy<Value = String> {
    let usual = select(vec!["a", "b", "ab", "a.b", "%20", ""]);
    let odd = select(vec![
        ".", "..", "...", "%2e", "%2F", "%2f", "%41", "%25", "%2541", "%25zz", "%", "%4", "%+1", "%C3%A9", "é",
        "a%5Cb", "%00", "%7F", "~", "a;b", "%3B", "a%",
    ]);
    let any = "[a-b%0-9A-F./~é;]{0,6}";
    let segment = prop_oneof![12 => usual.prop_map(str::to_owned), 1 => odd.prop_map(str::to_owned), 1 => any];
    vec(segment, 1..5).prop_map(|segments| segments.iter().flat_map(|segment| ["/", segment]).collect())
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(3000) })]

    #[test]
    fn r018_the_table_decides_as_a_slow_reference_does(
        table in vec(rule(), 0..6),
        otherwise in proptest::option::of(select(vec![Access::Granted, Access::Denied])),
        method in select(vec!["GET", "HEAD", "POST", "PUT"]),
        path in path(),
    ) {
        let table = taken(table, method, &path);
        let rules = rules(&table);
        let rules = match otherwise {
            None => rules,
            Some(Access::Denied) => rules.otherwise(scope("admin")),
            Some(_) => rules.otherwise(scope("read")),
        };
        let (of_known, of_stranger) = match reference(&table, otherwise, method, &path) {
            Ok(Access::Public) => (200, 200),
            Ok(Access::Granted) => (200, 401),
            Ok(Access::Denied) => (403, 401),
            Err(status) => (status, 401),
        };
        let request = || Request::builder().method(method).uri(path.as_str()).body(Body::default());
        // Whether these are refused or read as what they stand for is the matter of another test.
        prop_assume!(request().is_ok() && !["%2d", "%5f", "%7e"].iter().any(|other| path.to_lowercase().contains(other)));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = |stack: &AuthStack| -> Result<u16, Infallible> {
            Ok(runtime.block_on(stack.layer(ok()).oneshot(request().unwrap()))?.status().as_u16())
        };
        prop_assert_eq!(status(&known(rules.clone())).unwrap(), of_known, "alice, {} {}, {:?}", method, path, table);
        prop_assert_eq!(status(&stranger(rules)).unwrap(), of_stranger, "a stranger, {} {}, {:?}", method, path, table);
    }
}
