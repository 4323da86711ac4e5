//! Stytch: sessions of consumers, and of members of organisations.

use super::domain::{check_word, faulty};
use crate::{
    ConfigError,
    token::{ClaimSource, TokenVerifier, TokenVerifierBuilder},
};

const EXAMPLE: &str = "project-live-c60c0abe-c25a-472a-a9ed-320c6667d317";

/// Session JWTs of a Stytch project for consumers. The argument is the id of the project, which names its environment too:
/// `project-live-…` or `project-test-…`.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::stytch("project-live-c60c0abe-c25a-472a-a9ed-320c6667d317").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is `stytch.com/<project>`, without a scheme, and `aud` is the project, so both are set. The session is an object in the
/// claim `https://stytch.com/session`; its `roles` are the roles of the principal.
///
/// # What it refuses
///
/// Tokens of other projects, and so those of another environment. Opaque session tokens are no JWTs.
///
/// # What you set
///
/// - A custom domain: `.also_issuer("https://login.example.com")`, if `iss` of your tokens has it.
///
/// A JWT lives for five minutes, and stays valid for them after its session is revoked.
///
/// Built from the pages *Session tokens vs JWTs* and *Get JWKS* of Stytch, and for the names of claims from experience; not tested
/// against the live service.
pub fn stytch(project: &str) -> TokenVerifierBuilder {
    sessions("stytch", "sessions", project)
}

/// Session JWTs of a Stytch project for businesses (B2B). As [`stytch`], and the organisation of the member is that of the
/// principal: `organization_id` in the claim `https://stytch.com/organization`.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::stytch_b2b("project-test-c60c0abe-c25a-472a-a9ed-320c6667d317").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
pub fn stytch_b2b(project: &str) -> TokenVerifierBuilder {
    sessions("stytch_b2b", "b2b/sessions", project)
        .organizations_from(ClaimSource::path(["https://stytch.com/organization", "organization_id"]))
}

fn sessions(preset: &str, path: &str, project: &str) -> TokenVerifierBuilder {
    let host = match host(preset, project) {
        Ok(host) => host,
        Err(fault) => return faulty(preset, fault),
    };
    TokenVerifier::jwks(format!("stytch.com/{project}"), format!("https://{host}/v1/{path}/jwks/{project}"))
        .typ(["JWT"])
        .audience(project)
        .roles_from(ClaimSource::path(["https://stytch.com/session", "roles"]))
}

/// Returns the host of the environment.
fn host(preset: &str, project: &str) -> Result<&'static str, ConfigError> {
    check_word(preset, "the id of the project", project, EXAMPLE)?;
    if project.starts_with("project-live-") {
        Ok("api.stytch.com")
    } else if project.starts_with("project-test-") {
        Ok("test.stytch.com")
    } else {
        Err(ConfigError::new(
            format!("issuers::{preset} got {project:?}, which names no environment"),
            format!("use the id of the project, with project-live- or project-test-, such as {EXAMPLE:?}"),
        ))
    }
}
