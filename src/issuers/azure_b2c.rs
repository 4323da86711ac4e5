//! Azure AD B2C.

use super::domain::{check_guid, check_host, check_word, faulty};
use crate::{
    jwks::JwksClient,
    token::{TokenVerifier, TokenVerifierBuilder},
};

/// Access tokens of one user flow or policy of Azure AD B2C. The host is `<name>.b2clogin.com` or a custom domain, the tenant is its
/// GUID, and the policy is written as in the claim `tfp`.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::azure_b2c("contoso.b2clogin.com", "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11", "B2C_1_sign_in")
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // the application id of the API
///     .client("azp", ["9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3"]) // the applications that call it
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://<host>/<tenant>/v2.0/`, with a slash, and `typ` is `JWT`. The policy is in `tfp`: choose so in the
/// settings of the user flow ("claim representing user flow"). The old setting `acr` is not accepted.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub` |
/// | scopes | `scp`, a string |
///
/// # What is refused
///
/// - A token of another policy, such as the one that only edits a profile or resets a password. Use a second verifier for a policy that
///   your API accepts too; the issuers are equal, so it needs a route of its own.
/// - An id token, which has no `azp`, if [`client`](TokenVerifierBuilder::client) is called as above. Without it, an id token is good if
///   client and API are one application.
/// - A token of the other form of issuer, `https://<host>/tfp/<tenant>/<policy>/v2.0/`: see [`azure_b2c_tfp`].
///
/// # What remains yours
///
/// The audience and the clients. Claims of custom attributes are `extension_<Name>`.
///
/// # Source
///
/// Azure AD B2C, "Overview of tokens" and "Configure tokens"; Microsoft Identity Web, "Azure AD B2C issuer claim support". The
/// address of the metadata is that of common tenants. Built from this, and not tested against the live service.
pub fn azure_b2c(host: &str, tenant: &str, policy: &str) -> TokenVerifierBuilder {
    of_issuer("azure_b2c", host, tenant, policy, format!("https://{host}/{tenant}/v2.0/"))
        .require_claim("tfp", [policy])
}

/// Access tokens of one user flow or policy of Azure AD B2C, if the issuer has the policy in its path: the setting
/// "issuer (iss) claim" is `https://<host>/tfp/<tenant>/<policy>/v2.0/`.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::azure_b2c_tfp("contoso.b2clogin.com", "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11", "b2c_1_sign_in")
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10")
///     .client("azp", ["9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3"])
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All is as for [`azure_b2c`], except that the issuer names the policy, and no claim has to. Write the policy as in `iss`: upper and
/// lower case differ.
///
/// # Source
///
/// Microsoft Identity Web, "Azure AD B2C issuer claim support". Built from this, and not tested against the live service.
pub fn azure_b2c_tfp(host: &str, tenant: &str, policy: &str) -> TokenVerifierBuilder {
    of_issuer("azure_b2c_tfp", host, tenant, policy, format!("https://{host}/tfp/{tenant}/{policy}/v2.0/"))
}

fn of_issuer(preset: &str, host: &str, tenant: &str, policy: &str, issuer: String) -> TokenVerifierBuilder {
    let checked = check_host(preset, host, "contoso.b2clogin.com")
        .and_then(|()| check_guid(preset, "the tenant", tenant))
        .and_then(|()| check_word(preset, "the policy", policy, "B2C_1_sign_in"));
    if let Err(fault) = checked {
        return faulty(preset, fault);
    }
    // Every policy has metadata of its own, and may have keys of its own.
    let keys = JwksClient::discover(issuer.clone())
        .metadata_at(format!("https://{host}/{tenant}/{policy}/v2.0/.well-known/openid-configuration"));
    TokenVerifier::source(issuer, keys).typ(["JWT"]).scopes_from("scp")
}
