//! Key sets, and introspection of tokens, over HTTPS (feature `jwks-http`, together with `aws-lc-rs` or `rust-crypto`).
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
//! - URLs come from the configuration and never from a token.
//! - Only HTTPS is used, unless [`insecure_http`](JwksClient::insecure_http) is called. Redirects are not followed.
//!   Proxies and cookies are not used.
//! - A document must have at most 256 KiB and a JSON content type. `Accept` prefers `application/jwk-set+json`, then
//!   `application/json`, then any type.
//! - Errors and warnings name the URL without user, password and query.
//! - The [verifier](crate::token::TokenVerifierBuilder) decides how often keys are fetched.
//!
//! # TLS
//!
//! The client uses the process's default crypto provider of rustls if one is installed, and otherwise the provider of
//! the feature `tls-aws-lc` or `tls-ring`. Without a provider, `build` returns an error. The trusted roots are those of
//! the operating system, or those of [`root_certificate_pem`](JwksClient::root_certificate_pem).
//!
//! # Runtime
//!
//! The built-in client needs a tokio runtime with IO. Without such a runtime, or if the runtime ends, the fetch fails
//! and the reason is logged. Tokens are then verified with the keys in memory. If there are no keys in memory, the
//! answer is 503.
//!
//! # Another HTTP client
//!
//! [`JwksClient::with_service`] accepts any tower service that sends HTTP requests.
//!
//! # Introspection
//!
//! [`IntrospectionClient`] asks an authorization server about opaque tokens, with the same rules. It keeps connections open
//! between questions.
//!
//! # When not to use it
//!
//! Do not use it for keys in a file or in the configuration: use [`KeySet`](crate::token::KeySet).

mod address;
mod carried;
mod client;
mod connect;
mod discovery;
mod get;
mod https;
mod introspection;
mod lookup;
mod post;
mod settings;

pub use self::{client::JwksClient, https::Https, introspection::IntrospectionClient, lookup::KeyPerId};
