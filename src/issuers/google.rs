//! Google: id tokens, and the Identity-Aware Proxy.

use std::time::Duration;

use crate::{
    jwks::JwksClient,
    token::{TokenVerifier, TokenVerifierBuilder},
};

const ACCOUNTS: &str = "https://accounts.google.com";

/// Id tokens of Google: of people who sign in, and of service accounts that call a service.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::google()
///     .audience("1234567890-abc.apps.googleusercontent.com") // your OAuth client, or the URL that a service account asks for
///     .require_claim("hd", ["example.com"]) // people of this Workspace alone
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://accounts.google.com`, or `accounts.google.com` without the scheme. `typ` is `JWT`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, digits in a string |
/// | organisations | `hd`: the domain of a Workspace, missing for other accounts |
///
/// There are no scopes and no roles. Use the subject as the key of a user: `email` can change, and counts only if `email_verified` is
/// `true` (`.require_claim("email_verified", [true])`).
///
/// # What is refused
///
/// - An access token of Google, which is opaque (`ya29.`).
/// - An id token for another client. Anybody with a Google account gets one for yours: without a requirement such as `hd`, a verified
///   token says who is calling, and not that the caller is a customer.
///
/// # What remains yours
///
/// The audience; who may call; `.client("azp", [..])` where one backend has several clients.
///
/// # Source
///
/// Google Identity, "`OpenID` Connect" and "Verify the ID token". Built from this documentation, and not tested against the live service.
pub fn google() -> TokenVerifierBuilder {
    let keys = JwksClient::discover(ACCOUNTS).jwks_host("www.googleapis.com");
    TokenVerifier::source(ACCOUNTS, keys).also_issuer("accounts.google.com").typ(["JWT"]).organizations_from("hd")
}

/// The signed header of Google's Identity-Aware Proxy (IAP), which stands in front of the service.
///
/// ```
/// use tower_auth::{BearerLayer, issuers};
///
/// let tokens = issuers::google_iap()
///     .audience("/projects/123456789012/global/backendServices/1234567890123456789")
///     .build()?;
/// let layer = BearerLayer::new(tokens).header("x-goog-iap-jwt-assertion");
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://cloud.google.com/iap`, the algorithm ES256. The audience is
/// `/projects/<number>/global/backendServices/<id>`, or `/projects/<number>/apps/<project>` on App Engine.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`, such as `accounts.google.com:<id>` |
/// | organisations | `hd`: the domain of a Workspace |
///
/// # What is refused
///
/// - A token for another backend. A token that is valid for longer than eleven minutes: ten, and the difference of clocks.
/// - A token in `Authorization`, if the layer reads the header as above. That header without a valid token: a request that came past the
///   proxy, or one that did not ask for the person.
///
/// # What remains yours
///
/// The audience. Health checks of the load balancer have no token: give them a public route. Access levels are at
/// `/google/access_levels`, for example as `.roles_from("/google/access_levels")`.
///
/// # Source
///
/// Google Cloud, "Securing your app with signed headers". Built from this documentation, and not tested against the live service.
pub fn google_iap() -> TokenVerifierBuilder {
    TokenVerifier::jwks("https://cloud.google.com/iap", "https://www.gstatic.com/iap/verify/public_key-jwk")
        .typ(["JWT"])
        .max_lifetime(Duration::from_secs(11 * 60))
        .organizations_from("hd")
}
