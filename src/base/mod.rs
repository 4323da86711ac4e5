//! Code without dependencies on the rest of the crate: futures that may be ready, time, credentials in headers,
//! challenges, configuration errors, secrets, and small parsers that several modules need.

pub(crate) mod challenge;
pub(crate) mod challenges;
pub(crate) mod clock;
mod cookie;
pub(crate) mod credential;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) mod document;
pub(crate) mod error;
pub(crate) mod file_mode;
pub(crate) mod full_body;
pub(crate) mod hex;
pub(crate) mod maybe_ready;
pub(crate) mod network;
pub(crate) mod protocol;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) mod same_site;
pub(crate) mod secret;
pub(crate) mod shown;
pub(crate) mod subprotocol;
#[cfg(feature = "tokio")]
pub(crate) mod task;
pub(crate) mod time_limit;
pub(crate) mod timer;
#[cfg(any(
    all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")),
    all(feature = "redis", any(feature = "tls-aws-lc", feature = "tls-ring"))
))]
pub(crate) mod tls;
#[cfg(feature = "tokio")]
pub(crate) mod trouble;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) mod url;
pub(crate) mod vary;
