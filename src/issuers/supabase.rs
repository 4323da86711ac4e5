//! Supabase Auth.

use super::domain::{check_label, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

/// Access tokens of the users of a Supabase project. The argument is the reference of the project: the first word of
/// `<ref>.supabase.co`.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::supabase("abcdefghijklmnopqrst")
///     .forbid_claim("is_anonymous", [true]) // unless anonymous sign-ins are wanted
///     .roles_from("/app_metadata/roles") // if your project writes roles there
///     .build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is `https://<ref>.supabase.co/auth/v1`, `aud` and `role` are `authenticated`, and `sub` is the user. `kid` is optional.
/// There are no scopes and no client. The issuer and its keys are those of one project, so the audience, which is the same for
/// all projects, separates nothing, and is set.
///
/// # What it refuses
///
/// - The keys of a project, which are tokens too: `anon` and `service_role`. Their issuer is `supabase`, and `service_role`
///   bypasses all rules of the database. A token of this issuer with one of these roles is refused as well.
/// - Tokens of other projects.
///
/// # What you set
///
/// - The shared secret, while a project moves from it to signing keys, and no longer than its last tokens live:
///   `.also_keys([VerifyingKey::hmac(Algorithm::Hs256, &secret)?])`. Whoever knows the secret can make tokens of every user.
/// - Roles: from `app_metadata`, and never from `user_metadata`, which the users write themselves.
/// - Anonymous users: they have the role `authenticated` too, and `is_anonymous` is `true`.
/// - A second factor: `.require_claim("aal", ["aal2"])`.
/// - A custom domain: `.also_issuer("https://auth.example.com/auth/v1")`.
///
/// Built from the pages *JWT Claims Reference* and *JSON Web Token* of Supabase; not tested against the live service.
pub fn supabase(project: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_label("supabase", "the reference of the project", project, "abcdefghijklmnopqrst") {
        return faulty("supabase", fault);
    }
    let issuer = format!("https://{project}.supabase.co/auth/v1");
    let keys = format!("{issuer}/.well-known/jwks.json");
    TokenVerifier::jwks(issuer, keys).typ(["JWT"]).audience("authenticated").require_claim("role", ["authenticated"])
}
