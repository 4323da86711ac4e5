//! What happens to tokens that were given out: every use is checked, and each can be revoked and inspected.

use serde_json::{Map, Value, json};

use super::{
    Findings, Session, SessionEnd, SessionError, SessionFuture, SessionStore, Sessions, TokenRequest,
    issued::token_type,
    refresh_token::Presented,
    standing::{Fault, LEEWAY, Marks, facts_of, judge_session},
};
use crate::{
    BoxError, MaybeReady,
    token::{Claims, Confirmation, TokenError, TokenRevocation, TokenStatus, signed_claims},
};

/// Checks the tokens of this issuer at every use: whether the token or its session was revoked, and whether its key and
/// its holder are still good. Tokens of other issuers are none of its business, and valid.
///
/// The claims of a token say which key and which holder are checked, so verify the tokens with the verifier of the
/// issuer, as below: one that does not read these claims checks only whether the token and its session were revoked.
///
/// ```
/// use tower_auth::{BearerLayer, ConfigError, session::Sessions};
///
/// fn layer(sessions: &Sessions) -> Result<BearerLayer, ConfigError> {
///     Ok(BearerLayer::new(sessions.issuer().verifier().build()?).revocation(sessions.clone()))
/// }
/// ```
impl TokenRevocation for Sessions {
    fn covers(&self, issuer: &str) -> bool {
        issuer == self.issuer().issuer()
    }

    fn status(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.judged(token, |store| store.look(&facts_of(token)))
    }

    fn status_fresh(&self, token: &Claims) -> MaybeReady<Result<TokenStatus, BoxError>> {
        self.judged(token, |store| store.look_fresh(&facts_of(token)))
    }
}

impl Sessions {
    /// Returns the status of a token by what the store finds about it.
    fn judged(
        &self,
        token: &Claims,
        look: impl FnOnce(&dyn SessionStore) -> SessionFuture<Findings>,
    ) -> MaybeReady<Result<TokenStatus, BoxError>> {
        if !token.principal().issuer().is_some_and(|issuer| self.covers(issuer)) {
            return MaybeReady::ready(Ok(TokenStatus::Valid));
        }
        let (marks, clock) = (Marks::of(token), self.clock().clone());
        look(&*self.0.store).map(move |found: Result<Findings, BoxError>| {
            Ok(match marks.judge(&found?, clock.now()) {
                Ok(()) => TokenStatus::Valid,
                Err(Fault::Suspended) => TokenStatus::Suspended,
                Err(Fault::Revoked | Fault::KeyInactive) => TokenStatus::Revoked,
            })
        })
    }
}

/// What is known of a token (RFC 7662, section 2.2).
///
/// `Debug` shows no claims.
///
/// ```
/// use tower_auth::session::{SessionError, Sessions};
///
/// async fn is_good(sessions: &Sessions, token: &str) -> Result<bool, SessionError> {
///     Ok(sessions.introspect(token).await?.is_active())
/// }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Introspection(Option<Map<String, Value>>);

impl Introspection {
    /// Returns whether the token can be used.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the answer of an introspection endpoint. Of a token that cannot be used, it says nothing else.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.0 {
            None => json!({ "active": false }),
            Some(claims) => {
                let active = [("active".to_owned(), Value::Bool(true))].into_iter();
                active.chain(claims.clone()).collect::<Map<_, _>>().into()
            }
        }
    }
}

impl std::fmt::Debug for Introspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Introspection").field("active", &self.is_active()).finish_non_exhaustive()
    }
}

/// What an authorization server does with tokens that it has issued.
impl Sessions {
    /// Revokes a token (RFC 7009). A refresh token ends its session, and with it the access tokens of the session; an
    /// access token is denied until it expires. Returns `false` if the token is none of this service's or has expired:
    /// there is nothing to revoke. If a client is given, the token must belong to it.
    ///
    /// # Errors
    /// If the token belongs to another client, or the store does not answer. Assume that the token can still be used
    /// then.
    pub async fn revoke(&self, token: &str, client: Option<&str>) -> Result<bool, SessionError> {
        let asks = TokenRequest { client: client.map(str::to_owned), ..TokenRequest::new() };
        self.revoke_for(token, &asks).await
    }

    /// Revokes a token for the client of this request.
    pub(crate) async fn revoke_for(&self, token: &str, client: &TokenRequest) -> Result<bool, SessionError> {
        if let Some(presented) = self.0.tokens.read(token) {
            let Some(session) = self.answer(self.0.store.find(&presented.session)).await? else { return Ok(false) };
            if client.is_others(session.grant.client_id(), session.grant.first_key()) {
                return Err(SessionError::WrongClient);
            }
            return self.end_because(&presented.session, SessionEnd::Revoked).await;
        }
        let Some(claims) = self.own_claims(token).await? else { return Ok(false) };
        // The client of a token that was issued to no client is the issuer.
        let owner = claims.client_id().filter(|owner| *owner != self.issuer().issuer());
        if client.is_others(owner, claims.principal().first_id()) {
            return Err(SessionError::WrongClient);
        }
        self.deny(&claims).await
    }

