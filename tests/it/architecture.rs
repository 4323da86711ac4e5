//! The import rules of the crate, read from its own source: who may know whom, and what may stand where.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

/// A room and the rooms that it may import. `lib` is left out: it re-exports everything. An edge that is not here is a
/// change of the design (`DESIGN.md`, section 3), and one that is here and no longer in the source is deleted.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
];

/// Rooms that are layers. A method of `authenticate` is what `api_key` is, so that one edge is theirs.
const LAYERS: [&str; 4] = ["api_key", "authenticate", "permission", "envelope"];
/// Rooms that nobody imports: hosts, the paved road, and what only tests need.
const OUTERMOST: [&str; 3] = ["axum", "stack", "testing"];

const MOST_LINES: usize = 400;

/// One file of `src`.
struct Source {
    /// Such as `key/mint.rs`.
    path: String,
    text: String,
    /// The code before the tests, without comments and without what stands in literals.
    code: String,
    /// Such as `["key", "mint"]`.
    module: Vec<String>,
}

static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
    sources()
        .into_iter()
        .map(|(path, text)| Source { code: code_of(&text), module: module_of(&path), path, text })
        .collect()
});

/// Every file of `src`: its path, and its text.
pub(crate) fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                files.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix(".rs").unwrap();
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib")).map(str::to_owned).collect()
}

/// Blanks comments and the insides of literals, and ends at the file's tests.
fn code_of(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap();
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (kept, skipped) = if rest.starts_with("//") {
            ("", rest.find('\n').unwrap_or(rest.len()))
        } else if rest.starts_with("/*") {
            ("", rest.find("*/").unwrap() + 2)
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r\"") { "\"" } else { "\"#" };
            let start = rest.find('"').unwrap() + 1;
            ("\"\"", start + rest[start..].find(end).unwrap() + end.len())
        } else if first == '"' {
            ("\"\"", literal(rest, '"'))
        } else if first == '\'' && (rest[1..].starts_with('\\') || rest[1..].chars().nth(1) == Some('\'')) {
            ("' '", literal(rest, '\''))
        } else {
            (&rest[..first.len_utf8()], first.len_utf8())
        };
        code.push_str(kept);
        rest = &rest[skipped..];
    }
    code
}

/// The length of a literal with its quotes.
fn literal(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.unwrap().0 + 1
}

#[test]
fn the_reader_leaves_code_alone() {
    let text =
        "let a = \"// \\\" unwrap()\"; // crate::x\nlet b: &'a str = r#\"\"quoted\"\"#; let c = ['\\'', '\"', b'x'];\n";
    assert_eq!(code_of(text), "let a = \"\"; \nlet b: &'a str = \"\"; let c = [' ', ' ', b' '];\n");
    assert_eq!(code_of("fn a() {}\n#[cfg(test)]\nmod tests { b.unwrap() }"), "fn a() {}\n");
}

/// All paths of a `use` tree, or the one path, at the start of a text: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(text: &str) -> Vec<Vec<String>> {
    let text = text.trim_start();
    if let Some(inside) = text.strip_prefix('{') {
        let mut depth = 0_usize;
        let end = inside.find(|c: char| match c {
            '{' => {
                depth += 1;
                false
            }
            '}' => {
                depth = depth.wrapping_sub(1);
                depth == usize::MAX
            }
            _ => false,
        });
        return split(&inside[..end.unwrap()]).into_iter().flat_map(paths).collect();
    }
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    match text[name.len()..].trim_start().strip_prefix("::") {
        Some(behind) if !behind.starts_with('<') => {
            paths(behind).into_iter().map(|path| [vec![name.clone()], path].concat()).collect()
        }
        _ if name.is_empty() => vec![vec![]],
        _ => vec![vec![name]],
    }
}

/// The elements of a list, whose braces may hold lists.
fn split(list: &str) -> Vec<&str> {
    let mut depth = 0;
    list.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    })
    .filter(|element| !element.trim().is_empty())
    .collect()
}

#[test]
fn use_trees_are_taken_apart() {
    let all = paths("a::{b, c::{d, e as f}, self}; x::y");
    assert_eq!(all.iter().map(|path| path.join("::")).collect::<Vec<_>>(), ["a::b", "a::c::d", "a::c::e", "a::self"]);
    assert_eq!(paths("answer::BoxFuture<T>"), [["answer", "BoxFuture"]]);
}

