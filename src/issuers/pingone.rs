//! PingOne.

use super::domain::{check_word, faulty};
use crate::{
    ConfigError,
    token::{TokenVerifier, TokenVerifierBuilder},
};

/// Access tokens of a PingOne environment for a custom resource. The arguments are the region, which is the end of the host
/// `auth.pingone.<region>` (`com`, `eu`, `asia`, `ca`, `com.au`, `sg`), and the id of the environment.
///
/// ```
/// use tower_auth::issuers;
///
/// let tokens = issuers::pingone("eu", "5caa81af-ec05-41ff-a709-c7378007a99c").audience("https://api.example.com").build()?;
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # The documented shape
///
/// `iss` is `https://auth.pingone.<region>/<environment>/as`, the algorithm RS256, and `kid` is always there. `typ` is missing or
/// `JWT` today, and from 2027-03-02 always `at+jwt`: all three are accepted. `aud` is a list, `scope` a string, and `client_id` the
/// application. `org` and `env` are those of your account, and not of the user.
///
/// # What it refuses
///
/// Tokens for other audiences, and so id tokens: their audience is the application. Tokens of other environments and regions.
///
/// # What you set
///
/// - The audience of the custom resource. Do not use the audience of the PingOne API.
/// - From 2027-03-02: `.typ(["at+jwt"])`, which refuses `JWT`. Tokens without `typ` are still accepted.
/// - A custom domain: `.also_issuer("https://auth.example.com/as")`.
///
/// Built from the page *Token claims* of Ping Identity; not tested against the live service.
pub fn pingone(region: &str, environment: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check(region, environment) {
        return faulty("pingone", fault);
    }
    let issuer = format!("https://auth.pingone.{region}/{environment}/as");
    let keys = format!("{issuer}/jwks");
    TokenVerifier::jwks(issuer, keys).typ(["at+jwt", "JWT"]).allow_missing_typ()
}

fn check(region: &str, environment: &str) -> Result<(), ConfigError> {
    check_word("pingone", "the id of the environment", environment, "5caa81af-ec05-41ff-a709-c7378007a99c")?;
    // The region is a part of the host, so a wrong one is another server.
    if ["com", "eu", "asia", "ca", "com.au", "sg"].contains(&region) {
        return Ok(());
    }
    Err(ConfigError::new(
        format!("issuers::pingone got {region:?} as the region"),
        "use the end of the host auth.pingone.<region>: com, eu, asia, ca, com.au or sg",
    ))
}
