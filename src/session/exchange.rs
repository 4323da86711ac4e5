use super::{
    Grant, IssuedTokens, SessionError, Sessions, TokenRequest, exchange_rule::ExchangeRule, sessions::Bounds,
    standing::judge_holder,
};
use crate::{
    Principal,
    token::{TokenError, signed_claims},
};

/// Exchange of the tokens of other issuers.
impl Sessions {
    /// Exchanges a token of another issuer for tokens of this one, by the first [`ExchangeRule`] that accepts it. With
    /// the token of an actor, the new tokens say who acts (`act`).
    ///
    /// # Errors
    /// If no rule accepts the token, a scope is not the rule's, the account is suspended, no key can sign, or the store
    /// or the other issuer does not answer.
    pub async fn exchange_token(
        &self,
        token: &str,
        actor: Option<&str>,
        request: &TokenRequest,
    ) -> Result<IssuedTokens, SessionError> {
        let (rule, holder) = self.accepted(token, |_| true).await?;
        let mut grant = Grant::of(&holder);
        if let Some(actor) = actor {
            grant = grant.acting(self.accepted(actor, |rule| rule.acts).await?.1.subject());
        }
        if let Some(client) = &request.client {
            grant = grant.client(client);
        }
        let found = self.look(&grant).await?;
        judge_holder(false, &found, self.clock().now())?;
        self.issue(grant, request, rule.refresh, Bounds { end: None, after: found.cut_off }).await
    }

    /// Returns whether tokens of other issuers can be exchanged.
    #[cfg(feature = "strict-body")]
    pub(crate) fn exchanges_tokens(&self) -> bool {
        !self.0.rules.is_empty()
    }

    /// Returns the first rule that accepts a token, and the holder that it makes of it.
    async fn accepted(
        &self,
        token: &str,
        asked: impl Fn(&ExchangeRule) -> bool,
    ) -> Result<(&ExchangeRule, Principal), SessionError> {
        let mut why = "no rule is for its issuer".to_owned();
        for rule in self.0.rules.iter().filter(|rule| asked(rule)) {
            let claims = match rule.tokens.verify(token, self.clock()).await {
                Ok(claims) => claims,
                Err(TokenError::WrongIssuer | TokenError::UnknownKey) => continue,
                Err(TokenError::Unavailable(down)) => return Err(SessionError::Store(down)),
                Err(error) => {
                    why = error.to_string();
                    continue;
                }
            };
            let Some(all) = signed_claims(token.as_bytes()) else { continue };
            match rule.accept(claims.principal(), &all) {
                Ok(holder) => return Ok((rule, holder)),
                Err(mismatch) => why = mismatch,
            }
        }
        Err(SessionError::Subject(why.into()))
    }
}
