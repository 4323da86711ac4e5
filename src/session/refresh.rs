//! Refresh and log-out by a refresh token.

use super::{
    Findings, Grant, IssuedTokens, Session, SessionEnd, SessionError, Sessions, TokenRequest,
    proof::check_key,
    refresh_token::Presented,
    sessions::{Bounds, granted},
    standing::judge_session,
    step::{Over, Step, step},
};
use crate::Secret;

/// How often a request that lost against another one looks again. Each time, another request has made progress.
const MOST_TRIES: usize = 16;

/// The calls of a client that has a refresh token.
impl Sessions {
    /// Exchanges a refresh token for an access token and the next refresh token. The presented token is replaced: of
    /// many requests with it at once, one replaces it, and all get the same successor. The [module
    /// page](crate::session) has the exact rules.
    ///
    /// # Errors
    /// If the token is none of this service's, was replaced longer ago than the grace (the session is ended then), the
    /// session has ended or expired, its key is no longer active, its holder is suspended, the client is another one, a
    /// scope is not the session's, the session is bound to another key, no key can sign, or the store does not answer. Only
    /// after the last two can the same request succeed later: repeat it within the
    /// [grace](super::SessionPolicy::grace), because the store may have replaced the token.
    pub async fn refresh(&self, refresh_token: &str, request: &TokenRequest) -> Result<IssuedTokens, SessionError> {
        let presented = self.presented(refresh_token)?;
        self.check_audience(request)?;
        for tried in 0..MOST_TRIES {
            let session = self.found(&presented).await?;
            // A thief without the key cannot end the session either.
            check_key(&session, request)?;
            if let Some(tokens) = self.try_refresh(session, &presented, request, tried > 0).await? {
                return Ok(tokens);
            }
        }
        Err(SessionError::Store("the session changes all the time; the refresh can be repeated".into()))
    }

    /// Ends the session of a refresh token: log-out. Returns `false` if it has ended before, or if the token is none of
    /// this service's: then there is nothing to end. A token that was replaced ends its session too.
    ///
    /// # Errors
    /// If the store does not answer. Assume that the session has not ended, and repeat the call.
    pub async fn log_out(&self, refresh_token: &str) -> Result<bool, SessionError> {
        match self.0.tokens.read(refresh_token) {
            Some(presented) => self.end_because(&presented.session, SessionEnd::LoggedOut).await,
            None => Ok(false),
        }
    }

    fn presented(&self, refresh_token: &str) -> Result<Presented, SessionError> {
        self.0.tokens.read(refresh_token).ok_or(SessionError::Unknown)
    }

    async fn found(&self, presented: &Presented) -> Result<Session, SessionError> {
        let found = self.answer(self.0.store.find(&presented.session)).await?;
        found.ok_or_else(|| SessionError::invalid(format!("there is no session {}", presented.session)))
    }

    /// Returns `None` if another request has changed the session meanwhile. Once it was called, the proof of the request is
    /// used up.
    async fn try_refresh(
        &self,
        session: Session,
        presented: &Presented,
        request: &TokenRequest,
        used_up: bool,
    ) -> Result<Option<IssuedTokens>, SessionError> {
        let mut successor = None;
        let mint = |generation| {
            let (token, digest) = self.0.tokens.mint(&session.id, generation)?;
            successor = Some(token);
            Some(digest)
        };
        let now = self.clock().now();
        let step = step(&session, presented, mint, now, &self.0.policy);
        let next = match step {
            Step::Rotate(next) => Some(*next),
            Step::Repeat => None,
            refused => {
                // A copy of an old request has a proof that was used, and does not end the session.
                if refused == Step::Reused && !used_up {
                    self.use_up(request).await?;
                }
                return Err(self.refuse(&session, refused).await);
            }
        };
        // Everything that can be refused is refused before the token is replaced.
        let current = next.as_ref().unwrap_or(&session);
        let grant = self.rechecked(&session).await?;
        let found = self.look(&grant).await?;
        let mut tokens = self.renew(current, &grant, &found, request)?;
        if !used_up {
            self.use_up(request).await?;
        }
        tokens.refresh_token = match &next {
            None => Some(self.current_token(&session)?),
            Some(next) if self.answer(self.0.store.rotate(next)).await? => successor,
            Some(_) => return Ok(None),
        };
        Ok(Some(tokens))
    }

    /// Returns what the holder of a session may have now. Sessions of keys are judged by their keys.
    async fn rechecked(&self, session: &Session) -> Result<Grant, SessionError> {
        let Some(recheck) = self.0.recheck.as_ref().filter(|_| session.grant.key_id().is_none()) else {
            return Ok(session.grant.clone());
        };
        let asked = self.0.limit.wait(recheck.ask(&session.grant)).await;
        let asked = asked.map_err(|late| SessionError::Store(format!("the check of the holder {late}").into()))?;
        if let Some(grant) = asked? {
            return Ok(grant);
        }
        self.end_because(&session.id, SessionEnd::LoggedOut).await?;
        Err(SessionError::invalid("its holder may no longer have a session"))
    }

    /// Issues an access token for a session, if its holder may still have one.
    fn renew(
        &self,
        session: &Session,
        grant: &Grant,
        found: &Findings,
        request: &TokenRequest,
    ) -> Result<IssuedTokens, SessionError> {
        judge_session(grant, found, session.created_at, self.clock().now())?;
        let (grant, end) = match &found.key {
            Some(key) if grant.key_id().is_some() => {
                self.check_restrictions(key)?;
                (grant.renewed(key), key.end())
            }
            _ => (grant.clone(), None),
        };
        if request.is_others(grant.client_id(), grant.first_key()) {
            return Err(SessionError::WrongClient);
        }
        let scopes = granted(grant.holder(), request)?;
        self.answer_with(&grant, scopes, request, Some(session), Bounds { end, after: None })
    }

    /// Returns the token that the session has now.
    fn current_token(&self, session: &Session) -> Result<Secret, SessionError> {
        let lost = || SessionError::invalid("its successor was made under a pepper that this process does not have");
        self.0.tokens.current(session).ok_or_else(lost)
    }

    /// Returns the refusal. A token that was used again ends the session first.
    async fn refuse(&self, session: &Session, step: Step) -> SessionError {
        match step {
            Step::Over(Over::Expired) => SessionError::Expired,
            Step::Over(Over::Ended(why)) => SessionError::invalid(format!("the session has ended ({why})")),
            Step::Reused => match self.end_because(&session.id, SessionEnd::Reused).await {
                Ok(_) => {
                    let (session, subject) = (&*session.id, session.grant.holder().subject());
                    tracing::warn!(
                        target: "tower_auth", session, subject,
                        "a refresh token was used again after it was replaced, so it may be stolen: its session was ended"
                    );
                    SessionError::invalid("it was used again after it was replaced, and the session was ended")
                }
                Err(error) => error,
            },
            _ => SessionError::invalid("the session has no such token"),
        }
    }
}
