//! Keys that were published by mistake: the endpoint that GitHub's [secret scanning] calls (feature `strict-body`, together
//! with `aws-lc-rs` or `rust-crypto`).
//!
//! GitHub searches public repositories for the pattern of your keys ([`KeyFormat::scanner_pattern`](crate::KeyFormat::scanner_pattern)), and
//! posts what it finds to an address of yours. [`LeakReports`] verifies that the report is GitHub's, revokes the keys, tells
//! you, and answers which of the tokens were keys of yours.
//!
//! ```no_run
//! use axum::Router;
//! use tower_auth::{ConfigError, KeyRegistry, MemoryKeyStore, leaks::{GitHubKeys, LeakReports}};
//!
//! fn routes(registry: KeyRegistry, store: MemoryKeyStore) -> Result<Router, ConfigError> {
//!     let reports = LeakReports::new(registry, store, GitHubKeys::fetched()?) // fetched needs the feature jwks-http
//!         .on_leak(|leak| println!("tell {:?}: {} was found at {}", leak.account, leak.hint, leak.url));
//!     Ok(Router::new().route_service("/secret-scanning/github", reports)) // outside of the guards
//! }
//! ```
//!
//! # What becomes of a reported token
//!
//! | the token | answer | what is done |
//! |---|---|---|
//! | has not the format of the scheme, or is no key of the store | `false_positive` | nothing |
//! | is a key, also a paused, deactivated, expired or not yet valid one, or one of a suspended account | `true_positive` | [`LeakPolicy::Revoke`]: it is revoked. [`LeakPolicy::AlertOnly`]: nothing. A paused or expired key is revoked too, because it could be used again |
//! | is a key that is revoked or deleted | `true_positive` | nothing |
//! | was a key, and is purged | `false_positive` | nothing: only its digest is left, which no lookup finds |
//!
//! In the audit log, the actor is `github-secret-scanning`, and the row has the `reason` with the URL. For every key,
//! [`on_leak`](LeakReports::on_leak) is called and a warning is logged, both without the key. A report may be repeated, also
//! at the same moment: a key is revoked once, and the other calls say [`LeakOutcome::AlreadyRevoked`]. A token that a report
//! names twice counts once, with the first of its URLs.
//!
//! Its successor or predecessor is another key, and is not touched.
//!
//! # Answers
//!
//! A report is answered 200 with a JSON list of `token_hash` (SHA-256 in lower-case hex), `token_type` and `label`. Refusals
//! are a [`Rejection`](crate::Rejection) with an empty body, to which an envelope further out adds one. All answers have
//! `Cache-Control: no-store`.
//!
//! | what | status |
//! |---|---|
//! | another method than POST | 405 |
//! | no signature; an unknown key of GitHub; a wrong signature | 401 |
//! | a malformed signature header | 400 |
//! | a body that is not JSON by its `Content-Type`, too large (1 MiB), or too slow (10 s) | 415, 413, 408 |
//! | signed by GitHub, but not a list of objects with a token | 400 |
//! | GitHub's keys cannot be fetched; the store fails for a key; the report takes more than 25 s | 503 |
//!
//! After a 503, the report must come again: keys that were revoked stay revoked, and the others are revoked then. GitHub
//! does not document when it repeats a report, so watch the log for these.
//!
//! # When not to use it
//!
//! GitHub calls it only after you have joined the [partner program][secret scanning], for a pattern that finds your keys and
//! little else. Keys that GitHub has not found are revoked with [`KeyRegistry::revoke`](crate::KeyRegistry::revoke). Keys that
//! people edit in a file have no registry.
//!
//! [secret scanning]: https://docs.github.com/en/code-security/secret-scanning/secret-scanning-partnership-program/secret-scanning-partner-program

mod github;
mod handle;
mod head;
mod keys;
mod policy;
mod published;
mod report;
mod service;

pub use self::{
    github::GitHubKeys,
    keys::ReportKeys,
    policy::{LeakOutcome, LeakPolicy, LeakedKey},
    service::LeakReports,
};
