//! Tokens that this service issues: access tokens for API keys and for people who sign in, sessions that are refreshed,
//! and log-out.
//!
//! A [`Sessions`] issues short-lived access tokens (JWTs by RFC 9068) and, with them, refresh tokens. Every use of an
//! access token is checked against the store, so a log-out counts from the next request on. `AuthEndpoints` (feature
//! `strict-body`) serves all of it over HTTP.
//!
//! ```
//! use tower_auth::{
//!     BearerLayer, Clock, ConfigError, MemoryKeyStore, Peppers,
//!     session::{Sessions, TokenIssuer, signing::{SigningKeys, SigningPolicy}},
//! };
//!
//! fn set_up(store: MemoryKeyStore, peppers: &Peppers) -> Result<(Sessions, BearerLayer), ConfigError> {
//!     // With a database: SigningKeys::open, so that all processes sign with the same keys.
//!     let keys = SigningKeys::in_memory(SigningPolicy::default(), Clock::system())?;
//!     let issuer = TokenIssuer::new("https://api.example.com", keys)?;
//!     let sessions = Sessions::builder(issuer, store, peppers).build()?;
//!     let tokens = BearerLayer::new(sessions.issuer().verifier().build()?).revocation(sessions.clone());
//!     Ok((sessions, tokens))
//! }
//! ```
//!
//! | the client has | call | it gets |
//! |---|---|---|
//! | an API key | [`exchange`](Sessions::exchange) | an access token with scopes of the key, and a refresh token if [allowed](SessionPolicy::refresh_for_keys) |
//! | a name and a password, or anything else that you verify | [`begin`](Sessions::begin) | an access token and a refresh token |
//! | a token of another issuer (RFC 8693) | [`exchange_token`](Sessions::exchange_token) | what the first matching [`ExchangeRule`] says |
//! | a refresh token | [`refresh`](Sessions::refresh) | the next access token and the next refresh token |
//! | a refresh token, at log-out | [`log_out`](Sessions::log_out) | nothing: the session has ended |
//!
//! # What a token says
//!
//! `iss`, `sub`, `aud`, `client_id`, `iat`, `exp`, `jti` and `scope` (RFC 9068, section 2.2), `sid` for the session,
//! `act` for delegation (RFC 8693, section 4.1), and the claims `account`, `organizations`, `roles` and `plan` of the
//! holder. The token of a key has the id of the key as its `client_id`, and in `key` the bucket that the key is counted
//! in: a key and its tokens share the limits of one plan, unless the issuer has
//! [`separate_limits`](TokenIssuer::separate_limits). A token never outlives its key, and at every refresh it gets the
//! scopes, the plan and the limits that the key has then.
//!
//! # Sessions, exactly
//!
//! A session is a family of refresh tokens, one for each *generation*, from 0 on. The token of a generation is derived:
//! `rt_` and the base64url of the id of the session, the generation, and an HMAC-SHA-256 of both under a key that is
//! derived from the peppers. So nobody can make one, the same generation always has the same token, and a token of any
//! age shows which session it belongs to. The store has the SHA-256 of the newest token, and no token.
//!
//! Let `g` be the generation of the presented token, and `n` the newest one of its session.
//!
//! | what is presented | answer | the session |
//! |---|---|---|
//! | no genuine token | refused, without a look-up | |
//! | a token of a session that has ended, has expired, or is not stored | refused | unchanged |
//! | `g = n`, and the key, the holder, the client or the scope is not acceptable | refused | unchanged: the token is not used up |
//! | `g = n` | generation `n + 1` | `n + 1`, by one atomic step |
//! | `g < n`, and `g` was replaced less than the [grace](SessionPolicy::grace) ago | generation `n` | unchanged |
//! | `g < n`, and `g` was replaced before that | refused | **ended**: the token may be stolen, and nobody can tell who has it (RFC 9700, section 4.14.2) |
//! | `g > n` | refused | unchanged: the store was restored from a backup |
//!
//! From this follows, whatever is repeated, dropped, or runs at once, in any number of processes on one store:
//!
//! - There is one newest token. Of N requests with it at once, one makes the step. The others lose it, look again, and find it replaced
//!   within the grace: all N get the same successor, and nobody is logged out.
//! - An answer that was lost, also because the process died after the step, is repeated with the old token within the grace. A
//!   client that repeats it later loses its session, so the grace should be longer than a failover of the store.
//! - A session never forks. If a thief and the owner of a stolen token both go on, one of them presents a token that the other
//!   has replaced, and the session ends: unless this happens within the grace every time. A thief who refreshes within seconds
//!   of the owner is not noticed, so keep the grace short.
//! - An ended session stays ended. No call makes it good again.
//!
//! The times of the latest 32 replacements are kept, so the grace is exact also for a client that refreshes several
//! times within it. It is measured on the wall clocks of the processes: they must agree better than the grace, and a
//! clock that is set back prolongs it by as much. A replaced token whose time is no longer kept is refused whatever the
//! clock says. A process whose clock is ahead by more than [`idle`](SessionPolicy::idle) finds every session expired,
//! and its [upkeep](Sessions::start) removes them.
//!
//! # When a token ends
//!
//! | what happens | refresh tokens | access tokens |
//! |---|---|---|
//! | log-out, [`end`](Sessions::end), a revoked refresh token, a reused one | at once | at once: they carry the `sid` |
//! | a revoked access token | | that one, at once |
//! | [`end_all_of`](Sessions::end_all_of), [`end_all`](Sessions::end_all) | at once | at once. Without a session, also those that are issued in the same second |
//! | the key is paused, deactivated, revoked, deleted, or expires | at the next refresh | at once |
//! | the account or an organisation is suspended | at the next refresh | at once |
//! | the key loses a scope, or changes its plan | at the next refresh | when they expire: [`SessionPolicy::access`], 15 minutes by default |
//! | a person loses a role or a scope | at the next refresh, if [`recheck`](SessionsBuilder::recheck) says so; without it when the session ends | when they expire |
//! | a pepper is removed | those that were made under it, at once: keep it for [`SessionPolicy::idle`] after another one is first | |
//! | the session expires: idle or absolute | at once | when they expire |
//!
//! *At once* is the next request that asks the store, in every process: [`Sessions`] is a
//! [`TokenRevocation`](crate::token::TokenRevocation), which
//! [`BearerLayer::revocation`](crate::BearerLayer::revocation) asks at every request with a token. If the store does
//! not answer, that request is answered 503. A service that verifies the tokens by their published keys alone, without
//! this check, accepts them until they expire.
//!
//! A token without a session is judged by its `iat`. If the process that issued it has a clock that is ahead of that of
//! the process that ends everything, it stays valid until it expires.
//!
//! # Tokens that are bound to a key
//!
//! A request with a key ([`TokenRequest::proof_key`]) gets an access token that is bound to it (`cnf`), which guards
//! accept with a proof of this key only ([`dpop`](crate::dpop)). `AuthEndpoints::dpop` (feature `strict-body`) reads
//! the proofs of requests. A session that begins with a key is bound to it for good:
//!
//! | a refresh of a bound session | answer | the session |
//! |---|---|---|
//! | with the same key | as above, and the access token is bound to the key | as above |
//! | without a key, or with another one, also with a token that was replaced long ago | refused | unchanged: the token is not used up, and nobody is logged out |
//! | by the client that the session belongs to, authenticated by its key | as above, and the access token is bound to the key of the request, if it has one | as above |
//!
//! A session that began without a key is never bound; a refresh with a key binds the access token. Log-out and revocation
//! ask for no key, because they can only harm who has the token. A store keeps the key in the column of the grant.
//!
//! # When not to use it
//!
//! It is no `OpenID` provider: it has no consent, no authorization code and no ID token. For people who sign in at
//! Auth0, Keycloak or Google, verify the tokens of that issuer ([`TokenVerifier`](crate::TokenVerifier)). Clients that
//! can keep a key and call one service need no token at all: a key costs one look-up, as a token here does.

pub mod signing;

mod access_claims;
mod builder;
mod error;
mod exchange;
mod exchange_rule;
mod grant;
mod issued;
mod issuer;
mod pattern;
mod policy;
mod proof;
mod recheck;
mod refresh;
mod refresh_token;
mod revocation;
#[expect(clippy::module_inception, reason = "the room is named after its central value")]
mod session;
mod session_store;
mod sessions;
mod standing;
mod step;
mod unused;
mod upkeep;

pub use self::{
    builder::SessionsBuilder,
    error::SessionError,
    exchange_rule::ExchangeRule,
    grant::Grant,
    issued::{IssuedTokens, TokenRequest},
    issuer::TokenIssuer,
    policy::SessionPolicy,
    revocation::Introspection,
    session::{Session, SessionEnd, SessionRow},
    session_store::{CutOff, Findings, Outdated, SessionFilter, SessionFuture, SessionMark, SessionStore, TokenFacts},
    sessions::Sessions,
};
