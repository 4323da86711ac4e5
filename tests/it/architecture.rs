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
/// change of the design and one that is here and no longer in the source is deleted.
///
/// A room imports only rooms further up.
#[rustfmt::skip]
const TABLE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("json", &["base"]),
    ("key", &["base"]),
    ("limit", &["base", "key"]),
    ("principal", &["limit"]),
    ("rejection", &["base", "json", "principal"]),
    ("context", &["base", "json", "key", "limit", "principal", "rejection"]),
    ("store", &["base", "key", "limit", "principal"]),
    ("gate", &["base", "context", "limit", "principal", "rejection"]),
    ("authenticate", &["base", "context", "gate", "principal", "rejection"]),
    ("api_key", &["authenticate", "base", "context", "gate", "key", "rejection", "store"]),
    ("token", &["base", "json", "key", "limit", "principal"]),
    ("jwks", &["base", "token"]),
    ("dpop", &["base", "json", "key", "token"]),
    ("issuers", &["base", "jwks", "token"]),
    ("bearer", &["authenticate", "base", "context", "dpop", "gate", "rejection", "token"]),
    ("permission", &["base", "context", "gate", "principal", "rejection"]),
    ("resource", &["base", "context", "key", "permission", "rejection", "token"]),
    ("registry", &["base", "json", "key", "limit", "principal", "rejection", "store"]),
    ("session", &["base", "dpop", "key", "limit", "principal", "registry", "rejection", "store", "token"]),
    ("cache", &["base", "key", "registry", "session", "store"]),
    ("usage", &["base", "context", "principal", "rejection"]),
    ("rate_limit", &["base", "context", "gate", "limit", "principal", "rejection"]),
    ("alerts", &["base", "context", "key", "principal", "rate_limit", "registry", "rejection", "usage"]),
    ("memory", &["alerts", "base", "key", "limit", "registry", "session", "store", "usage"]),
    ("postgres", &["alerts", "base", "cache", "key", "limit", "registry", "session", "store", "token", "usage"]),
    ("sqlite", &["alerts", "base", "cache", "key", "limit", "registry", "session", "store", "token", "usage"]),
    ("redis", &["base", "cache", "limit"]),
    ("file", &["base", "key", "limit", "principal", "rate_limit", "store"]),
    ("strict_body", &["base", "context", "gate", "json", "rejection"]),
    ("mcp", &["base", "context", "gate", "json", "permission", "principal", "rejection", "strict_body"]),
    ("leaks", &["base", "context", "jwks", "key", "registry", "rejection", "store", "strict_body", "token"]),
    ("endpoints", &["api_key", "authenticate", "base", "bearer", "context", "dpop", "gate", "json", "key", "permission", "principal", "rate_limit", "rejection", "session", "strict_body"]),
    ("envelope", &["base", "context", "json", "rejection"]),
    ("stack", &["authenticate", "base", "context", "envelope", "gate", "permission", "rate_limit"]),
    ("axum", &["base", "context", "json", "permission", "principal", "rate_limit", "rejection", "strict_body"]),
    ("tonic", &["context", "envelope", "principal", "rejection"]),
    ("testing", &["alerts", "authenticate", "base", "context", "key", "limit", "principal", "registry", "rejection", "session", "store", "token", "usage"]),
];

