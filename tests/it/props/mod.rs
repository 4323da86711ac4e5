//! What holds for any input. The references are written a second way, slowly and plainly.

mod challenges;
mod claims;
mod json;
mod keys;
mod patterns;
mod requests;

use proptest::test_runner::Config;

/// No file is written for a failing case: the message shows it, smallest form first.
fn cases(cases: u32) -> Config {
    Config { failure_persistence: None, ..Config::with_cases(cases) }
}
