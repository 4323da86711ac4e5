//! Signature verification. Each key is parsed once. If both features are on, `aws-lc-rs` is used.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "aws-lc-rs")]
mod der;
mod mac;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(feature = "aws-lc-rs", expect(dead_code, reason = "if both features are on, only aws-lc-rs is used"))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(super) use self::aws_lc::Key;
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use self::rust_crypto::Key;
