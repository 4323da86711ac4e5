//! Key sets over HTTPS (feature `jwks-http`, together with `aws-lc-rs` or `rust-crypto`).
//!
//! ```no_run
//! use std::time::Duration;
//! use tower_auth::{AuthStack, BearerLayer, BoxError, TokenVerifier};
//!
//! # async fn start() -> Result<(), BoxError> {
//! let tokens = TokenVerifier::discover("https://id.example.com/").audience("https://api.example.com").build()?;
//! let refresh = tokens.start();
//! tokens.ready(Duration::from_secs(10)).await?;
//! let stack = AuthStack::builder().auth(BearerLayer::new(tokens)).build()?;
//! # Ok(())
//! # }
//! ```
//!
//! Addresses come from the configuration and never from a token. Only HTTPS is spoken, unless a method says
//! [`insecure_http`](JwksClient::insecure_http); no redirect is followed, no proxy is asked, no cookie is kept. A document
//! has at most 256 KiB and is JSON by its content type; `Accept` names `application/jwk-set+json`, `application/json`, and
//! anything else last. Errors and warnings name the address, without user, password and query. How often it is fetched is the
//! [verifier's](crate::token::TokenVerifierBuilder) business.
//!
//! # TLS
//!
//! The process's default provider of rustls is taken where one is installed; else the one of the feature `tls-aws-lc` or
//! `tls-ring`. Without either, building the verifier fails and says so. Roots are those of the operating system.
//!
//! # Runtime
//!
//! The built-in client needs a tokio runtime with IO. Where it has none, or where that ends, the fetch fails, the
//! reason is in the log, and requests are answered by the keys that are there, or 503.
//!
//! # Another HTTP client
//!
//! Any tower service that speaks HTTP can be asked instead: [`JwksClient::with_service`].
//!
//! # When not to use it
//!
//! Where the keys are in a file or in the configuration: [`KeySet`](crate::token::KeySet).

mod client;
mod connect;
mod discovery;
mod get;
mod https;

pub use self::{client::JwksClient, https::Https};
