//! Microsoft Entra ID, for employees and for customers.

use super::domain::{check_guid, check_word, faulty};
use crate::{
    ConfigError,
    jwks::JwksClient,
    token::{Tenants, TokenVerifier, TokenVerifierBuilder},
};

const LOGIN: &str = "https://login.microsoftonline.com";
const TEMPLATE: &str = "https://login.microsoftonline.com/{tenantid}/v2.0";

/// Access tokens, version 2.0, of one tenant of Microsoft Entra ID. The tenant is its GUID.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::entra("5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11")
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // the client id of your API's registration
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # Which version
///
/// The registration of the API decides, and not the endpoint that the client used: `requestedAccessTokenVersion` in its manifest is
/// `2` for this preset, and `null` or `1` for [`entra_v1`].
///
/// # What a token says
///
/// The issuer is `https://login.microsoftonline.com/<tenant>/v2.0`, and `typ` is `JWT`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, which is different in every application |
/// | scopes | `scp`, in tokens of users alone |
/// | roles | `roles`: app roles of a user, or app permissions of an application |
/// | organisations | `tid`: the tenant |
///
/// `.subject_from("oid")` names a user alike in all applications of the tenant; clients must then ask for the scope `profile`. A
/// token that an application got for itself has no scopes: decide by roles.
///
/// Do not use `groups` as roles unless you limit them: from 200 groups on, the claim is missing, and the user has fewer rights without
/// an error.
///
/// # What is refused
///
/// - An id token, also one whose audience is your API because client and API are one registration: it has no `azpacr`.
/// - A token for another API, such as Microsoft Graph; a token of another tenant; a token of version 1.0.
///
/// # What remains yours
///
/// The audience. To admit some applications only, add `.client("azp", [..])`. National clouds have other hosts: begin with
/// [`TokenVerifier::discover`]. An application with claims mapping may sign with a key of its own: use `keys_from` with a
/// [`JwksClient`] whose `metadata_at` has `?appid=`.
///
/// # Source
///
/// Microsoft identity platform, "Access tokens" and "Access token claims reference". Built from this documentation, and not tested
/// against the live service.
pub fn entra(tenant: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_tenant("entra", tenant) {
        return faulty("entra", fault);
    }
    second(TokenVerifier::discover(format!("{LOGIN}/{tenant}/v2.0"))).organizations_from("tid")
}

/// Access tokens, version 1.0, of one tenant of Microsoft Entra ID. The tenant is its GUID.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::entra_v1("5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11")
///     .audience("api://b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // what clients ask for:
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // either of the two can be in a token
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All is as for [`entra`], except for these. The issuer is `https://sts.windows.net/<tenant>/`, with a slash. The audience is the
/// application ID URI or the client id of the API. The claim of the client is `appid`. An id token is refused for its missing
/// `appidacr`.
///
/// # Source
///
/// Microsoft identity platform, "Access tokens" and "Access token claims reference". Built from this documentation, and not tested
/// against the live service.
pub fn entra_v1(tenant: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_tenant("entra_v1", tenant) {
        return faulty("entra_v1", fault);
    }
    let issuer = format!("https://sts.windows.net/{tenant}/");
    let keys =
        JwksClient::discover(issuer.clone()).metadata_at(format!("{LOGIN}/{tenant}/.well-known/openid-configuration"));
    common(TokenVerifier::source(issuer, keys), "1.0", "appidacr").organizations_from("tid")
}

