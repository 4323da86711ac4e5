use std::borrow::Cow;

use crate::{Rejection, RejectionKind, rejection::Restriction};

/// The texts of every kind of refusal, and of every [`Restriction`] of a key. Every text can be replaced. The defaults are the texts of the API in this
/// crate's main example.
///
/// ```
/// use tower_auth::{ErrorEnvelopeLayer, RejectionKind, envelope::{Catalogue, CatalogueEntry}};
///
/// let catalogue = Catalogue::default().with(
///     RejectionKind::InvalidKey,
///     CatalogueEntry::new("BAD_KEY").message("This key opens nothing.").error_type("client_error"),
/// );
/// let layer = ErrorEnvelopeLayer::detailed().catalogue(catalogue);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    kinds: Box<[CatalogueEntry; KINDS]>,
    restrictions: Box<[CatalogueEntry; RESTRICTIONS]>,
}

const KINDS: usize = RejectionKind::ALL.len();
const RESTRICTIONS: usize = Restriction::ALL.len();

/// The texts that a client reads for one kind of refusal.
///
/// ```
/// use tower_auth::envelope::CatalogueEntry;
///
/// let words = CatalogueEntry::new("NO_KEY").message("Bring a key.").system_message("No key was sent").error_type("client_error");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'static, str>,
    pub(super) system_message: Cow<'static, str>,
    pub(super) kind: Cow<'static, str>,
    pub(super) details: bool,
}

impl CatalogueEntry {
    /// Returns an entry with this code. The texts are empty and the type is `client_error` until they are set.
    pub fn new(code: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code: code.into(),
            message: Cow::Borrowed(""),
            system_message: Cow::Borrowed(""),
            kind: Cow::Borrowed("client_error"),
            details: true,
        }
    }

    /// Sets the message for the client's user.
    #[must_use]
    pub fn message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// Sets the message for the client's developer. It is sent to the client, so do not use the text of an internal
    /// error.
    #[must_use]
    pub fn system_message(self, message: impl Into<Cow<'static, str>>) -> Self {
        Self { system_message: message.into(), ..self }
    }

    /// Sets the member `type`, such as `authentication_error`.
    #[must_use]
    pub fn error_type(self, error_type: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: error_type.into(), ..self }
    }

    /// Omits the details. Use it for an API without documented details.
    #[must_use]
    pub fn without_details(self) -> Self {
        Self { details: false, ..self }
    }

    const fn fixed(
        code: &'static str,
        message: &'static str,
        system_message: &'static str,
        kind: &'static str,
    ) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: Cow::Borrowed(message),
            system_message: Cow::Borrowed(system_message),
            kind: Cow::Borrowed(kind),
            details: true,
        }
    }
}

impl Catalogue {
    /// Replaces the texts of one kind. Those of [`RejectionKind::Restricted`] are also those of every
    /// [`Restriction`] until [`with_restriction`](Self::with_restriction) replaces them.
    #[must_use]
    pub fn with(mut self, kind: RejectionKind, words: CatalogueEntry) -> Self {
        if kind == RejectionKind::Restricted {
            self.restrictions.fill(words.clone());
        }
        self.kinds[kind as usize] = words;
        self
    }

    /// Replaces the texts of one restriction of a key.
    ///
    /// ```
    /// use tower_auth::{envelope::{Catalogue, CatalogueEntry}, rejection::Restriction};
    ///
    /// let words = CatalogueEntry::new("WRONG_NETWORK").message("Use this key at the office.");
    /// let catalogue = Catalogue::default().with_restriction(Restriction::Network, words);
    /// ```
    #[must_use]
    pub fn with_restriction(mut self, restriction: Restriction, words: CatalogueEntry) -> Self {
        self.restrictions[restriction as usize] = words;
        self
    }

    /// Changes the texts of every kind, for example to set one `type` for all kinds. The texts of each restriction are
    /// changed as those of [`RejectionKind::Restricted`].
    ///
    /// ```
    /// use tower_auth::envelope::Catalogue;
    ///
    /// let plain = Catalogue::default().map(|_, words| words.error_type("client_error"));
    /// ```
    #[must_use]
    pub fn map(mut self, mut change: impl FnMut(RejectionKind, CatalogueEntry) -> CatalogueEntry) -> Self {
        for &kind in RejectionKind::ALL {
            let words = &mut self.kinds[kind as usize];
            *words = change(kind, words.clone());
        }
        for words in &mut *self.restrictions {
            *words = change(RejectionKind::Restricted, words.clone());
        }
        self
    }

    pub(super) fn words(&self, refusal: &Rejection) -> &CatalogueEntry {
        match refusal.restriction() {
            Some(restriction) => &self.restrictions[restriction as usize],
            None => &self.kinds[refusal.kind() as usize],
        }
    }
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            kinds: Box::new(std::array::from_fn(|kind| default_words(RejectionKind::ALL[kind]))),
            restrictions: Box::new(std::array::from_fn(|place| words_of_restriction(Restriction::ALL[place]))),
        }
    }
}

const AUTHENTICATION: &str = "authentication_error";
const AUTHORIZATION: &str = "authorization_error";
const VALIDATION: &str = "validation_error";
const LIMIT: &str = "rate_limit_error";
const CLIENT: &str = "client_error";
const SERVER: &str = "server_error";

