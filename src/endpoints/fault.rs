//! Errors in the form of OAuth (RFC 6749, section 5.2).

use std::{borrow::Cow, sync::Arc};

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{FullBody, Principal, Rejection, RejectionKind, context::answered::BodyWritten, session::SessionError};

/// What an OAuth client is told, and the refusal behind it. Budgets of failed attempts, logs and observers read the
/// refusal in the extensions of the response: a wrong refresh token is a guess, although OAuth answers it 400.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    code: &'static str,
    description: Cow<'static, str>,
    status: StatusCode,
    rejection: Rejection,
}

impl Fault {
    fn new(code: &'static str, description: impl Into<Cow<'static, str>>, rejection: Rejection) -> Self {
        let (description, status) = (description.into(), StatusCode::BAD_REQUEST);
        Self { code, description, status, rejection }
    }

    /// The request is malformed. The description is ASCII, without quotes and backslashes.
    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::malformed("invalid_request", description.into())
    }

    pub(super) fn unsupported_grant_type() -> Self {
        Self::malformed("unsupported_grant_type", "this grant_type is not supported".into())
    }

    /// The refusal says why.
    pub(super) fn invalid_dpop_proof(rejection: Rejection) -> Self {
        Self::new("invalid_dpop_proof", "the DPoP proof is missing or invalid", rejection)
    }

    /// The refusal has the nonce in its header.
    pub(super) fn use_dpop_nonce(rejection: Rejection) -> Self {
        Self::new("use_dpop_nonce", "the DPoP proof must have the nonce that DPoP-Nonce names", rejection)
    }

    fn malformed(code: &'static str, description: Cow<'static, str>) -> Self {
        let rejection = Rejection::new(RejectionKind::MalformedRequest).cause(description.clone().into_owned());
        Self::new(code, description, rejection)
    }

    /// The client is not authenticated: 401. The challenge is that of the scheme that the client has used, or else that
    /// of the refusal.
    pub(super) fn invalid_client(rejection: Rejection, challenge: Option<HeaderValue>) -> Self {
        let rejection = match challenge {
            Some(challenge) => rejection.offering(Some(Arc::new(challenge))),
            None => rejection,
        };
        let fault = Self::new("invalid_client", "the client is not authenticated", rejection);
        Self { status: StatusCode::UNAUTHORIZED, ..fault }
    }

    /// Replaces the status of a client that may not do what it asks.
    pub(super) fn forbidden(self) -> Self {
        let denied = self.rejection.status() == StatusCode::FORBIDDEN;
        if denied { Self { status: StatusCode::FORBIDDEN, ..self } } else { self }
    }

    /// Adds the caller, whose credential is genuine: it is charged for the failure, and not its address.
    pub(super) fn of(self, caller: Option<&Principal>) -> Self {
        match caller {
            Some(caller) => Self { rejection: self.rejection.with_principal(caller.clone()), ..self },
            None => self,
        }
    }

    pub(super) fn into_response(self) -> Response<FullBody> {
        let response = self.rejection.clone().into_response::<FullBody>();
        self.write(response)
    }

    /// Puts a refusal of the guards, which has no body, into the words of OAuth. Other responses stay.
    pub(super) fn complete(mut response: Response<FullBody>, challenge: Option<HeaderValue>) -> Response<FullBody> {
        let written = response.extensions().get::<BodyWritten>().is_some();
        let Some(refusal) = Rejection::of(&response).filter(|_| !written).cloned() else { return response };
        if refusal.status() != StatusCode::UNAUTHORIZED {
            return Self::from(refusal).write(response);
        }
        if let Some(challenge) = &challenge {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
        }
        let fault = Self::invalid_client(refusal, challenge);
        response.extensions_mut().insert(fault.rejection.clone());
        fault.write(response)
    }

    fn write(self, mut response: Response<FullBody>) -> Response<FullBody> {
        let body = json!({ "error": self.code, "error_description": self.description }).to_string();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::UNAUTHORIZED {
            headers.remove(header::WWW_AUTHENTICATE);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response.extensions_mut().insert(BodyWritten);
        response.map(|_| body.into())
    }
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        let description = match &error {
            SessionError::NotAKey => "only an API key can be exchanged for a token",
            SessionError::KeyRestricted => "an API key with restrictions cannot be exchanged for a token",
            SessionError::Scope(_) => "the requested scope was not granted",
            SessionError::Target(_) => "no token is issued for the requested audience or resource",
            SessionError::WrongProofKey => "the refresh token is bound to a key, and needs a DPoP proof of it",
            SessionError::Proof(_) => "the DPoP proof was used before",
            SessionError::Subject(_) => "the subject_token or the actor_token is not accepted",
            temporary if temporary.is_temporary() => TEMPORARY,
            _ => "the presented token cannot be used",
        };
        let status = if error.is_temporary() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
        Self { status, ..Self::new(error.oauth_code(), description, error.into()) }
    }
}

/// A refusal of a guard, or of reading the body. The status stays what HTTP says.
impl From<Rejection> for Fault {
    fn from(rejection: Rejection) -> Self {
        let status = rejection.status();
        let (code, description) = match status {
            StatusCode::UNAUTHORIZED => return Self::invalid_client(rejection, None),
            StatusCode::FORBIDDEN => {
                return Self::new("unauthorized_client", "the client may not do this", rejection);
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => ("temporarily_unavailable", TEMPORARY),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("invalid_request", "the body must be application/x-www-form-urlencoded in UTF-8, without a coding")
            }
            StatusCode::PAYLOAD_TOO_LARGE => ("invalid_request", "the body is too large"),
            StatusCode::REQUEST_TIMEOUT => ("invalid_request", "the body did not arrive in time"),
            status if status.is_server_error() => ("server_error", "the request could not be handled"),
            _ => ("invalid_request", "the request is malformed"),
        };
        Self { status, ..Self::new(code, description, rejection) }
    }
}

const TEMPORARY: &str = "the request can be repeated later";
