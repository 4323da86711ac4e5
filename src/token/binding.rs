//! The binding of a token, as it is asked for.

use super::{claims::Claims, confirmation::Confirmation, error::TokenError};

impl Claims {
    /// Returns the binding that the caller must prove.
    #[inline]
    pub(crate) fn asked_binding(&self) -> Option<&Confirmation> {
        self.confirmation.as_deref().filter(|bound| bound.is_asked())
    }

    /// Refuses a token that is bound: whoever presents it proves nothing else.
    #[inline]
    pub(super) fn unbound(self) -> Result<Self, TokenError> {
        match self.asked_binding() {
            None => Ok(self),
            Some(_) => Err(TokenError::Unproven(
                "the token was presented without a request, in which a proof could be; TokenVerifier::verify_bound \
                 leaves the check to its caller",
            )),
        }
    }
}