/// Access tokens, version 2.0, of many tenants of Microsoft Entra ID, for an API that is registered for several organisations.
///
/// ```
/// use tower_auth::{BearerLayer, issuers, token::Tenants};
///
/// let customers = Tenants::only(["5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11", "9d2f4c66-1e0b-4a3f-b1c2-77aa02d9e5c3"]);
/// let tokens = issuers::entra_tenants(customers)
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // the client id of your API's registration
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All is as for [`entra`], except for these. The tenant in `iss` must be a GUID and equal `tid`, and a key that the key set binds to an
/// issuer verifies only its tokens. [`Principal::issuer`](crate::Principal::issuer) is that of the tenant, and the tenant is an
/// organisation of the principal. All tenants share one key set, so a tenant that is made up costs nothing.
///
/// Anybody can open a tenant. [`Tenants::any`] therefore admits everybody who is in any: use it only if all rights depend on the
/// organisation. The keys are those of work and school accounts (`organizations`). Personal accounts are one more tenant,
/// `9188040d-6c67-4c5b-b112-36a304b66dad`: to admit them, take the keys from `common` with
/// [`keys_from`](TokenVerifierBuilder::keys_from); to be sure that they are out, refuse that tenant in [`Tenants::when`].
///
/// # Source
///
/// Microsoft identity platform, "Access tokens", about multitenant applications. Built from this documentation, and not tested against
/// the live service.
pub fn entra_tenants(tenants: Tenants) -> TokenVerifierBuilder {
    let keys = JwksClient::discover(TEMPLATE)
        .metadata_at(format!("{LOGIN}/organizations/v2.0/.well-known/openid-configuration"));
    second(TokenVerifier::source(TEMPLATE, keys)).tenants(tenants.guids())
}

/// Access tokens of Microsoft Entra External ID: of customers, in a tenant of the kind "external". The name is the first label of
/// `<name>.ciamlogin.com`, and the tenant is its GUID.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::entra_external("contoso", "5f0c1b7e-3a55-4c1c-8d0e-0c6b8a7e1f11")
///     .audience("b5a1d6d0-5f2c-4f5a-9a55-0f8a4c9a5a10") // the client id of your API's registration
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// All is as for [`entra`], except for these. The issuer is `https://<tenant>.ciamlogin.com/<tenant>/v2.0`. Its metadata are at
/// `https://<name>.ciamlogin.com/<tenant>/v2.0`, and the keys may be at either host. A token of the same tenant that
/// `login.microsoftonline.com` has issued is refused: it has another issuer and other keys.
///
/// # Source
///
/// Microsoft Entra External ID and reports of its users. Built from these, and not tested against the live service.
pub fn entra_external(name: &str, tenant: &str) -> TokenVerifierBuilder {
    let checked = check_label(name).and_then(|()| check_tenant("entra_external", tenant));
    if let Err(fault) = checked {
        return faulty("entra_external", fault);
    }
    let issuer = format!("https://{tenant}.ciamlogin.com/{tenant}/v2.0");
    let keys = JwksClient::discover(issuer.clone())
        .metadata_at(format!("https://{name}.ciamlogin.com/{tenant}/v2.0/.well-known/openid-configuration"))
        .jwks_host(format!("{tenant}.ciamlogin.com"));
    second(TokenVerifier::source(issuer, keys)).organizations_from("tid")
}

fn second(builder: TokenVerifierBuilder) -> TokenVerifierBuilder {
    common(builder, "2.0", "azpacr")
}

/// `acr_of_client` tells how the client has authenticated, and is in every access token and in no id token.
fn common(builder: TokenVerifierBuilder, version: &'static str, acr_of_client: &'static str) -> TokenVerifierBuilder {
    builder
        .typ(["JWT"])
        .require_claim("ver", [version])
        .require_claim(acr_of_client, ["0", "1", "2"])
        .scopes_from("scp")
        .roles_from("roles")
}

fn check_tenant(preset: &str, tenant: &str) -> Result<(), ConfigError> {
    if ["common", "organizations", "consumers"].contains(&tenant) {
        return Err(ConfigError::new(
            format!("issuers::{preset} got {tenant:?} as the tenant, which stands for many and is in no token"),
            "use the tenant's GUID, or issuers::entra_tenants for many tenants",
        ));
    }
    check_guid(preset, "the tenant", tenant)
}

fn check_label(name: &str) -> Result<(), ConfigError> {
    check_word("entra_external", "the name", name, "contoso")?;
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::entra_external got {name:?} as the name, which is not one label in lower case"),
        "use the part before .ciamlogin.com, such as \"contoso\"",
    ))
}
