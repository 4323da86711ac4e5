use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    CutOff, Findings, Grant, IssuedTokens, Session, SessionEnd, SessionError, SessionFilter, SessionPolicy,
    SessionStore, TokenFacts, TokenIssuer, TokenRequest,
    access_claims::Asked,
    exchange_rule::ExchangeRule,
    recheck::Recheck,
    refresh_token::{RefreshTokens, new_id},
    standing::{facts_of_grant, judge_holder, left},
};
use crate::{
    BoxError, Clock, ConfigError, KeyRecord, MaybeReady, Principal, Secret,
    base::time_limit::TimeLimit,
    registry::{micros, time},
    token::TokenVerifier,
};

/// Issues, refreshes and revokes the tokens of a service. Clones share everything.
///
/// The [module page](crate::session) says how they are set up, and exactly when a token is refused.
///
/// ```
/// use tower_auth::{Principal, Rejection, session::{Grant, Sessions, TokenRequest}};
///
/// /// The answer of a handler that has verified a password.
/// async fn signed_in(sessions: &Sessions, user: &Principal) -> Result<String, Rejection> {
///     let tokens = sessions.begin(Grant::of(user).client("web"), &TokenRequest::new()).await?;
///     Ok(tokens.to_json().to_string()) // with Cache-Control: no-store
/// }
///
/// async fn signed_out_everywhere(sessions: &Sessions, user: &Principal) -> Result<(), Rejection> {
///     Ok(sessions.end_all_of(user.subject()).await?)
/// }
/// ```
#[derive(Clone)]
pub struct Sessions(pub(super) Arc<Settings>);

pub(super) struct Settings {
    pub(super) issuer: TokenIssuer,
    pub(super) store: Arc<dyn SessionStore>,
    pub(super) tokens: RefreshTokens,
    pub(super) policy: SessionPolicy,
    pub(super) limit: TimeLimit,
    pub(super) rules: Vec<ExchangeRule>,
    pub(super) recheck: Option<Recheck>,
    /// Verifies the tokens of the issuer, for introspection and revocation.
    pub(super) own: TokenVerifier,
}

/// Between which times a token or a session is valid.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// It ends then at the latest.
    pub(super) end: Option<SystemTime>,
    /// It begins after this time: the cut-off of its subject, which another process with a clock ahead may have made.
    pub(super) after: Option<SystemTime>,
}

impl Bounds {
    /// Returns when a session begins, in whole microseconds.
    fn begin(self, now: SystemTime) -> SystemTime {
        let next = self.after.and_then(|after| after.checked_add(Duration::from_micros(1)));
        let begin = next.map_or(now, |next| next.max(now));
        time(micros(begin)).unwrap_or(begin)
    }
}

/// How sessions are set up.
impl Sessions {
    /// Returns the issuer of the access tokens.
    pub fn issuer(&self) -> &TokenIssuer {
        &self.0.issuer
    }

    /// Returns how long tokens and sessions live.
    #[must_use]
    pub fn policy(&self) -> &SessionPolicy {
        &self.0.policy
    }
}

/// The calls. None authorizes its caller.
impl Sessions {
    /// Exchanges an API key for tokens. The caller is the one that a guard has authenticated by the key. The tokens
    /// have the asked scopes of the key, and end with it.
    ///
    /// # Errors
    /// If the caller was not authenticated by a key of the store, the key is no longer active or has restrictions, a
    /// scope is not the key's, no key can sign, or the store does not answer.
    pub async fn exchange(&self, caller: &Principal, request: &TokenRequest) -> Result<IssuedTokens, SessionError> {
        let grant = Grant::of(caller);
        if grant.key_id().is_none() {
            return Err(SessionError::NotAKey);
        }
        let found = self.look(&grant).await?;
        judge_holder(true, &found, self.clock().now())?;
        let Some(key) = &found.key else { return Err(SessionError::KeyInactive) };
        self.check_restrictions(key)?;
        let bounds = Bounds { end: key.end(), after: found.cut_off };
        self.issue(grant.renewed(key), request, self.0.policy.refresh_for_keys, bounds).await
    }

