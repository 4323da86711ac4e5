use http::StatusCode;

/// Why a request was refused. Kinds are stable; the texts that a client reads come from a
/// [`Catalogue`](crate::envelope::Catalogue).
///
/// ```
/// use http::StatusCode;
/// use tower_auth::RejectionKind;
///
/// assert_eq!(RejectionKind::InvalidKey.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(RejectionKind::InvalidKey.grpc_code(), 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// A credential is required and none was presented.
    MissingCredential,
    /// The request is malformed or ambiguous: for example, a credential header is repeated or truncated.
    MalformedRequest,
    /// The key is unknown, malformed or not yet valid, or the [`Disclosure`](crate::api_key::Disclosure) hides its
    /// state.
    InvalidKey,
    /// The key has expired. Sent only if the secret is right and the [`Disclosure`](crate::api_key::Disclosure) allows
    /// it.
    ExpiredKey,
    /// The key is paused. Sent only if the secret is right and the [`Disclosure`](crate::api_key::Disclosure) allows
    /// it.
    PausedKey,
    /// The key is deactivated. Sent only if the secret is right and the [`Disclosure`](crate::api_key::Disclosure)
    /// allows it.
    DeactivatedKey,
    /// The key was revoked. Sent only if the secret is right and the [`Disclosure`](crate::api_key::Disclosure) allows
    /// it.
    RevokedKey,
    /// The account or organisation behind the credential is suspended.
    Suspended,
    /// The token cannot be verified.
    InvalidToken,
    /// The token was valid and has expired.
    ExpiredToken,
    /// The name or password is wrong.
    InvalidCredentials,
    /// The caller is authenticated, but the login was too weak or is too long ago: the user must log in again
    /// (RFC 9470). No scope would help.
    InsufficientAuthentication,
    /// The caller is authenticated but not authorized.
    InsufficientPermissions,
    /// The caller is authenticated but not a member of the organisation.
    OrganizationDenied,
    /// The key is genuine, and one of its [restrictions](crate::Restrictions) forbids the request. Sent only if the secret
    /// is right, whatever the [`Disclosure`](crate::api_key::Disclosure) is: the [`Restriction`]
    /// says which.
    Restricted,
    /// The body is not valid JSON.
    InvalidJson,
    /// The body is JSON, but its shape is not as documented.
    InvalidFields,
    /// The media type or content coding is not supported.
    UnsupportedMediaType,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// The request was not received in time.
    RequestTimeout,
    /// The caller has used up a limit.
    RateLimited,
    /// The request costs more than the burst of the limit.
    TooCostly,
    /// There is no resource at this path.
    NotFound,
    /// The resource does not support this HTTP method.
    MethodNotAllowed,
    /// The service does not support the requested operation.
    NotImplemented,
    /// An upstream server sent an invalid response.
    BadGateway,
    /// A required service does not answer, such as a key store.
    Unavailable,
    /// The response was not ready in time.
    GatewayTimeout,
    /// A fault or a misconfiguration of the service.
    Internal,
    /// A refusal with a status and a code of the handler's choice.
    Custom,
}

impl RejectionKind {
    /// All kinds, in the order of declaration.
    pub const ALL: &'static [Self] = &[
        Self::MissingCredential,
        Self::MalformedRequest,
        Self::InvalidKey,
        Self::ExpiredKey,
        Self::PausedKey,
        Self::DeactivatedKey,
        Self::RevokedKey,
        Self::Suspended,
        Self::InvalidToken,
        Self::ExpiredToken,
        Self::InvalidCredentials,
        Self::InsufficientAuthentication,
        Self::InsufficientPermissions,
        Self::OrganizationDenied,
        Self::Restricted,
        Self::InvalidJson,
        Self::InvalidFields,
        Self::UnsupportedMediaType,
        Self::PayloadTooLarge,
        Self::RequestTimeout,
        Self::RateLimited,
        Self::TooCostly,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotImplemented,
        Self::BadGateway,
        Self::Unavailable,
        Self::GatewayTimeout,
        Self::Internal,
        Self::Custom,
    ];

    /// Returns the HTTP status of this kind.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.codes().0
    }

    /// Returns the gRPC status code of this kind.
    #[must_use]
    pub const fn grpc_code(self) -> u8 {
        self.codes().1
    }

    const fn codes(self) -> (StatusCode, u8) {
        match self {
            Self::MissingCredential
            | Self::InvalidKey
            | Self::ExpiredKey
            | Self::PausedKey
            | Self::DeactivatedKey
            | Self::RevokedKey
            | Self::Suspended
            | Self::InvalidToken
            | Self::ExpiredToken
            | Self::InvalidCredentials
            | Self::InsufficientAuthentication => (StatusCode::UNAUTHORIZED, 16),
            Self::MalformedRequest | Self::InvalidJson | Self::TooCostly => (StatusCode::BAD_REQUEST, 3),
            Self::InsufficientPermissions | Self::OrganizationDenied | Self::Restricted => (StatusCode::FORBIDDEN, 7),
            Self::InvalidFields => (StatusCode::UNPROCESSABLE_ENTITY, 3),
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, 3),
            Self::PayloadTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 8),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, 4),
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, 8),
            Self::NotFound => (StatusCode::NOT_FOUND, 12),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, 12),
            Self::NotImplemented => (StatusCode::NOT_IMPLEMENTED, 12),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, 14),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 14),
            Self::GatewayTimeout => (StatusCode::GATEWAY_TIMEOUT, 4),
            Self::Internal | Self::Custom => (StatusCode::INTERNAL_SERVER_ERROR, 13),
        }
    }
}

/// The restriction of a key that forbids a request. Each has texts of its own in the
/// [`Catalogue`](crate::envelope::Catalogue).
///
/// ```
/// use tower_auth::{Rejection, rejection::Restriction};
///
/// let refusal = Rejection::restricted(Restriction::Network);
/// assert_eq!(refusal.status(), http::StatusCode::FORBIDDEN);
/// assert_eq!(refusal.restriction(), Some(Restriction::Network));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restriction {
    /// The key may not be used from this address: `IP_NOT_ALLOWED`.
    Network,
    /// The key may not be used by this website, or only by websites: `ORIGIN_NOT_ALLOWED`.
    Origin,
    /// The key has a restriction that this version cannot check: `RESTRICTION_UNKNOWN`.
    Unknown,
}

impl Restriction {
    /// All restrictions, in the order of declaration.
    pub const ALL: &'static [Self] = &[Self::Network, Self::Origin, Self::Unknown];
}
