//! Service accounts of Kubernetes.

use std::{fs, time::Duration};

use super::domain::{check_url, faulty};
use crate::{
    ConfigError,
    jwks::JwksClient,
    token::{TokenVerifier, TokenVerifierBuilder},
};

const CA: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const EXAMPLE: &str = "https://kubernetes.default.svc.cluster.local";

/// Tokens of service accounts of a Kubernetes cluster whose issuer is public, as in the clusters of cloud providers.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::kubernetes("https://oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE")
///     .audience("https://billing.example.com") // `audience` of the projected volume of the calling pod
///     .require_claim("/kubernetes.io/namespace", ["shop"])
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is that of the cluster (`--service-account-issuer`; `kubectl get --raw /.well-known/openid-configuration` shows it). The
/// header has no `typ`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`: `system:serviceaccount:<namespace>:<name>` |
/// | organisations | `/kubernetes.io/namespace` |
///
/// # What is refused
///
/// - The token that every pod has by default: its audience is the API server of the cluster, and it may be good for a year.
/// - A token that is valid for longer than a day. Call [`max_lifetime`](TokenVerifierBuilder::max_lifetime) to change it.
/// - An old token from a `Secret`: its issuer is `kubernetes/serviceaccount`, and it never expires.
/// - A token of another cluster.
///
/// # What remains yours
///
/// The audience. Never use that of the API server. Every pod can get a token for any audience, so name the namespaces or the subjects that
/// may call. A token is good until it expires, also if its pod is gone: only the `TokenReview` API of the cluster knows. While a cluster
/// moves to another issuer, add [`also_issuer`](TokenVerifierBuilder::also_issuer).
///
/// # Source
///
/// Kubernetes, `pkg/serviceaccount/claims.go`, and "Managing Service Accounts". Built from these, and not tested against a live cluster.
pub fn kubernetes(issuer: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_url("kubernetes", issuer, EXAMPLE) {
        return faulty("kubernetes", fault);
    }
    of_accounts(TokenVerifier::discover(issuer.to_owned()))
}

/// Tokens of service accounts of the cluster in which the service itself runs: the keys are fetched from the API server, with the
/// certificate and the token of the pod.
///
/// ```no_run
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::kubernetes_in_cluster("https://kubernetes.default.svc.cluster.local")
///     .audience("https://billing.example.com") // `audience` of the projected volume of the calling pod
///     .require_claim("/kubernetes.io/namespace", ["shop"])
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All else is as for [`kubernetes`]. The keys are at `https://kubernetes.default.svc/openid/v1/jwks`. The token of the pod is read for each
/// fetch, because it changes. The certificate is read once, when this function is called. The pod's service account needs the role
/// `system:service-account-issuer-discovery`, which service accounts have by default.
///
/// Outside of a pod, the builder fails and names the file that is missing, unless
/// [`keys_from`](TokenVerifierBuilder::keys_from) replaces the keys, as in the tests of a service.
pub fn kubernetes_in_cluster(issuer: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_url("kubernetes_in_cluster", issuer, EXAMPLE) {
        return faulty("kubernetes_in_cluster", fault);
    }
    let keys = JwksClient::new("https://kubernetes.default.svc/openid/v1/jwks").bearer_file(TOKEN);
    let keys = match fs::read(CA) {
        Ok(pem) => keys.root_certificate_pem(pem),
        Err(error) => keys.faulty(ConfigError::new(
            format!("issuers::kubernetes_in_cluster cannot read {CA}: {error}"),
            "run the service in a pod with automountServiceAccountToken, or call issuers::kubernetes if the issuer is public",
        )),
    };
    of_accounts(TokenVerifier::source(issuer.to_owned(), keys))
}

fn of_accounts(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    builder
        .allow_missing_typ()
        .max_lifetime(Duration::from_secs(24 * 3600))
        .organizations_from("/kubernetes.io/namespace")
}
