//! The tests of tokens with the other backend: a part of `tests/it/`, so that it compiles in less time. `tests/run` runs it without
//! `--all-features`.
#![allow(dead_code, unused_imports, reason = "a part of what the modules share is used by the others")]

#[path = "it/key_sets/mod.rs"]
mod key_sets;
#[path = "it/no_leak.rs"]
mod no_leak;
#[path = "it/sessions/mod.rs"]
mod sessions;
#[path = "it/signing/mod.rs"]
mod signing;
#[path = "it/support/mod.rs"]
mod support;
#[path = "it/tokens/mod.rs"]
mod tokens;