/// Rooms that are layers. A method of `authenticate` is what `api_key` is, so that one edge is theirs.
const LAYERS: [&str; 7] = ["api_key", "bearer", "authenticate", "permission", "rate_limit", "strict_body", "envelope"];
/// Rooms that no room imports: hosts, the stack, what only tests need, and backends. A backend is one folder that implements
/// traits of several rooms.
const OUTERMOST: [&str; 9] = ["axum", "tonic", "stack", "testing", "memory", "file", "sqlite", "postgres", "redis"];

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
            // `pub(in crate::room)` says who may see, and imports nothing.
            if source.code[..at].ends_with("(in ") {
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
        // A file comes first: it may have the name of what it exports, as `issuers/auth0.rs` has.
        if SOURCES.iter().any(|source| source.module == head) {
            return head.to_vec();
        }
        if let Some(behind) = exports.get(head) {
            return file_of(behind, exports);
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
    // A room that names none of those left is in no cycle.
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
fn rooms_import_what_the_table_says() {
    let table: BTreeSet<(String, String)> =
        TABLE.iter().flat_map(|(from, all)| all.iter().map(|to| ((*from).to_owned(), (*to).to_owned()))).collect();
    let edges = room_edges();
    let new: Vec<_> = edges.difference(&table).collect();
    assert!(new.is_empty(), "new edges between rooms, which change the design: {new:?}");
    let gone: Vec<_> = table.difference(&edges).collect();
    assert!(gone.is_empty(), "edges that nothing needs any more, to be deleted from the table: {gone:?}");
}

#[test]
fn every_room_is_in_the_table_below_what_it_imports() {
    let rooms: BTreeSet<&str> = SOURCES.iter().filter_map(|source| source.module.first().map(String::as_str)).collect();
    assert_eq!(rooms, TABLE.iter().map(|(room, _)| *room).collect());
    for (place, (room, imports)) in TABLE.iter().enumerate() {
        for import in *imports {
            assert!(TABLE[..place].iter().any(|(above, _)| above == import), "{room} imports {import}");
        }
    }
}

#[test]
fn rooms_form_no_cycle() {
    assert_eq!(cycle(&room_edges()), None);
}

#[test]
fn layers_never_import_each_other() {
    for (from, to) in room_edges() {
        let allowed = ["api_key", "bearer"].contains(&from.as_str()) && to == "authenticate";
        let layers = LAYERS.contains(&from.as_str()) && LAYERS.contains(&to.as_str());
        assert!(allowed || !layers, "the layer {from} imports the layer {to}");
    }
}

#[test]
fn nobody_imports_hosts_stack_or_testing() {
    for (from, to) in room_edges() {
        assert!(!OUTERMOST.contains(&to.as_str()), "{from} imports {to}");
    }
}

#[test]
fn files_of_a_room_form_no_cycle() {
    let name = |module: &[String]| module.join("/");
    let edges: BTreeSet<(String, String)> = file_edges().iter().map(|(from, to)| (name(from), name(to))).collect();
    assert_eq!(cycle(&edges), None);
}

#[test]
fn a_guard_never_imports_its_layer() {
    let edges = file_edges();
    assert!(edges.iter().any(|(from, to)| from.ends_with(&["layer".into()]) && to.ends_with(&["guard".into()])));
    for (from, to) in edges {
        let upwards = from.ends_with(&["guard".into()]) && to.ends_with(&["layer".into()]);
        assert!(!upwards, "{} imports {}", from.join("/"), to.join("/"));
    }
}

#[test]
fn mod_files_hold_the_manual_page_and_re_exports_only() {
    for source in SOURCES.iter().filter(|source| is_index(source)) {
        for statement in source.code.split(';').map(|statement| without_attributes(statement).trim()) {
            let item =
                statement.strip_prefix("pub").map_or(statement, |item| match item.trim_start().strip_prefix('(') {
                    Some(scope) => scope.split_once(')').unwrap().1,
                    None => item,
                });
            let item = item.trim_start();
            let allowed =
                item.is_empty() || item.starts_with("use ") || (item.starts_with("mod ") && !item.contains('{'));
            assert!(allowed, "{}: {statement}", source.path);
        }
    }
}

/// What stands behind the attributes of an item.
fn without_attributes(mut item: &str) -> &str {
    while let Some(attribute) = item.trim_start().strip_prefix('#') {
        item = attribute.split_once(']').unwrap().1;
    }
    item
}

/// The files whose code has a word of which these characters are a whole part.
fn naming(word: &str) -> Vec<&'static str> {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let has = |code: &str| {
        code.match_indices(word)
            .any(|(at, _)| !inside(code[..at].chars().next_back()) && !inside(code[at + word.len()..].chars().next()))
    };
    SOURCES.iter().filter(|source| has(&source.code)).map(|source| source.path.as_str()).collect()
}

#[test]
fn secrets_are_hashed_and_compared_in_one_file() {
    for word in ["subtle", "ct_eq"] {
        assert_eq!(naming(word), ["key/digest.rs"], "{word}");
    }
    // What checks the signatures of tokens hashes too, and nothing else does.
    for word in ["sha2", "hmac", "Sha256", "Hmac", "aws_lc_rs"] {
        let others = naming(word).into_iter().filter(|path| !path.starts_with("token/") && *path != "base/tls.rs");
        assert!(others.eq(["key/digest.rs"].into_iter().filter(|_| word != "aws_lc_rs")), "{word}");
    }
}

#[test]
fn random_bytes_are_drawn_in_two_files() {
    assert_eq!(naming("getrandom"), ["context/trace_id.rs", "key/mint.rs"]);
    // A parameter of AWS-LC, which draws its own.
    assert_eq!(naming("rand"), ["token/backend/aws_lc_signer.rs"]);
    assert!(naming("thread_rng").is_empty());
}

#[test]
fn credential_headers_are_read_in_one_file() {
    // The catalogue's is a kind of error.
    assert_eq!(naming("AUTHORIZATION"), ["base/credential.rs", "envelope/catalogue.rs"]);
    assert!(!naming("header").contains(&"envelope/catalogue.rs"));
    // Only who declares the place of a key or token may take one out of a request.
    let takers = naming("Credential").into_iter().filter(|path| !path.starts_with("rate_limit/")); // a partition's name
    assert!(takers.eq(["api_key/guard.rs", "base/credential.rs", "bearer/guard.rs"]));
    for source in SOURCES.iter() {
        let literal = source.text.contains("\"authorization\"") || source.text.contains("PROXY_AUTHORIZATION");
        assert!(!literal, "{} names a credential header", source.path);
    }
}

