//! Firebase: users, and apps.

use super::domain::{check_numbers, check_word, faulty};
use crate::token::{TokenVerifier, TokenVerifierBuilder};

const USERS: &str = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/// Id tokens of Firebase Authentication, by which an app's users call the app's backend. The project is its id.
///
/// ```
/// use tower_auth::{BearerLayer, issuers, token::ClaimSource};
///
/// let tokens = issuers::firebase("example-1a2b3")
///     .roles_from(ClaimSource::new("admin").name_if_true()) // a custom claim of your own
///     .build()?;
/// let layer = BearerLayer::new(tokens);
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://securetoken.google.com/<project>`, the audience is the project, and `typ` is `JWT`.
///
/// | part of the principal | claim |
/// |---|---|
/// | subject | `sub`: the uid |
/// | organisations | `/firebase/tenant`, with Identity Platform |
/// | time of the login | `auth_time` |
///
/// # What is refused
///
/// - A token of another project. A custom token, which a client has to exchange first. A session cookie, which has another issuer. A
///   token of the emulator, which is not signed.
///
/// # What remains yours
///
/// Custom claims may have any type; name those that make roles. Anonymous users have a token too: add
/// `.forbid_claim("/firebase/sign_in_provider", ["anonymous"])` to refuse them. A token is good for an hour, also if the user is
/// disabled meanwhile.
///
/// # Source
///
/// Firebase, "Verify ID tokens". The address of the keys is the one with JWKs beside the documented one with certificates. Built from
/// this, and not tested against the live service.
pub fn firebase(project: &str) -> TokenVerifierBuilder {
    if let Err(fault) = check_word("firebase", "the project", project, "example-1a2b3") {
        return faulty("firebase", fault);
    }
    TokenVerifier::jwks(format!("https://securetoken.google.com/{project}"), USERS)
        .audience(project)
        .typ(["JWT"])
        .organizations_from("/firebase/tenant")
}

/// Tokens of Firebase App Check, which prove that a request comes from your app. The project is its number.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_auth::{AuthStack, BearerLayer, issuers};
/// # use http::{Request, Response};
/// # use tower::service_fn;
///
/// let app = issuers::firebase_app_check("123456789012").build()?;
/// let users = issuers::firebase("example-1a2b3").build()?;
/// let stack = AuthStack::builder().auth(BearerLayer::new(users)).build()?;
/// let service = ServiceBuilder::new()
///     .layer(stack.envelope())
///     .layer(BearerLayer::new(app).header("X-Firebase-AppCheck")) // the app
///     .layer(stack.guards()) // its user
/// #   .service(service_fn(|_: Request<String>| async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) }));
/// # Ok::<_, tower_auth::ConfigError>(())
/// ```
///
/// # What a token says
///
/// The issuer is `https://firebaseappcheck.googleapis.com/<number>`, and `aud` contains `projects/<number>`. The subject is the app,
/// such as `1:123456789012:web:0a1b2c3d4e5f`.
///
/// It proves an app and not a user, so the token of the user comes beside it, in `Authorization`. Do not use the two as alternatives.
///
/// # What is refused
///
/// - A token of another project. The token of a user.
///
/// # What remains yours
///
/// To admit some apps of the project only, add `.require_claim("sub", ["1:123456789012:web:0a1b2c3d4e5f"])`.
///
/// # Source
///
/// Firebase Admin SDK for Node.js, `token-verifier.ts` of App Check, and Firebase, "Verify App Check tokens from a custom backend".
/// Built from these, and not tested against the live service.
pub fn firebase_app_check(project_number: &str) -> TokenVerifierBuilder {
    let help = "use the number that the console shows beside the project's id, such as \"123456789012\"";
    let number = project_number.to_owned();
    if let Err(fault) = check_numbers("firebase_app_check", "project number", &[number], help) {
        return faulty("firebase_app_check", fault);
    }
    let issuer = format!("https://firebaseappcheck.googleapis.com/{project_number}");
    TokenVerifier::jwks(issuer, "https://firebaseappcheck.googleapis.com/v1/jwks")
        .audience(format!("projects/{project_number}"))
        .typ(["JWT"])
}
