//! Rule 148 with the public JSON test suite, whose files stand in `tests/fixtures/JSONTestSuite`.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;
use tower_auth::json::{self, JsonLimits};

use super::{fault, read, violations};

/// The cases of one kind, by the name between `n_` and `.json`.
fn cases(kind: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/JSONTestSuite/test_parsing");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap())
    });
    // Two files are nothing but repetition, and are made here.
    let large = [
        ("n_structure_100000_opening_arrays.json".to_owned(), "[".repeat(100_000).into_bytes()),
        ("n_structure_open_array_object.json".to_owned(), (r#"[{"":"#.repeat(50_000) + "\n").into_bytes()),
    ];
    let name = |file: &str| Some(file.strip_prefix(kind)?.strip_suffix(".json")?.to_owned());
    files.chain(large).filter_map(|(file, bytes)| Some((name(&file)?, bytes))).collect()
}

/// The rows of the table on the manual page: the case, and how it is read.
fn table() -> Vec<(&'static str, &'static str)> {
    let page = include_str!("../../../src/json/mod.rs");
    let rows = page.lines().filter_map(|line| line.strip_prefix("//! | `")?.strip_suffix(" |")?.split_once("` | "));
    rows.flat_map(|(names, decision)| names.split("`, `").map(move |name| (name, decision))).collect()
}

#[test]
fn r148_the_suites_broken_files_are_no_json() {
    let cases = cases("n_");
    assert_eq!(cases.len(), 188);
    for bytes in cases.values() {
        // It panics where one is JSON, and where a type and no type differ.
        fault(bytes);
    }
}

#[test]
fn r148_the_suites_good_files_are_read_as_everybody_reads_them() {
    let mut cases = cases("y_");
    assert_eq!(cases.len(), 95);
    for repeated in ["object_duplicated_key", "object_duplicated_key_and_value"] {
        let bytes = cases.remove(repeated).unwrap();
        assert_eq!(fault(bytes).reason(), "the name stands in the object already", "{repeated}");
    }
    assert_eq!(cases.len(), 93);
    for (name, bytes) in cases {
        json::check(&bytes, &JsonLimits::new()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ours = read::<Value>(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let theirs = serde_json::from_slice(&bytes).unwrap();
        assert!(same(&ours, &theirs), "{name}: {ours} and {theirs}");
    }
}

/// Equal, but that `serde_json` may take the neighbour of the nearest double.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            ours.keys().eq(theirs.keys()) && ours.iter().all(|(name, ours)| same(ours, &theirs[name]))
        }
        (Value::Number(ours), Value::Number(theirs)) if ours.is_f64() && theirs.is_f64() => {
            let bits = |number: &serde_json::Number| number.as_f64().unwrap().to_bits();
            bits(ours).abs_diff(bits(theirs)) <= 1
        }
        _ => ours == theirs,
    }
}

#[test]
fn r148_the_suites_open_cases_are_decided_as_the_manual_says() {
    let cases = cases("i_");
    assert_eq!(cases.len(), 35);
    let table = table();
    let mut named: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
    named.sort_unstable();
    assert_eq!(named, cases.keys().collect::<Vec<_>>(), "the table names each case once");
    for (name, decision) in table {
        let bytes = &cases[name];
        let reason = match decision {
            "accepted: zero" => {
                assert_eq!(read::<[f64; 1]>(bytes).unwrap().map(f64::to_bits), [0], "{name}");
                continue;
            }
            "accepted: the type decides whether it can hold the number" => {
                assert!(read::<Value>(bytes).unwrap()[0].is_f64(), "{name}");
                assert_eq!(violations::<[i64; 1]>(bytes)[0].pointer(), "/0", "{name}");
                continue;
            }
            "refused: too large for a double" => "the number is too large",
            "refused: half a surrogate pair" => "an escape names half of a surrogate pair",
            "refused: not UTF-8" => "the text is not UTF-8",
            "refused: a byte order mark" => "the text starts with a byte order mark",
            "refused: too deep" => "arrays and objects are nested deeper than is read here",
            other => panic!("{name}: {other:?} is no decision that this test knows"),
        };
        fault(bytes);
        // One of the numbers is longer than the limit too.
        let error = json::check(bytes, &JsonLimits::new().max_number_len(usize::MAX)).unwrap_err();
        assert_eq!(error.reason(), reason, "{name}");
    }
}