    /// Ends the session of an access token: the log-out of a client that has lost its refresh token. An access token
    /// without a session is revoked itself. Returns `false` if the token is none of this service's or has expired, or
    /// if its session has ended before.
    ///
    /// # Errors
    /// If the store does not answer. Assume that the session has not ended, and repeat the call.
    pub async fn log_out_by_access_token(&self, access_token: &str) -> Result<bool, SessionError> {
        let Some(claims) = self.own_claims(access_token).await? else { return Ok(false) };
        match claims.session_id() {
            Some(session) => self.end_because(session, SessionEnd::LoggedOut).await,
            None => self.deny(&claims).await,
        }
    }

    async fn deny(&self, claims: &Claims) -> Result<bool, SessionError> {
        let Some(id) = claims.principal().credential_id() else { return Ok(false) };
        let until = claims.expires_at().checked_add(LEEWAY).unwrap_or(claims.expires_at());
        self.answer(self.0.store.deny(id, until)).await?;
        Ok(true)
    }

    /// Returns what is known of an access token of this service (RFC 7662). Authorize the caller first. A refresh token
    /// is not active here: a service that introspects what a request presents would else admit it.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn introspect(&self, token: &str) -> Result<Introspection, SessionError> {
        self.inspect_access_token(token).await.map(Introspection)
    }

    /// Returns what is known of a refresh token of this service, with the member `token_use`: `refresh_token`. An
    /// access token is not active here. Authorize the caller first, and never admit a request because of the answer.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn introspect_refresh_token(&self, token: &str) -> Result<Introspection, SessionError> {
        let Some(presented) = self.0.tokens.read(token) else { return Ok(Introspection(None)) };
        self.inspect_refresh_token(&presented).await.map(Introspection)
    }

    async fn inspect_refresh_token(&self, presented: &Presented) -> Result<Option<Map<String, Value>>, SessionError> {
        let Some(session) = self.answer(self.0.store.find(&presented.session)).await? else { return Ok(None) };
        let now = self.clock().now();
        let is_last = session.generation == presented.generation && session.digest == presented.digest;
        if !is_last || session.ended.is_some() || now >= session.expires_at {
            return Ok(None);
        }
        let found = self.look(&session.grant).await?;
        let good = judge_session(&session.grant, &found, session.created_at, now).is_ok();
        Ok(good.then(|| self.described(&session)))
    }

    fn described(&self, session: &Session) -> Map<String, Value> {
        let who = session.grant.holder();
        members([
            ("sub", Some(who.subject().into())),
            ("client_id", Some(session.grant.client_id().unwrap_or(self.issuer().issuer()).into())),
            ("scope", Some(who.scopes().join(" ").into())),
            ("iss", Some(self.issuer().issuer().into())),
            ("iat", seconds(session.used_at)),
            ("exp", seconds(session.expires_at)),
            ("sid", Some(session.id.as_str().into())),
            ("token_use", Some("refresh_token".into())),
            ("cnf", session.proof_key().map(|key| json!({ "jkt": key }))),
        ])
    }

    async fn inspect_access_token(&self, token: &str) -> Result<Option<Map<String, Value>>, SessionError> {
        let Some(claims) = self.own_claims(token).await? else { return Ok(None) };
        if self.clock().now() >= claims.expires_at() {
            return Ok(None);
        }
        if self.answer(self.status_fresh(&claims)).await? != TokenStatus::Valid {
            return Ok(None);
        }
        let who = claims.principal();
        let text = |text: Option<&str>| text.map(Value::from);
        let bound = claims.confirmation().and_then(Confirmation::jkt);
        Ok(Some(members([
            ("sub", text(Some(who.subject()))),
            ("client_id", text(claims.client_id())),
            ("scope", Some(who.scopes().join(" ").into())),
            ("token_type", text(Some(token_type(bound.is_some())))),
            ("iss", text(who.issuer())),
            // A service that asks must learn for which services the token is (section 4).
            ("aud", signed_claims(token.as_bytes()).and_then(|mut all| all.remove("aud"))),
            ("iat", claims.issued_at().and_then(seconds)),
            ("exp", seconds(claims.expires_at())),
            ("jti", text(who.credential_id())),
            ("sid", text(claims.session_id())),
            // Who asks must demand a proof (RFC 9449, section 6.2).
            ("cnf", bound.map(|key| json!({ "jkt": key }))),
        ])))
    }

    /// Returns the claims of an access token of this issuer; `None` if it cannot be used.
    async fn own_claims(&self, token: &str) -> Result<Option<Claims>, SessionError> {
        match self.0.own.verify_bound(token, self.clock()).await {
            Ok(claims) => Ok(Some(claims)),
            Err(TokenError::Unavailable(why)) => Err(SessionError::Store(why)),
            Err(_) => Ok(None),
        }
    }
}

fn members<const N: usize>(all: [(&str, Option<Value>); N]) -> Map<String, Value> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn seconds(at: std::time::SystemTime) -> Option<Value> {
    Some(at.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?.as_secs().into())
}
