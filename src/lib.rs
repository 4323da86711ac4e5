#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod asked;
mod attempts;
// Not public: `use tower_auth::*` would hide the crate of the same name.
#[cfg(feature = "axum")]
mod axum;
mod challenge;
mod clock;
mod credential;
mod decision;
mod error;
mod faults;
mod hex;
mod identity;
mod peer;
mod principal;
mod protocol;
mod request_id;
mod secret;
mod shown;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod task;
mod time_limit;
mod timer;
mod trace_id;
#[cfg(feature = "strict-body")]
mod validated;
mod vary;

pub mod api_key;
pub mod authenticate;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod bearer;
pub mod envelope;
pub mod gate;
pub mod json;
#[cfg(all(feature = "jwks-http", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub mod jwks;
pub mod key;
pub mod limit;
pub mod permission;
pub mod rate_limit;
pub mod registry;
pub mod rejection;
pub mod stack;
pub mod store;
#[cfg(feature = "strict-body")]
pub mod strict_body;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub mod token;

#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "tonic")]
mod tonic;

#[cfg(feature = "axum")]
pub use self::axum::{StrictJson, StrictPath, StrictQuery};
#[cfg(feature = "strict-body")]
pub use self::strict_body::{BodyLimits, StrictBodyLayer};
pub use self::{
    answer::Answer,
    api_key::{ApiKeyLayer, Disclosure},
    authenticate::{AuthFuture, AuthLayer, Authenticated, Authenticator, RequestHead},
    challenge::Challenge,
    clock::Clock,
    decision::Decision,
    envelope::ErrorEnvelopeLayer,
    error::{BoxError, ConfigError},
    identity::{Anonymous, RequestExt},
    key::{Alphabet, KeyDigest, KeyDigests, KeyFormat, KeyScheme, Peppers},
    limit::{Limiter, Quota},
    peer::PeerAddr,
    permission::{Check, Denial, Permission, RequireLayer, Rules, Verdict},
    principal::{AuthMethod, Principal, PrincipalBuilder},
    rate_limit::{ClientIp, Plans, RateLimitLayer},
    registry::{KeyError, KeyRegistry, NewKey},
    rejection::{Detail, Rejection, RejectionKind},
    request_id::RequestId,
    secret::Secret,
    stack::AuthStack,
    store::{KeyRecord, KeyState, KeyStatus, KeyStore, MemoryKeyStore, StoreFuture},
    trace_id::TraceId,
};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub use self::{
    bearer::BearerLayer,
    task::{Health, Task},
    token::TokenVerifier,
};
