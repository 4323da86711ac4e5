//! Signatures: verified and made. Each key is parsed once. If both features are on, `aws-lc-rs` is used.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_signer;
#[cfg(feature = "aws-lc-rs")]
mod der;
mod mac;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(
    all(feature = "aws-lc-rs", not(test)),
    expect(dead_code, reason = "if both features are on, only aws-lc-rs is used")
)]
mod rust_crypto;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(
    all(feature = "aws-lc-rs", not(test)),
    expect(dead_code, reason = "if both features are on, only aws-lc-rs is used")
)]
mod rust_crypto_signer;

#[cfg(feature = "aws-lc-rs")]
pub(super) use self::{aws_lc::Key, aws_lc_signer::Signer};
#[cfg(not(feature = "aws-lc-rs"))]
pub(super) use self::{rust_crypto::Key, rust_crypto_signer::Signer};
