#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use http::StatusCode;

use super::value::Rejection;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use crate::base::same_site::CrossSite;

impl Rejection {
    /// Returns 403: another website may have made the request, with the cookies of the browser's user. No budget of failed
    /// attempts is charged for it: the user has guessed nothing, and does not know of the request.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn cross_site(cause: CrossSite) -> Self {
        Self::custom(StatusCode::FORBIDDEN, "CROSS_SITE_REQUEST")
            .message("This request came from another website. Please open this service in your browser and try again.")
            .system_message(
                "A request with a cookie must come from the same origin: the header Sec-Fetch-Site or Origin says otherwise, \
                 or both are missing",
            )
            .cause(cause)
            .no_guess()
    }

    /// Charges no budget of failed attempts for it.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub(crate) fn no_guess(self) -> Self {
        self.set(|facts| facts.is_no_guess = true)
    }

    /// Returns whether no budget of failed attempts is charged for it.
    pub(crate) fn is_no_guess(&self) -> bool {
        self.facts.is_no_guess
    }
}
