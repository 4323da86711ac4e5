//! Refusals that tell a client which token to get next.

use http::HeaderValue;

use super::{demand::Demand, kind::RejectionKind, step_up::StepUp, value::Rejection};

impl Rejection {
    /// Returns 403: the token has not the scopes that this operation needs. Name all of them, also those that the token has
    /// (RFC 6750, section 3): clients ask for exactly these.
    ///
    /// The client reads them in the detail `required_permissions` and, if it has presented a token, in the challenge. The
    /// layers do the same for a policy such as [`permission::scope`](crate::permission::scope). Use it where only the
    /// handler knows the need: for one tool, one field of a query, one message of a stream.
    ///
    /// ```
    /// use tower_auth::{Principal, Rejection};
    ///
    /// fn delete_note(who: &Principal) -> Result<(), Rejection> {
    ///     if who.has_scope("notes:write") {
    ///         Ok(())
    ///     } else {
    ///         Err(Rejection::insufficient_scope(["notes:read", "notes:write"]))
    ///     }
    /// }
    /// # assert!(delete_note(&Principal::builder("alice").build()).is_err());
    /// ```
    pub fn insufficient_scope<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        let refusal = Self::new(RejectionKind::InsufficientPermissions);
        let refusal = if scopes.is_empty() { refusal } else { refusal.detail("required_permissions", scopes.clone()) };
        refusal.demanding(Demand { step_up: None, scopes })
    }

    /// Returns 401: the caller is authenticated, but the login was too weak or is too long ago (RFC 9470). The challenge and
    /// the details `acr_values` and `max_age` say which login would do.
    ///
    /// No budget of an address is charged for it, because the caller has proved who it is.
    /// [`permission::acr`](crate::permission::acr) and [`permission::logged_in_within`](crate::permission::logged_in_within)
    /// refuse with it. Return it yourself where the need depends on the request, such as on the amount of a payment.
    ///
    /// ```
    /// use tower_auth::{Principal, Rejection, rejection::StepUp};
    ///
    /// fn pay(who: &Principal, cents: u64) -> Result<(), Rejection> {
    ///     let is_strong = who.acr() == Some("urn:example:mfa");
    ///     if cents > 10_000 && !is_strong {
    ///         return Err(Rejection::step_up(StepUp::new().acr_values(["urn:example:mfa"])));
    ///     }
    ///     Ok(())
    /// }
    /// # assert!(pay(&Principal::builder("alice").build(), 10_001).is_err());
    /// ```
    pub fn step_up(needed: StepUp) -> Self {
        let mut refusal = Self::new(RejectionKind::InsufficientAuthentication);
        if !needed.acr_values.is_empty() {
            refusal = refusal.detail("acr_values", needed.acr_values.clone());
        }
        if let Some(seconds) = needed.seconds() {
            refusal = refusal.detail("max_age", seconds);
        }
        refusal.demanding(Demand { step_up: Some(needed), scopes: Vec::new() })
    }

    /// Sets what a better token would have.
    pub(crate) fn demanding(self, demand: Demand) -> Self {
        self.set(|facts| facts.demand = Some(Box::new(demand)))
    }

    /// Adds scopes that the operation needs too, if it says what a better token would have.
    pub(crate) fn needing(self, scopes: &[String]) -> Self {
        if self.facts.demand.is_none() || scopes.is_empty() {
            return self;
        }
        self.set(|facts| {
            if let Some(demand) = &mut facts.demand {
                demand.add(scopes);
            }
        })
    }

    pub(crate) fn demand(&self) -> Option<&Demand> {
        self.facts.demand.as_deref()
    }

    /// Returns the challenge of a refusal that asks for another login, where no gate has written it yet.
    pub(super) fn step_up_challenge(&self) -> Option<HeaderValue> {
        let demand = self.demand().filter(|demand| demand.step_up.is_some())?;
        Some(demand.challenge("Bearer", None))
    }
}