/// What a file names with `crate::`, `super::` and `self::`, as paths from the root.
fn named(source: &Source) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (start, back) in [("crate::", None), ("super::", Some(1)), ("self::", Some(0))] {
        for (at, _) in source.code.match_indices(start) {
            let before = source.code[..at].chars().next_back().unwrap_or(' ');
            // The second `super` of `super::super` is met with the first; `$crate` and longer names are others.
            if before.is_alphanumeric() || matches!(before, '_' | '$' | ':') {
                continue;
            }
            let depth = source.module.len();
            let base = back.map_or(&[][..], |back| &source.module[..depth.checked_sub(back).unwrap()]);
            for path in paths(&source.code[at + start.len()..]) {
                let climbs = path.iter().take_while(|part| *part == "super").count();
                let path = path.into_iter().skip(climbs).filter(|part| part != "self");
                all.push(base[..base.len() - climbs].iter().cloned().chain(path).collect());
            }
        }
    }
    all
}

/// Names that a module re-exports, with the paths behind them.
fn re_exports() -> BTreeMap<Vec<String>, Vec<String>> {
    let mut all = BTreeMap::new();
    for source in SOURCES.iter().filter(|source| is_index(source)) {
        for path in named(source) {
            let short = source.module.iter().cloned().chain(path.last().cloned()).collect();
            if short != path {
                all.insert(short, path);
            }
        }
    }
    all
}

fn is_index(source: &Source) -> bool {
    source.path == "lib.rs" || source.path.ends_with("mod.rs")
}

/// The file in which a path's name is defined: re-exports are followed.
fn file_of(path: &[String], exports: &BTreeMap<Vec<String>, Vec<String>>) -> Vec<String> {
    for end in (1..=path.len()).rev() {
        let head = &path[..end];
        if let Some(behind) = exports.get(head) {
            return file_of(behind, exports);
        }
        if SOURCES.iter().any(|source| source.module == head) {
            return head.to_vec();
        }
    }
    Vec::new()
}

/// Which file names things of which other file.
fn file_edges() -> BTreeSet<(Vec<String>, Vec<String>)> {
    let exports = re_exports();
    let mut edges = BTreeSet::new();
    for source in SOURCES.iter().filter(|source| source.path != "lib.rs") {
        for path in named(source) {
            let target = file_of(&path, &exports);
            assert!(!target.is_empty(), "{}: nobody defines crate::{}", source.path, path.join("::"));
            if target != source.module {
                edges.insert((source.module.clone(), target));
            }
        }
    }
    edges
}

fn room_edges() -> BTreeSet<(String, String)> {
    let rooms = file_edges().into_iter().map(|(from, to)| (from[0].clone(), to[0].clone()));
    rooms.filter(|(from, to)| from != to).collect()
}

/// A way from a node back to itself, if there is one.
fn cycle<N: Ord + Clone>(edges: &BTreeSet<(N, N)>) -> Option<Vec<N>> {
    // Whoever names nobody that is left is in no cycle.
    let mut left = edges.clone();
    loop {
        let sources: BTreeSet<N> = left.iter().map(|(from, _)| from.clone()).collect();
        let fewer: BTreeSet<_> = left.iter().filter(|(_, to)| sources.contains(to)).cloned().collect();
        if fewer.len() == left.len() {
            break;
        }
        left = fewer;
    }
    let mut way = vec![left.first()?.0.clone()];
    loop {
        let next = left.iter().find(|(from, _)| from == way.last().unwrap()).unwrap().1.clone();
        if let Some(start) = way.iter().position(|node| *node == next) {
            return Some(way.split_off(start));
        }
        way.push(next);
    }
}

#[test]
fn a_cycle_is_found() {
    let edges = |list: &[(u8, u8)]| list.iter().copied().collect();
    assert_eq!(cycle(&edges(&[(1, 2), (2, 3), (1, 3)])), None);
    assert_eq!(cycle(&edges(&[(1, 2), (2, 3), (3, 2)])), Some(vec![2, 3]));
}

#[test]
fn print_edges() {
    for (from, to) in room_edges() {
        eprintln!("{from} -> {to}");
    }
    eprintln!("{:?}", cycle(&room_edges()));
    eprintln!("{:?}", cycle(&file_edges()));
    for (from, to) in file_edges() {
        if from[0] == to[0] {
            eprintln!("{from:?} -> {to:?}");
        }
    }
}
