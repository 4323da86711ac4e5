//! The endpoints at which clients get tokens, and give them back (feature `strict-body`, together with `aws-lc-rs` or
//! `rust-crypto`).
//!
//! [`AuthEndpoints`] serves the [`Sessions`](crate::session::Sessions) of a service: a client exchanges its API key, or
//! the token of another issuer, for an access token, refreshes it, logs out, revokes and introspects. Clients use JSON,
//! or the forms of OAuth. [`WellKnown`] serves the public keys and the metadata.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower::Layer as _;
//! use tower_auth::{endpoints::WellKnown, permission::role, session::Sessions, *};
//!
//! fn app(sessions: &Sessions, keys: ApiKeyLayer, plans: &Plans) -> Result<Router, ConfigError> {
//!     let guesses = RateLimitLayer::failures(Quota::per_minute(30), ClientIp::peer());
//!     let limit = RateLimitLayer::by_plan(plans);
//!     let endpoints = AuthEndpoints::new(sessions.clone())
//!         .keys(keys.clone())
//!         .limit(limit.clone()) // an exchange costs as much as any other request with the key
//!         .client_ip(ClientIp::peer()) // for keys with networks
//!         .introspection(role("admin"));
//!     let documents = WellKnown::new(sessions, "https://api.example.com/v1/auth")?.endpoints(&endpoints);
//!     let stack = AuthStack::builder()
//!         .limit(guesses.clone())
//!         .auth(AuthLayer::first(endpoints.bearer()?).then(keys)) // the tokens, and whether they were revoked
//!         .limit(limit)
//!         .build()?;
//!     let private = Router::new().route("/me", get(|who: Principal| async move { who.subject().to_owned() }));
//!     Ok(Router::new()
//!         .nest_service("/v1/auth", guesses.layer(endpoints))
//!         .route_service("/.well-known/{*document}", documents)
//!         .merge(private.layer(stack.guards()))
//!         .layer(stack.envelope()))
//! }
//! ```
//!
//! [`AuthEndpoints::bearer`] returns the layer for the routes that the tokens open. A
//! [`BearerLayer`](crate::BearerLayer) of your own needs
//! [`revocation(sessions.clone())`](crate::BearerLayer::revocation): without it, access tokens are accepted after a
//! log-out, until they expire.
//!
//! Both are tower services for any host. The last segment of the path selects the endpoint. Mount them outside of the
//! guards of the service, because most of their callers have no token yet. Against guessing, put
//! [`RateLimitLayer::failures`](crate::RateLimitLayer::failures) in front: a wrong key, a forged refresh token or a
//! token of another issuer that is not accepted is charged there, also where OAuth answers it 400. A genuine refresh
//! token that has ended is charged to nobody. Each exchange signs a token: set [`AuthEndpoints::limit`], or a client
//! can exchange its key without a limit. Give the observers of the stack to [`AuthEndpoints::on_decision`] too.
//!
//! # Requests
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST …/token`: exchange of the caller's key | none, or JSON `{"scope": "read"}` | 200: `access_token`, `token_type`, `expires_in`, `refresh_token`, `scope` |
//! | `POST …/token` with a form ([OAuth](#oauth)) | `grant_type` and its parameters | the same; `issued_token_type` too after a token exchange |
//! | `POST …/refresh` | JSON `{"refresh_token": "…"}` | 200: like `…/token` |
//! | `POST …/logout` | JSON `{"refresh_token": "…"}` | 200 `{"success":true}` with a `message` and `logged_out_at` (RFC 3339), whether or not there was a session to end |
//! | `POST …/revoke` (RFC 7009) | a form with `token` | 200 without a body, also if the token is unknown |
//! | `POST …/introspect` (RFC 7662), if it is [on](AuthEndpoints::introspection) | a form with `token`, an access token | 200: what is known of the token; exactly `{"active":false}` if it cannot be used, and for a refresh token |
//! | the same with `token_type_hint=refresh_token` | a form with `token`, a refresh token too | 200: of a refresh token, the answer has `"token_use":"refresh_token"` and no `token_type`; never admit a request because of it |
//!
//! A token with fewer scopes keeps the roles and the organisations of its key. Let routes that it must not open require
//! a scope, not a role alone.
//!
//! All answers, also refusals, have `Cache-Control: no-store` and `Pragma: no-cache`. A credential is never read from
//! the query.
//!
//! # Refusals
//!
//! A refusal of a JSON endpoint is a [`Rejection`](crate::Rejection) with an empty body, to which an
//! [envelope](crate::ErrorEnvelopeLayer) further out adds one:
//!
//! | what | status |
//! |---|---|
//! | another path; another method than POST | 404; 405 |
//! | no key, a wrong key; a refresh token that cannot be used, or is bound to another key | 401 |
//! | a [proof](#tokens-that-are-bound-to-a-key) that is refused | 400, with the JSON of the next table |
//! | the caller has no key; the key has restrictions; a cookie that another website sends | 403 |
//! | a scope that the holder does not have; a body that is not JSON | 400 |
//! | an undocumented field, a missing field | 422, with a pointer |
//! | another media type, a body that is too large (64 KiB) or too slow (10 s) | 415, 413, 408 |
//! | a store or a signing key fails | 503 with `Retry-After` |
//!
//! A refusal of a form is JSON as RFC 6749, section 5.2, defines it. An envelope passes it as it is:
//!
//! | what | status | `error` |
//! |---|---|---|
//! | a parameter that is missing, repeated, or not printable ASCII; two credentials of a client; a subject token that no rule accepts | 400 | `invalid_request` |
//! | another media type, a body that is too large or too slow | 415, 413, 408 | `invalid_request` |
//! | a client without a credential where one is needed; a wrong key; a `client_id` that is not that of the key | 401 | `invalid_client` |
//! | a refresh token that cannot be used, belongs to another client, or is bound to another key; a token of another client, to be revoked | 400 | `invalid_grant` |
//! | a proof that is wrong or was used before; none where one is required | 400 | `invalid_dpop_proof` |
//! | a proof without a nonce that is still good, if there are nonces | 400, `DPoP-Nonce` | `use_dpop_nonce` |
//! | a key that may not be exchanged | 400 | `unauthorized_client` |
//! | a caller that may not introspect | 403 | `unauthorized_client` |
//! | a scope that the holder does not have | 400 | `invalid_scope` |
//! | another audience or resource; two of them | 400 | `invalid_target` |
//! | another grant | 400 | `unsupported_grant_type` |
//! | a store, a signing key or another issuer fails | 503 with `Retry-After` | `temporarily_unavailable` |
//! | the budget of failed attempts of a stack in front is spent | 429 with `Retry-After` | `temporarily_unavailable` |
//!
//! After a 503 the client assumes that nothing was changed, and repeats the request. A refresh can be repeated with the
//! same token within the [grace](crate::session::SessionPolicy::grace), and a log-out at any time.
//!
//! # OAuth
//!
//! | `grant_type` | parameters |
//! |---|---|
//! | `client_credentials` (RFC 6749, section 4.4) | `scope`; no refresh token is issued |
//! | `refresh_token` (section 6) | `refresh_token`, `scope`: some of the scopes of the session |
//! | `urn:ietf:params:oauth:grant-type:token-exchange` (RFC 8693) | `subject_token`, `subject_token_type`, `actor_token`, `actor_token_type`, `requested_token_type` (an access token or a JWT), `scope` |
//!
//! All grants take `audience` or `resource`: one of the audiences of the issuer. Unknown parameters are ignored, and a
//! parameter without a value counts as absent.
//!
//! The secret of a client is its API key: in the header that [`AuthEndpoints::keys`] reads, in `Authorization: Basic`
//! with both halves encoded like a form (section 2.3.1), or in `client_secret`. Only one of these may be used. The
//! `client_id` is the id of the key, and may be left out. A client that presents no credential is a public one: it can
//! exchange a token of another issuer, refresh and revoke with what it has. Its `client_id` is compared with that of
//! the session, and never written into a token. A session that was begun for no client can be refreshed and revoked by
//! any client that has its token. A key and its successors by rotation count as one client.
//!
//! # Tokens that are bound to a key
//!
//! With [`AuthEndpoints::dpop`], a request to `…/token` or `…/refresh` may have a proof (`DPoP`, RFC 9449, section 5). Its
//! `htm` is `POST`, its `htu` the public address of the endpoint, and it needs no `ath`; all else is as the [page of
//! `dpop`](crate::dpop) says. The access token is bound to its key, and `token_type` is `DPoP`. [`AuthEndpoints::bearer`]
//! accepts it only with a proof, and `…/introspect` answers `cnf` and `token_type`.
//!
//! | the client | its refresh token |
//! |---|---|
//! | authenticates itself at the refresh, by its key or a successor | is bound to the client; each request may have another key, or none |
//! | does not, or uses `…/refresh` | is bound to the key of the proof with which the session began |
//! | has begun the session without a proof | is bound to no key |
//!
//! A refresh without a proof of the right key is refused, also with a refresh token that was replaced long ago. It is no
//! sign of theft by the one who has the key: the token is not used up, and the session goes on. A copy of a whole request is
//! refused because its proof was used, and changes nothing. Log-out and revocation need no proof. The request for a sign-in of
//! yours is checked by [`AuthEndpoints::token_request`].
//!
//! A refusal of a proof is JSON as below, at all of these endpoints. With [nonces](crate::Dpop::nonces), a proof without one
//! that is still good is answered `use_dpop_nonce`, with the nonce in `DPoP-Nonce`.
//!
//! Cookies are not for bound tokens: nothing checks a proof next to a cookie. A proof in a request with cookies and without a
//! body has no effect.
//!
//! # Browsers
//!
//! [`SessionCookies`] keep the tokens of a web page out of the reach of its scripts. After a sign-in, a handler
//! [sets](SessionCookies::set) them. The layer of [`AuthEndpoints::bearer`] reads the access token, and removes both
//! cookies from the requests that pass it if it is told to [strip credentials](crate::BearerLayer::strip_credentials).
//! With [`AuthEndpoints::cookies`], a page refreshes and logs out without a body:
//!
//! | request without a body | answer |
//! |---|---|
//! | `POST …/refresh` | 200 `{"expires_in":900}`, and both cookies |
//! | `POST …/refresh`, and the session has ended | 401, and both cookies are removed |
//! | `POST …/refresh` without a cookie | 401 |
//! | `POST …/logout` | 200 `{"success":true}`, and both cookies are removed. The session of the refresh token has ended, or else that of the access token |
//! | another website has caused the request | 403 `CROSS_SITE_REQUEST`; nothing is changed |
//! | a store fails | 503; the cookies stay |
//!
//! A request counts as caused by another website unless `Sec-Fetch-Site` is `same-origin` or `none`, or, without that
//! header, `Origin` is the host of the request. With a body, the token in the body decides, and no cookie is set or
//! removed.
//!
//! A response cannot know what the browser has got since its request: the 401 for a session that has ended also removes
//! the cookies of a sign-in that another tab has completed meanwhile, and that tab must sign in again. Let only one tab
//! refresh at a time (Web Locks), or accept it.
//!
//! Check the origin of the sign-in itself too ([`SessionCookies::check_same_site`]): these endpoints do not see it.
//!
//! # When not to use it
//!
//! It is no sign-in page and no `OpenID` provider: users are authenticated by a handler of yours, which calls
//! [`Sessions::begin`](crate::session::Sessions::begin), or by another issuer. There is no authorization endpoint, and
//! so no consent. Services that only accept tokens of another issuer need a [`BearerLayer`](crate::BearerLayer) and
//! nothing of this.

mod caller;
mod client;
mod cookies;
mod fault;
mod form;
mod gates;
mod grants;
mod json;
mod key_exchange;
mod metadata;
mod proof;
mod refresh;
mod serve;
mod service;
mod settings;
mod tokens;
mod well_known;

pub use self::{cookies::SessionCookies, service::AuthEndpoints, well_known::WellKnown};
