//! Authentication by access token: a JWT in `Authorization: Bearer`, in `Authorization: DPoP` with a proof, or in another place.
//!
//! ```
//! use tower_auth::{ApiKeyLayer, AuthLayer, AuthStack, BearerLayer, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
//!
//! let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
//! let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
//! let keys = ApiKeyLayer::static_key("ops", Secret::new("0123456789abcdef"))?;
//! let stack = AuthStack::builder().auth(AuthLayer::first(BearerLayer::new(tokens)).then(keys)).build()?;
//! # Ok::<_, tower_auth::ConfigError>(())
//! ```
//!
//! | the request has | response | code of the default catalogue |
//! |---|---|---|
//! | no `Authorization: Bearer` | the next method is asked; without a next method, 401 | `AUTHENTICATION_REQUIRED` |
//! | `Bearer` without a token | 400, `error="invalid_request"` | `INVALID_REQUEST` |
//! | the [cookie](BearerLayer::cookie) more than once, and no `Authorization: Bearer` | 400, `error="invalid_request"` | `INVALID_REQUEST` |
//! | two [subprotocols](BearerLayer::websocket_protocol) with a token, or one that has none, and no `Authorization: Bearer` | 400, `error="invalid_request"` | `INVALID_REQUEST` |
//! | a token in the cookie, and may come from another website | 403 | `CROSS_SITE_REQUEST` |
//! | a token that is malformed, unverifiable, or not for this service | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | an expired token with a valid signature | 401, `error="invalid_token"` | `TOKEN_EXPIRED` |
//! | a revoked token ([`TokenRevocation`](crate::token::TokenRevocation)) | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token of a suspended subject | 401, `error="invalid_token"` | `ACCOUNT_SUSPENDED` |
//! | a token that is bound to a key or a certificate (`cnf`), without the proof | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token without `iat`, or with a `jti` or `sid` that is not a string, if there is a revocation list | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token that the authorization server does not know ([introspection](crate::token#introspection)) | 401, `error="invalid_token"` | `TOKEN_INVALID` |
//! | a token, if it could not be introspected | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//! | a token, if the issuer's keys could not be fetched | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//! | a token with an unknown key id, if the last fetch of keys failed | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//! | a token without a scope that a policy requires | 403, `error="insufficient_scope"` | `INSUFFICIENT_PERMISSIONS` |
//! | a token of a login that a policy finds too weak or too old | 401, `error="insufficient_user_authentication"` | `INSUFFICIENT_USER_AUTHENTICATION` |
//! | a token, if the revocation list fails or does not answer in [time](crate::AuthLayer::decision_timeout) | 503 with `Retry-After` | `SERVICE_UNAVAILABLE` |
//!
//! The challenge follows RFC 6750, section 3, and does not say what is wrong with the token. The log does: the cause of
//! the [`Decision`](crate::Decision) names the invalid part of the token and the expected value. A token that verifies
//! with the keys in memory never waits for a fetch; see [Keys that change](crate::token#keys-that-change).
//!
//! # Where the token is
//!
//! | place | setting | challenge of a 401 |
//! |---|---|---|
//! | `Authorization: Bearer <token>` | the default | `Bearer` |
//! | `Authorization: DPoP <token>`, with a proof | [`dpop`](BearerLayer::dpop), also | `DPoP`, and that of the header |
//! | `Authorization: <scheme> <token>` | [`auth_scheme`](BearerLayer::auth_scheme), instead | the scheme |
//! | the whole value of a header | [`header`](BearerLayer::header), instead | `AccessToken` |
//! | `Sec-WebSocket-Protocol`, for a WebSocket | [`websocket_protocol`](BearerLayer::websocket_protocol), also | that of the header |
//! | a cookie | [`cookie`](BearerLayer::cookie), also | that of the header |
//!
//! A layer reads one header, and then the subprotocols and the cookie if they are set: the first place that has a token decides,
//! also if the token is invalid. A header that occurs twice is refused with 400. For several headers, declare one layer for
//! each:
//!
//! ```
//! use tower_auth::{AuthLayer, BearerLayer, TokenVerifier};
//!
//! fn either(proxy: TokenVerifier, direct: TokenVerifier) -> AuthLayer {
//!     AuthLayer::first(BearerLayer::new(proxy).header("Cf-Access-Jwt-Assertion")).then(BearerLayer::new(direct))
//! }
//! ```
//!
//! # Two tokens in one request
//!
//! The methods of an [`AuthLayer`](crate::AuthLayer) are alternatives. If a request needs two tokens, such as one of the app
//! (`X-Firebase-AppCheck`) and one of its user, use two layers. The principal is that of the inner layer, so put the user's
//! inside. The outer layer checks every request, also those that a public [rule](crate::Rules::public) admits without a user.
//!
//! ```
//! use tower::ServiceBuilder;
//! # use http::{Request, Response};
//! # use tower::{ServiceExt, service_fn};
//! # use tower_auth::{Secret, token::{Algorithm, VerifyingKey}};
//! use tower_auth::{AuthStack, BearerLayer, TokenVerifier};
//!
//! # fn service(app: TokenVerifier, users: TokenVerifier) -> Result<(), tower_auth::ConfigError> {
//! let stack = AuthStack::builder().auth(BearerLayer::new(users)).build()?;
//! let service = ServiceBuilder::new()
//!     .layer(stack.envelope()) // the form of all refusals
//!     .layer(BearerLayer::new(app).header("X-Firebase-AppCheck")) // the app, without which no user is asked for
//!     .layer(stack.guards()) // the user
//! #   .service(service_fn(|_: Request<String>| async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) }));
//! # Ok(())
//! # }
//! ```
//!
//! # Bound tokens
//!
//! A token may be bound to a key or a certificate of its holder (`cnf`; RFC 7800), so that a thief cannot use it. What the claim
//! names must be proved by each request, also if the token is in the cache:
//!
//! | `cnf` has | the request needs | set by |
//! |---|---|---|
//! | `jkt` | `Authorization: DPoP <token>`, and a proof in the header `DPoP` (RFC 9449) | [`BearerLayer::dpop`] |
//! | `x5t#S256` | the extension [`ClientCertificate`](crate::ClientCertificate), with this certificate (RFC 8705) | the code that accepts TLS connections |
//! | both | both | |
//! | anything else | nothing helps: the token is refused | |
//!
//! [`accept_bound_tokens_as_bearer`](crate::token::TokenVerifierBuilder::accept_bound_tokens_as_bearer) ignores the claim, and
//! says what is lost. The failures of a token without its proof are charged to the address, and not to the holder of the token.
//!
//! # Challenges
//!
//! | parameter | who sets it |
//! |---|---|
//! | `realm` | [`BearerLayer::realm`], in the challenges of this layer |
//! | `resource_metadata` (RFC 9728) | [`BearerLayer::resource_metadata`], in all challenges, also those of policies and handlers. Pass a [`ProtectedResource`](crate::resource::ProtectedResource) |
//! | `scope` of a 401 | [`BearerLayer::challenge_scopes`], the same for all routes; [`Rules::challenge_scopes`](crate::Rules::challenge_scopes), those of each route |
//! | `scope` of a 403 | the [policies](crate::permission#what-a-client-learns) of the request, all of them; in a handler, [`Rejection::insufficient_scope`](crate::Rejection::insufficient_scope) |
//! | `acr_values`, `max_age` (RFC 9470) | [`permission::acr`](crate::permission::acr) and [`logged_in_within`](crate::permission::logged_in_within); in a handler, [`Rejection::step_up`](crate::Rejection::step_up) |
//!
//! A request without a token is told of no `error` (RFC 6750, section 3.1). No challenge names `offline_access`: with it, a
//! client asks for a refresh token, whatever the service is.
//!
//! # Tokens and keys in one header
//!
//! If API keys are also sent as `Authorization: Bearer`, the form of the credential selects the method: a token has
//! three parts, a key has the form of its [`KeyFormat`](crate::KeyFormat). The first method checks a credential that
//! has both forms or neither. An [`opaque`](crate::KeyFormat::opaque) format also accepts tokens, so declare tokens
//! before keys of such a format. An opaque token has neither form: declare tokens that are
//! [introspected](crate::TokenVerifier::introspect) before keys. A credential with the form of a key is then checked as a key, and
//! never sent to the authorization server.
//!
//! # Tokens in a cookie
//!
//! [`BearerLayer::cookie`] names a cookie, for pages that a browser shows. The value is the token: quotation marks around it
//! are a part of it (RFC 6265, section 4.1.1), and make it invalid. If the cookie occurs twice, the request is refused,
//! because another host of the domain may have set one of them. The cookie may stand in any `Cookie` line, because HTTP/2
//! clients send several (RFC 9113, section 8.2.3).
//!
//! A browser sends cookies also with requests that other websites cause. If the token is in the cookie and the request may
//! change something, it must come from the same origin:
//!
//! | the request | is admitted if |
//! |---|---|
//! | GET, HEAD, OPTIONS or TRACE without `Upgrade` | always: handlers of these methods must change nothing |
//! | another method, or `Upgrade` (a WebSocket), with `Sec-Fetch-Site` | this header is `same-origin` or `none` |
//! | the same without `Sec-Fetch-Site`, with `Origin` | this is `http` or `https`, and its host and port are those of the request |
//! | the same without either | never |
//!
//! A refusal is 403 with the code `CROSS_SITE_REQUEST`. The cause in the log says which header was wrong. The refusal is
//! charged to no budget of failed attempts: the user of the browser has guessed nothing.
//!
//! - Another host of the same site is another origin: `app.example.com` cannot use a cookie at `api.example.com`. Its pages
//!   send the token in `Authorization`, or call the API through their own host.
//! - The host of the request is `:authority`, the authority of the request target, or else `Host`. `X-Forwarded-Host` and
//!   `Forwarded` are not read, because a client can write them. A proxy in front must pass `Host` on unchanged. If it does
//!   not, browsers that send no `Sec-Fetch-Site` (before 2023, or over HTTP) are refused.
//! - The scheme is not compared, because a proxy may end TLS: a page of `http://` may use the cookie of `https://` at the
//!   same host, if the browser sends no `Sec-Fetch-Site`. `Strict-Transport-Security` prevents such pages.
//! - The check does not replace the cookie's `SameSite=Lax`, which also keeps the cookie out of such requests.
//! - A program that sends cookies instead of `Authorization` must send `Origin` too.
//!
//! Responses have `Vary: cookie`, and `Cache-Control: private` if the handler sets nothing else.
//!
//! # When not to use it
//!
//! For credentials that no issuer has made, such as a ticket in a query: implement an [`Authenticator`](crate::Authenticator).

mod bound;
mod guard;
mod judge;
mod layer;
mod places;

pub use self::layer::BearerLayer;
