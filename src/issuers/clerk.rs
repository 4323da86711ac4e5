//! Clerk.

use super::domain::{check_host, faulty};
use crate::token::{ClaimSource, TokenVerifier, TokenVerifierBuilder};

/// Session tokens of a Clerk instance, versions 1 and 2. The argument is the host of its Frontend API: `clerk.<your domain>`, or
/// `<name>.clerk.accounts.dev` while you develop.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::clerk("clerk.example.com")
///     .client("azp", ["https://app.example.com"]) // the origins of your front ends
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// There is no `aud`: `azp` is the origin that has asked for the token. The active organisation is in `o` (version 2: `id`, `rol`)
/// or in `org_id` and `org_role` (version 1). Version 2 leaves out the `org:` of a role, which is put back, so that
/// `has_role("org:admin")` has one meaning for both. Permissions of version 1 (`org_permissions`) are the scopes.
///
/// # What it refuses
///
/// - Sessions that are not signed in completely: `sts` is `pending`, and the signature is good.
/// - Tokens of other origins, such as a front end of a sub-domain that somebody else runs, and tokens of other instances.
/// - Tokens of a JWT template with an audience, unless you set it.
///
/// # What you set
///
/// - The origins, exactly as browsers send them: with `https://`, without a slash at the end. A verifier is not built without.
///   Tokens of native apps may have no `azp`, and are refused. `.accept_any_audience()` instead of `.client(..)` accepts them, and
///   every front end of the instance.
/// - Impersonation: an administrator who acts as a user has `act` in the token. `.forbid_claim("/act/sub", [false])` refuses it:
///   a text cannot be compared with a boolean, and is refused.
///
/// # What is not read
///
/// The permissions of version 2. `per` has the names, and the bits of `fpm` say for which features of `fea` they are granted. A
/// name alone is no permission, so it is no scope: use roles, or read `o` with
/// [`claims`](TokenVerifierBuilder::claims) and decide in a [`Permission`](crate::Permission).
///
/// OAuth tokens (`oat_…`) and tokens of machines are no session tokens.
///
/// Built from the pages *Session tokens* and *Manual JWT verification* of Clerk; not tested against the live service.
pub fn clerk(frontend_api: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_host("clerk", frontend_api, "clerk.example.com") {
        return faulty("clerk", fault);
    }
    let issuer = format!("https://{frontend_api}");
    let keys = format!("{issuer}/.well-known/jwks.json");
    TokenVerifier::jwks(issuer, keys)
        .typ(["JWT"])
        .forbid_claim("sts", ["pending"])
        .organizations_from("/o/id")
        .organizations_from("org_id")
        .roles_from(ClaimSource::new("/o/rol").prefix("org:"))
        .roles_from("org_role")
        .scopes_from("org_permissions")
}
