//! Cloudflare Access.

use super::domain::{check_label, faulty};
use crate::token::{ClaimSource, TokenVerifier, TokenVerifierBuilder};

/// Application tokens of Cloudflare Access. The argument is the name of the team: the first word of
/// `<team>.cloudflareaccess.com`.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::cloudflare_access("example")
///     .audience("4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2") // the AUD tag of the application
///     .build()?;
/// let auth = BearerLayer::new(tokens).header("Cf-Access-Jwt-Assertion");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// The token is in the header `Cf-Access-Jwt-Assertion`, without a scheme. The cookie `CF_Authorization` is not always passed on.
/// `aud` has the tag of the application, and `type` is `app`. The `sub` of a service token is empty, and its name is in
/// `common_name`: the subject is then `service:<name>`. There are no roles and no scopes.
///
/// # What it refuses
///
/// Tokens of the global session (`type` `org`), and tokens for other applications and other teams.
///
/// # What you set
///
/// - The audience: the tag of the application, from its overview.
/// - The header, at the [`BearerLayer`](crate::BearerLayer) as above. A token that comes in `Authorization` is not looked at.
/// - If only people may call: `.forbid_claim("common_name", [false])`. A text cannot be compared with a boolean, so service tokens
///   are refused.
///
/// Built from the pages *Validate JWTs* and *Application token* of Cloudflare; not tested against the live service.
pub fn cloudflare_access(team: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_label("cloudflare_access", "the name of the team", team, "example") {
        return faulty("cloudflare_access", fault);
    }
    let issuer = format!("https://{team}.cloudflareaccess.com");
    let keys = format!("{issuer}/cdn-cgi/access/certs");
    TokenVerifier::jwks(issuer, keys)
        .typ(["JWT"])
        .require_claim("type", ["app"])
        .subject_from("sub")
        .subject_from(ClaimSource::new("common_name").prefix("service:"))
}
