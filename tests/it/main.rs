//! One binary for all integration tests: shared servers, one link. A test that covers a numbered behaviour carries
//! the number.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod support;

mod alerts;
mod allocations;
mod architecture;
mod auto_traits;
mod budgets;
mod cache;
mod context;
mod decided;
mod decisions;
mod documented_apis;
mod dpop;
mod endpoints;
mod examples;
#[cfg(unix)]
mod examples_keys;
mod file_keys;
mod formats;
mod grpc;
mod hosts;
mod introspection;
mod issuers;
mod json;
mod key_sets;
mod leaks;
mod limits;
mod mcp;
mod no_leak;
mod pitfalls;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_limits;
mod props;
mod rate_limits;
mod readiness;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_limits;
mod registry;
mod regressions;
mod resource;
mod restrictions;
mod rules_authentication;
mod rules_envelope;
mod rules_keys;
mod rules_permissions;
mod rules_table;
mod session_stores;
mod sessions;
mod signing;
#[cfg(feature = "sqlite")]
mod sqlite;
mod stores;
mod strict_bodies;
mod test_issuer;
mod test_kit;
mod tokens;
mod usage;