    /// Begins a session for a holder whose sign-in this service has verified.
    ///
    /// # Errors
    /// If the account or an organisation of the holder is suspended, the holder was authenticated by a token of this
    /// service, a scope is not the holder's, no key can sign, or the store does not answer.
    pub async fn begin(&self, grant: Grant, request: &TokenRequest) -> Result<IssuedTokens, SessionError> {
        if grant.key_id().is_some() {
            return self.exchange(grant.holder(), request).await;
        }
        // Its session would outlive the key, or itself.
        let holder = grant.holder();
        if holder.first_id().is_some() || holder.issuer() == Some(self.issuer().issuer()) {
            return Err(SessionError::OwnToken);
        }
        let found = self.look(&grant).await?;
        judge_holder(false, &found, self.clock().now())?;
        self.issue(grant, request, true, Bounds { end: None, after: found.cut_off }).await
    }

    /// Ends a session: its refresh token and its access tokens are refused from now on. Returns `false` if there is no
    /// such session, or if it has ended before.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end(&self, session: &str) -> Result<bool, SessionError> {
        self.end_because(session, SessionEnd::LoggedOut).await
    }

    /// Ends all sessions of a subject, and voids all access tokens that were issued to it: also those that have no
    /// session. Tokens without a session that are issued later in the same second are void too.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end_all_of(&self, subject: &str) -> Result<(), SessionError> {
        self.cut_off(CutOff::subject(subject)).await
    }

    /// Ends all sessions of everyone, and voids all access tokens: for the day on which a secret has leaked.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn end_all(&self) -> Result<(), SessionError> {
        self.cut_off(CutOff::Everyone).await
    }

    /// Lists sessions, the newest first, such as the devices on which a user is signed in. Ended and expired ones are
    /// listed until they are removed.
    ///
    /// # Errors
    /// If the store does not answer.
    pub async fn list(&self, filter: &SessionFilter) -> Result<Vec<Session>, SessionError> {
        let mut listed = self.answer(self.0.store.list(filter)).await?;
        // A cut-off of everyone is not written to each session.
        let cut_off = self.answer(self.0.store.look_fresh(&TokenFacts::default())).await?.cut_off;
        for session in &mut listed {
            if let Some(at) = cut_off.filter(|at| session.ended.is_none() && session.created_at <= *at) {
                session.ended = Some((at, SessionEnd::LoggedOut));
            }
        }
        Ok(listed)
    }

    async fn cut_off(&self, whose: CutOff) -> Result<(), SessionError> {
        self.answer(self.0.store.cut_off(&whose, self.clock().now())).await
    }

    pub(super) async fn end_because(&self, session: &str, why: SessionEnd) -> Result<bool, SessionError> {
        self.answer(self.0.store.end(session, self.clock().now(), why)).await
    }

    /// Reads what decides about the holder of a grant, past any cache: what is issued now lasts longer than a cached answer.
    pub(super) async fn look(&self, grant: &Grant) -> Result<Findings, SessionError> {
        self.answer(self.0.store.look_fresh(&facts_of_grant(grant))).await
    }

    /// Issues tokens for a verified holder, with a session if it gets a refresh token.
    pub(super) async fn issue(
        &self,
        grant: Grant,
        request: &TokenRequest,
        refresh: bool,
        bounds: Bounds,
    ) -> Result<IssuedTokens, SessionError> {
        let scopes = granted(grant.holder(), request)?;
        self.check_audience(request)?;
        if !refresh || request.no_refresh {
            let tokens = self.answer_with(&grant.scopes(scopes.clone()), scopes, request, None, bounds)?;
            self.use_up(request).await?;
            return Ok(tokens);
        }
        // The scopes of the session are those of its first token (RFC 6749, section 6).
        let (session, token) = self.new_session(grant.scopes(scopes.clone()), request, bounds)?;
        let mut tokens = self.answer_with(&session.grant, scopes, request, Some(&session), bounds)?;
        self.use_up(request).await?;
        self.answer(self.0.store.create(&session)).await?;
        tokens.refresh_token = Some(token);
        Ok(tokens)
    }

    fn new_session(
        &self,
        grant: Grant,
        request: &TokenRequest,
        bounds: Bounds,
    ) -> Result<(Session, Secret), SessionError> {
        let failed = |error: ConfigError| SessionError::Signing(error.to_string().into());
        let policy = &self.0.policy;
        let now = bounds.begin(self.clock().now());
        let id = new_id().map_err(failed)?;
        let (token, digest) = self.0.tokens.mint(&id, 0).ok_or(SessionError::Expired)?;
        let ends_at = bounds.end.into_iter().chain(now.checked_add(policy.absolute)).min().unwrap_or(now);
        let expires_at = now.checked_add(policy.idle).map_or(ends_at, |idle| idle.min(ends_at));
        let (generation, replaced, ended) = (0, Vec::new(), None);
        let session = Session {
            id,
            grant,
            proof_key: request.proof_key.as_deref().map(Into::into),
            created_at: now,
            used_at: now,
            expires_at,
            ends_at,
            generation,
            digest,
            replaced,
            ended,
        };
        Ok((session, token))
    }

    /// Returns the answer for a grant, without the refresh token.
    pub(super) fn answer_with(
        &self,
        grant: &Grant,
        scopes: Vec<String>,
        request: &TokenRequest,
        session: Option<&Session>,
        bounds: Bounds,
    ) -> Result<IssuedTokens, SessionError> {
        let end = bounds.end.into_iter().chain(session.map(|session| session.ends_at)).min();
        let asked = Asked {
            grant,
            scopes: &scopes,
            session: session.map(|session| &*session.id),
            audience: request.audience.as_deref(),
            proof_key: request.proof_key.as_deref(),
            lifetime: self.0.policy.access,
            after: bounds.after.filter(|_| session.is_none()),
            end,
        };
        let token = self.0.issuer.issue_for(&asked)?;
        let now = self.clock().now();
        Ok(IssuedTokens {
            access_token: token.text,
            refresh_token: None,
            expires_in: token.lifetime,
            refresh_expires_in: session.and_then(|session| left(session.expires_at, now)),
            session: session.map(|session| session.id.clone()),
            scopes,
            proof_key: request.proof_key.clone(),
        })
    }

    /// Refuses a key whose restrictions would not bind its tokens.
    pub(super) fn check_restrictions(&self, key: &KeyRecord) -> Result<(), SessionError> {
        let restrictions = key.current_restrictions();
        let restricted = restrictions.has_networks() || restrictions.has_origins();
        if restricted && !self.0.policy.exchange_restricted_keys { Err(SessionError::KeyRestricted) } else { Ok(()) }
    }

    pub(super) fn check_audience(&self, request: &TokenRequest) -> Result<(), SessionError> {
        match &request.audience {
            Some(asked) if self.0.issuer.audiences().all(|ours| ours != asked) => {
                Err(SessionError::Target(asked.clone()))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.0.limit.clock()
    }

    /// Waits for the store, within the time limit.
    pub(super) async fn answer<T>(&self, asked: MaybeReady<Result<T, BoxError>>) -> Result<T, SessionError> {
        match self.0.limit.wait(asked).await {
            Ok(answer) => Ok(answer?),
            Err(late) => Err(SessionError::Store(format!("the store {late}").into())),
        }
    }
}

/// Returns the scopes that a request gets: all that the holder has, or the asked ones if the holder has them all.
pub(super) fn granted(holder: &Principal, request: &TokenRequest) -> Result<Vec<String>, SessionError> {
    let Some(asked) = &request.scopes else { return Ok(holder.scopes().to_vec()) };
    let mut granted: Vec<String> = Vec::with_capacity(asked.len());
    for scope in asked {
        if !holder.has_scope(scope) {
            return Err(SessionError::Scope(crate::base::shown::text(scope, 80).into_owned()));
        }
        if !granted.contains(scope) {
            granted.push(scope.clone());
        }
    }
    Ok(granted)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("issuer", &self.0.issuer)
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}
