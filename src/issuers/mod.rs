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
//! | provider | preset | notes |
//! |---|---|---|
//! | Amazon Cognito | [`cognito`] | access tokens of a user pool; id tokens are refused |
//! | Auth0 | [`auth0`] | access tokens of both profiles |
//! | authentik | [`authentik`] | id tokens are refused by the missing `azp` |
//! | AWS Application Load Balancers | [`aws_alb`] | in the header `x-amzn-oidc-data`; your own balancer alone |
//! | Azure AD B2C | [`azure_b2c`], [`azure_b2c_tfp`] | one policy; with the policy in the issuer |
//! | Clerk | [`clerk`] | needs the origins of your front ends |
//! | Cloudflare Access | [`cloudflare_access`] | in the header `Cf-Access-Jwt-Assertion` |
//! | Descope | [`descope`] | `accept_any_audience`, unless a template sets an audience |
//! | Firebase | [`firebase`], [`firebase_app_check`] | users; apps, in the header `X-Firebase-AppCheck` |
//! | GitHub Actions | [`github_actions`], [`github_enterprise_actions`] | jobs, by ids and not by names |
//! | GitLab CI/CD | [`gitlab_ci`] | jobs |
//! | Google Identity-Aware Proxy | [`google_iap`] | in the header `x-goog-iap-jwt-assertion` |
//! | Google | [`google`] | id tokens, because access tokens are opaque |
//! | Keycloak | [`keycloak`] | needs an audience mapper |
//! | Kinde | [`kinde`] | an audience only if the client asks for one |
//! | Kubernetes | [`kubernetes`], [`kubernetes_in_cluster`] | service accounts; of the service's own cluster |
//! | Logto | [`logto`] | opaque unless the client asks for a resource |
//! | Microsoft Entra External ID | [`entra_external`] | one tenant |
//! | Microsoft Entra ID | [`entra`], [`entra_v1`], [`entra_tenants`] | one tenant, version 2.0 or 1.0; many tenants |
//! | Okta | [`okta`] | access tokens of a custom authorization server |
//! | OneLogin | [`onelogin`] | from experience alone |
//! | Ory Hydra, Ory Network | [`ory_hydra`] | opaque by default |
//! | PingOne | [`pingone`] | `at+jwt` from 2027-03-02 |
//! | SPIFFE | [`spiffe`] | JWT-SVIDs of one trust domain; no `iss` |
//! | Stytch | [`stytch`], [`stytch_b2b`] | the project is the audience |
//! | Supabase | [`supabase`] | anonymous users have the role `authenticated` |
//! | WorkOS | [`workos_session`], [`workos_connect`] | sessions have no audience: their keys are those of one environment |
//! | Zitadel | [`zitadel`] | opaque by default; roles of one project |
//!
//! # When not to use it
//!
//! For a provider that is not listed, or an authorization server of your own: start with
//! [`TokenVerifier::discover`](crate::TokenVerifier::discover).

mod auth0;
mod authentik;
mod aws_alb;
mod azure_b2c;
mod ci;
mod clerk;
mod cloudflare_access;
mod cognito;
mod descope;
mod domain;
mod entra;
mod firebase;
mod google;
mod keycloak;
mod kinde;
mod kubernetes;
mod logto;
mod okta;
mod onelogin;
mod ory;
mod pingone;
mod spiffe;
mod stytch;
mod supabase;
mod workos;
mod zitadel;

pub use self::{
    auth0::auth0,
    authentik::authentik,
    aws_alb::aws_alb,
    azure_b2c::{azure_b2c, azure_b2c_tfp},
    ci::{github_actions, github_enterprise_actions, gitlab_ci},
    clerk::clerk,
    cloudflare_access::cloudflare_access,
    cognito::cognito,
    descope::descope,
    entra::{entra, entra_external, entra_tenants, entra_v1},
    firebase::{firebase, firebase_app_check},
    google::{google, google_iap},
    keycloak::keycloak,
    kinde::kinde,
    kubernetes::{kubernetes, kubernetes_in_cluster},
    logto::logto,
    okta::okta,
    onelogin::onelogin,
    ory::ory_hydra,
    pingone::pingone,
    spiffe::spiffe,
    stytch::{stytch, stytch_b2b},
    supabase::supabase,
    workos::{workos_connect, workos_session},
    zitadel::zitadel,
};
