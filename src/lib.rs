#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

// Not public: `use tower_auth::*` would hide the crate of the same name.
#[cfg(feature = "axum")]
mod axum;
mod base;
mod context;
mod principal;

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
#[doc(inline)]
pub use self::axum::{StrictJson, StrictPath, StrictQuery};
#[cfg(feature = "strict-body")]
#[doc(inline)]
pub use self::strict_body::{BodyLimits, StrictBodyLayer};
#[doc(inline)]
pub use self::{
    api_key::{ApiKeyLayer, Disclosure},
    authenticate::{AuthFuture, AuthLayer, AuthOutcome, Authenticator},
    base::{
        challenge::Challenge,
        clock::Clock,
        error::{BoxError, ConfigError},
        maybe_ready::MaybeReady,
        secret::Secret,
    },
    context::{
        client_ip::ClientIp, decision::Decision, head::RequestHead, identity::Anonymous, late_refusal::LateRefusal,
        peer::PeerAddr, request_ext::RequestExt, request_id::RequestId, trace_id::TraceId,
    },
    envelope::ErrorEnvelopeLayer,
    key::{Alphabet, KeyDigest, KeyDigests, KeyFormat, KeyScheme, Peppers},
    limit::{Limiter, Quota},
    permission::{Denial, Permission, PermissionFuture, RequireLayer, Rules, Verdict},
    principal::{AuthMethod, Principal, PrincipalBuilder},
    rate_limit::{Plans, RateLimitLayer},
    registry::{KeyRegistry, NewKey, RegistryError},
    rejection::{Detail, Rejection, RejectionKind},
    stack::AuthStack,
    store::{KeyRecord, KeyState, KeyStatus, KeyStore, MemoryKeyStore, StoreFuture},
};
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[doc(inline)]
pub use self::{
    base::task::{Health, Task},
    bearer::BearerLayer,
    token::TokenVerifier,
};
