//! Kinde.

use super::domain::{check_host, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// Access tokens of a Kinde business. The argument is its host: `<name>.kinde.com`, or the custom domain.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::kinde("example.kinde.com").audience("https://api.example.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is the host, without a slash. Scopes are a **list** in `scp`; `permissions` is a list too, and both are the scopes of the
/// principal. `org_code` is the organisation, and `azp` the client. Tokens live for a day, and a refresh may hand out the **same**
/// token again.
///
/// # What it refuses
///
/// Tokens for other audiences, and so id tokens: the audience of those is the client.
///
/// # What you set
///
/// - The audience: register the API with Kinde, and let the clients ask for it. For clients that do not, set
///   [`client`](TokenVerifierBuilder::client) with `azp`, and with an audience beside it
///   [`audience_or_client`](TokenVerifierBuilder::audience_or_client).
/// - Tokens of machines may have no `sub`. `.subject_from("sub").subject_from(ClaimSource::new("azp").prefix("client:"))`
///   names their client.
/// - [`max_age`](TokenVerifierBuilder::max_age), if a day is too long.
///
/// The roles of a token are objects and are not read: decide by permissions.
///
/// Built from the pages *About access tokens* and *Verifying JSON web tokens* of Kinde; not tested against the live service.
pub fn kinde(host: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_host("kinde", host, "example.kinde.com") {
        return faulty("kinde", fault);
    }
    let issuer = format!("https://{host}");
    let keys = format!("{issuer}/.well-known/jwks");
    TokenVerifier::jwks(issuer, keys)
        .typ(["JWT"])
        .scopes_from("scp")
        .scopes_from("permissions")
        .organizations_from("org_code")
}
