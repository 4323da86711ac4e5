//! What checks signatures: keys parsed once, for every algorithm.
//!
//! With both features on, `aws-lc-rs` is taken; without either, no key can be made.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "aws-lc-rs")]
mod der;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod mac;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod none;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(feature = "aws-lc-rs", expect(dead_code, reason = "both are on, and one is taken"))]
mod rust_crypto;

#[cfg(feature = "aws-lc-rs")]
pub(super) use self::aws_lc::Key;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(super) use self::none::Key;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
pub(super) use self::rust_crypto::Key;
