//! Presets for the tokens of identity providers.
//!
//! A preset is a [`TokenVerifierBuilder`](crate::token::TokenVerifierBuilder) with what the documentation of a provider says about
//! its tokens: the issuer, where the keys are, the type, the claims with scopes, roles and organisations, and which tokens are no
//! access tokens. What separates your service from others, such as the audience, you add yourself; a preset does not build
//! without it, unless it is an argument of the preset. Settings are added and changed afterwards; what a claim must say stays
//! required.
//!
//! The presets are built from the documentation of the providers, and tested with tokens of the documented shape. They were not
//! tested against the live services.
//!
//! | provider | preset |
//! |---|---|
//! | Auth0 | [`auth0`]: access tokens of both profiles |
//! | Okta | [`okta`]: access tokens of a custom authorization server |
//! | Microsoft Entra ID | [`entra`]: one tenant, version 2.0; [`entra_v1`]: version 1.0; [`entra_tenants`]: many tenants |
//! | Microsoft Entra External ID | [`entra_external`] |
//! | Azure AD B2C | [`azure_b2c`]: one policy; [`azure_b2c_tfp`]: with the policy in the issuer |
//! | Amazon Cognito | [`cognito`]: access tokens of a user pool; id tokens are refused |
//! | Google | [`google`]: id tokens, because access tokens are opaque |
//! | Google Identity-Aware Proxy | [`google_iap`]: header `x-goog-iap-jwt-assertion` |
//! | Firebase | [`firebase`]: users; [`firebase_app_check`]: apps, header `X-Firebase-AppCheck` |
//! | GitHub Actions | [`github_actions`], [`github_enterprise_actions`] |
//! | GitLab CI/CD | [`gitlab_ci`] |
//! | Kubernetes | [`kubernetes`]: service accounts; [`kubernetes_in_cluster`]: of the service's own cluster |
//!
//! # When not to use it
//!
//! For a provider that is not listed, or an authorization server of your own: start with
//! [`TokenVerifier::discover`](crate::TokenVerifier::discover).

mod auth0;
mod azure_b2c;
mod ci;
mod cognito;
mod domain;
mod entra;
mod firebase;
mod google;
mod kubernetes;
mod okta;

pub use self::{
    auth0::auth0,
    azure_b2c::{azure_b2c, azure_b2c_tfp},
    ci::{github_actions, github_enterprise_actions, gitlab_ci},
    cognito::cognito,
    entra::{entra, entra_external, entra_tenants, entra_v1},
    firebase::{firebase, firebase_app_check},
    google::{google, google_iap},
    kubernetes::{kubernetes, kubernetes_in_cluster},
    okta::okta,
};