#[rustfmt::skip]
fn default_words(kind: RejectionKind) -> CatalogueEntry {
    use RejectionKind as K;
    let (code, message, system_message, kind) = match kind {
        K::MissingCredential => ("AUTHENTICATION_REQUIRED", "Please sign in to continue.", "Missing authentication header", AUTHENTICATION),
        K::MalformedRequest => ("INVALID_REQUEST", "Your request is malformed. Please check its path and headers.", "Request is malformed or ambiguous", CLIENT),
        K::InvalidKey => ("INVALID_API_KEY", "Your API key is invalid. Please check your credentials.", "API key validation failed", AUTHENTICATION),
        K::ExpiredKey => ("API_KEY_EXPIRED", "Your API key has expired. Please create a new one.", "API key expired", AUTHENTICATION),
        K::PausedKey => ("API_KEY_PAUSED", "Your API key is paused. Please resume it to continue.", "API key paused", AUTHENTICATION),
        K::DeactivatedKey => ("API_KEY_DEACTIVATED", "Your API key is deactivated. Please activate it to continue.", "API key deactivated", AUTHENTICATION),
        K::RevokedKey => ("API_KEY_REVOKED", "Your API key was revoked. Please create a new one.", "API key revoked", AUTHENTICATION),
        K::Suspended => ("ACCOUNT_SUSPENDED", "Your account is suspended. Please contact support.", "Account suspended or disabled", AUTHENTICATION),
        K::InvalidToken => ("TOKEN_INVALID", "Your session is invalid. Please sign in again.", "JWT token validation failed", AUTHENTICATION),
        K::ExpiredToken => ("TOKEN_EXPIRED", "Your session has expired. Please sign in again.", "JWT token expired", AUTHENTICATION),
        K::InvalidCredentials => ("INVALID_CREDENTIALS", "Your email or password is incorrect.", "Credential validation failed", AUTHENTICATION),
        K::InsufficientAuthentication => ("INSUFFICIENT_USER_AUTHENTICATION", "Please sign in again to confirm that it is you.", "Login is too weak or too old for this action", AUTHENTICATION),
        K::InsufficientPermissions => ("INSUFFICIENT_PERMISSIONS", "You don't have permission to perform this action.", "User lacks required permissions", AUTHORIZATION),
        K::OrganizationDenied => ("ORGANIZATION_ACCESS_DENIED", "You don't have access to this organization.", "User not member of organization", AUTHORIZATION),
        K::Restricted => ("KEY_RESTRICTED", "Your API key may not be used for this request.", "API key is restricted", AUTHORIZATION),
        K::InvalidJson => ("INVALID_JSON", "Your request body is not valid JSON.", "Request body could not be parsed", CLIENT),
        K::InvalidFields => ("VALIDATION_ERROR", "Your request contains invalid fields.", "Request body does not match the documented schema", VALIDATION),
        K::UnsupportedMediaType => ("UNSUPPORTED_MEDIA_TYPE", "This content type is not supported.", "Unsupported content type or encoding", CLIENT),
        K::PayloadTooLarge => ("PAYLOAD_TOO_LARGE", "Your request body is too large.", "Request body exceeds the limit", CLIENT),
        K::RequestTimeout => ("REQUEST_TIMEOUT", "Your request took too long. Please try again.", "Request was not received in time", CLIENT),
        K::RateLimited => ("RATE_LIMIT_EXCEEDED", "You have sent too many requests. Please try again later.", "Rate limit exceeded", LIMIT),
        K::TooCostly => ("REQUEST_TOO_COSTLY", "Your request is larger than your plan allows.", "Request cost exceeds the burst of the limit", CLIENT),
        K::NotFound => ("NOT_FOUND", "The requested resource was not found.", "Resource not found", CLIENT),
        K::MethodNotAllowed => ("METHOD_NOT_ALLOWED", "This method is not allowed here.", "Method not allowed for this resource", CLIENT),
        K::NotImplemented => ("NOT_IMPLEMENTED", "This operation is not supported.", "The service does not implement this", SERVER),
        K::BadGateway => ("BAD_GATEWAY", "A server behind this service did not answer correctly. Please try again later.", "Invalid response from an upstream server", SERVER),
        K::Unavailable => ("SERVICE_UNAVAILABLE", "The service is temporarily unavailable. Please try again.", "A required service is unavailable", SERVER),
        K::GatewayTimeout => ("GATEWAY_TIMEOUT", "The service took too long to answer. Please try again later.", "The response was not ready in time", SERVER),
        K::Internal => ("INTERNAL_ERROR", "Something went wrong on our side. Please try again later.", "Internal server error", SERVER),
        K::Custom => ("REQUEST_REFUSED", "Your request was refused.", "Request refused", CLIENT),
    };
    CatalogueEntry::fixed(code, message, system_message, kind)
}

#[rustfmt::skip]
fn words_of_restriction(restriction: Restriction) -> CatalogueEntry {
    let (code, message, system_message) = match restriction {
        Restriction::Network => ("IP_NOT_ALLOWED", "Your API key may not be used from this IP address.", "Client address is not in the networks of the API key"),
        Restriction::Origin => ("ORIGIN_NOT_ALLOWED", "Your API key may not be used by this website.", "Origin is not among the origins of the API key"),
        Restriction::Unknown => ("RESTRICTION_UNKNOWN", "Your API key has a restriction that this service cannot check. Please contact support.", "API key has an unknown restriction"),
    };
    CatalogueEntry::fixed(code, message, system_message, AUTHORIZATION)
}
