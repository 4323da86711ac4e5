use http::StatusCode;

/// Why a request was refused. Kinds are stable; the words that a client reads come from a
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
    /// No credential where one is required.
    MissingCredential,
    /// The request can be read in more than one way, or not at all: a credential header is repeated or cut short.
    MalformedRequest,
    /// The key is unknown, malformed, revoked or not yet valid.
    InvalidKey,
    /// The key is past its time, told to a holder who proved the secret.
    ExpiredKey,
    /// The key is paused, told to a holder who proved the secret.
    PausedKey,
    /// The key is deactivated, told to a holder who proved the secret.
    DeactivatedKey,
    /// The key was taken back, told to a holder who proved the secret.
    RevokedKey,
    /// The account or organisation behind the credential is suspended.
    Suspended,
    /// The token cannot be verified.
    InvalidToken,
    /// The token was good and is past its time.
    ExpiredToken,
    /// Name or password is wrong.
    InvalidCredentials,
    /// The caller is known and may not do this.
    InsufficientPermissions,
    /// The caller is known and not a member of the organisation.
    OrganizationDenied,
    /// The body is no JSON.
    InvalidJson,
    /// The body is JSON of another shape than documented.
    InvalidFields,
    /// The media type or content coding is not one that is read here.
    UnsupportedMediaType,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// The request came too slowly.
    RequestTimeout,
    /// The caller has used up a limit.
    RateLimited,
    /// The request costs more than the limit can ever hold.
    TooCostly,
    /// There is nothing at this path.
    NotFound,
    /// The path has no such method.
    MethodNotAllowed,
    /// The service does not support what the request asks for.
    NotImplemented,
    /// A server behind this one gave an answer that cannot be used.
    BadGateway,
    /// Something that has to be asked does not answer.
    Unavailable,
    /// The answer was not ready in time.
    GatewayTimeout,
    /// A fault of the service or of how it was put together.
    Internal,
    /// A refusal of the handler's own.
    Custom,
}

impl RejectionKind {
    /// Every kind, in the order of its declaration.
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
        Self::InsufficientPermissions,
        Self::OrganizationDenied,
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

    /// The HTTP status of a refusal of this kind.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.codes().0
    }

    /// The gRPC status code of a refusal of this kind.
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
            | Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, 16),
            Self::MalformedRequest | Self::InvalidJson | Self::TooCostly => (StatusCode::BAD_REQUEST, 3),
            Self::InsufficientPermissions | Self::OrganizationDenied => (StatusCode::FORBIDDEN, 7),
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