/// Which files look at headers at all, so that a new one is thought about.
#[test]
fn headers_are_looked_at_in_few_files() {
    const READS: [&str; 5] = ["headers.get", "headers().get", "headers.contains_key", "get_all(", "headers_mut().get"];
    let reads = |source: &&Source| READS.iter().any(|read| source.code.contains(read));
    let files: Vec<_> = SOURCES.iter().filter(reads).map(|source| source.path.as_str()).collect();
    let allowed = [
        "api_key/restricted.rs", // `Origin`, for keys that only some websites may use
        "base/challenge.rs",     // the challenge of a response
        "base/credential.rs",
        "base/document.rs",           // the version of a document that a client has
        "base/protocol.rs",           // the content type of a request, and what makes a preflight or a WebSocket
        "base/same_site.rs",          // whether another website has made a request with a cookie
        "base/vary.rs",               // `Vary` of a response
        "context/decision/value.rs",  // `User-Agent`, for the usage of keys
        "context/forwarded.rs",       // the address of the client, as a proxy names it
        "context/request_id.rs",      // `x-request-id`
        "context/trace_id.rs",        // `traceparent`
        "envelope/adopt.rs",          // the content type of a response
        "envelope/answer.rs",         // what of a response is a gate's own word
        "envelope/settings.rs",       // the media types that a client accepts
        "gate/effects.rs",            // `Vary` of a response
        "jwks/get.rs",                // the content type of a key set
        "leaks/head.rs",              // who has signed a report
        "mcp/head.rs",                // the operation that the headers claim
        "permission/organization.rs", // the header that a service declared
        "rate_limit/headers.rs",      // whether a limit further in has spoken
        "strict_body/head.rs",        // whether a body is announced
        "strict_body/media.rs",       // the media type and the codings of a body
    ];
    assert_eq!(files, allowed);
}

#[test]
fn keys_and_stores_know_no_http() {
    for word in ["http", "http_body", "tower_service", "tower_layer"] {
        let knowing = naming(word);
        let not_there = [
            "json/",
            "key/",
            "store/",
            "token/",
            "principal/",
            "base/clock.rs",
            "base/error.rs",
            "base/secret.rs",
            "base/maybe_ready.rs",
        ];
        for path in knowing {
            assert!(!not_there.iter().any(|room| path.starts_with(room)), "{path} names {word}");
        }
    }
}

#[test]
fn no_file_is_long() {
    for source in SOURCES.iter() {
        let lines = source.text.lines().count();
        assert!(lines <= MOST_LINES, "{} has {lines} lines", source.path);
    }
}

#[test]
fn nothing_in_the_source_panics_on_purpose() {
    let words = [
        ".unwrap()",
        ".unwrap_err()",
        ".expect(",
        ".expect_err(",
        "todo!",
        "unimplemented!",
        "unreachable!",
        "panic!",
        "dbg!",
        "println!",
        "process::exit",
    ];
    for source in SOURCES.iter().filter(|source| !source.path.starts_with("testing/")) {
        for word in words {
            assert!(!source.code.contains(word), "{} has {word}", source.path);
        }
    }
}

fn cargo(arguments: &[&str]) -> String {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `1.88` and `1.88.0` are the same.
fn version(text: &str) -> Vec<u32> {
    let mut numbers: Vec<u32> = text.split('.').map(|number| number.parse().unwrap()).collect();
    numbers.resize(3, 0);
    numbers
}

/// What a service that depends on this crate compiles: the packages behind normal and build dependencies.
fn normal_packages(metadata: &Value) -> Vec<&Value> {
    let nodes: BTreeMap<&str, &Value> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["id"].as_str().unwrap(), node))
        .collect();
    let mut found = BTreeSet::new();
    let mut waiting = vec![metadata["resolve"]["root"].as_str().unwrap()];
    while let Some(id) = waiting.pop() {
        if !found.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().unwrap() {
            let kinds = dependency["dep_kinds"].as_array().unwrap();
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                waiting.push(dependency["pkg"].as_str().unwrap());
            }
        }
    }
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| found.contains(package["id"].as_str().unwrap()))
        .collect()
}

#[test]
fn the_rust_version_is_the_lowest_that_every_dependency_allows() {
    let about = cargo(&["--version", "--verbose"]);
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // Packages for other systems need not be on this machine.
    let arguments =
        ["metadata", "--format-version", "1", "--offline", "--locked", "--all-features", "--filter-platform", host];
    let metadata: Value = serde_json::from_str(&cargo(&arguments)).unwrap();
    let ours = version(env!("CARGO_PKG_RUST_VERSION"));
    let packages = normal_packages(&metadata);
    for (name, present) in [("http", true), ("axum", true), ("sha2", true), ("proptest", false)] {
        let there = packages.iter().any(|package| package["name"] == name);
        assert_eq!(there, present, "{name}");
    }
    let wanted = packages
        .iter()
        .filter_map(|package| Some((version(package["rust_version"].as_str()?), package["name"].as_str()?)));
    let (highest, name) = wanted.max().unwrap();
    assert_eq!(ours, highest, "{name} decides the lowest Rust that the tree allows");
}
