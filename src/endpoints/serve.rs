//! From a request to its answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header, request::Parts};
use http_body::Body;

use super::{
    client::Claimed, fault::Fault, form::Form, gates::Gates, grants, key_exchange, refresh, settings::Settings, tokens,
};
use crate::{
    BoxError, FullBody, Rejection, RejectionKind,
    strict_body::{is_form, no_form, read_form, unread},
};

/// What the last segment of a path selects.
#[derive(Clone, Copy)]
enum Endpoint {
    Token,
    Refresh,
    LogOut,
    Revoke,
    Introspect,
}

impl Endpoint {
    /// Returns the endpoint of a request.
    fn of(head: &Parts, gates: &Gates) -> Result<Self, Rejection> {
        const POST: HeaderValue = HeaderValue::from_static("POST");
        let endpoint = match head.uri.path().rsplit('/').next() {
            Some("token") => Self::Token,
            Some("refresh") => Self::Refresh,
            Some("logout") => Self::LogOut,
            Some("revoke") => Self::Revoke,
            Some("introspect") if gates.have_introspection() => Self::Introspect,
            _ => return Err(Rejection::not_found()),
        };
        if head.method == Method::POST {
            return Ok(endpoint);
        }
        Err(Rejection::new(RejectionKind::MethodNotAllowed).header(header::ALLOW, POST))
    }

    /// Returns the documented parameters of its form.
    const fn parameters(self) -> &'static [&'static str] {
        if matches!(self, Self::Token) { grants::PARAMETERS } else { tokens::PARAMETERS }
    }
}

/// One request: the settings and the guards of the endpoints.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) settings: Arc<Settings>,
    pub(super) gates: Gates,
}

impl Serving {
    /// Answers a request.
    pub(super) async fn answer<B>(self, head: Parts, body: B) -> Response<FullBody>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        match Endpoint::of(&head, &self.gates) {
            Err(refusal) => {
                let refusal = if body.is_end_stream() { refusal } else { unread(refusal, head.version) };
                self.refuse(head, refusal).await
            }
            Ok(endpoint @ (Endpoint::Refresh | Endpoint::LogOut)) => self.by_refresh_token(endpoint, head, body).await,
            Ok(Endpoint::Token) if matches!(is_form(&head.headers), Ok(false)) => self.exchange(head, body).await,
            Ok(endpoint) => self.form(endpoint, head, body).await,
        }
    }

    async fn refuse(self, head: Parts, refusal: Rejection) -> Response<FullBody> {
        self.gates.refused(head, Arc::new(move || refusal.clone().into_response())).await
    }

    async fn by_refresh_token<B>(self, endpoint: Endpoint, head: Parts, body: B) -> Response<FullBody>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let settings = self.settings;
        let answer = move |request: Request<B>| {
            let settings = Arc::clone(&settings);
            async move {
                let (head, body) = request.into_parts();
                let answered = match endpoint {
                    Endpoint::LogOut => refresh::log_out(&settings, &head, body).await,
                    _ => refresh::refresh(&settings, &head, body).await,
                };
                answered.unwrap_or_else(Rejection::into_response)
            }
        };
        self.gates.open(Request::from_parts(head, body), answer).await
    }

    /// Answers the exchange of the caller's key.
    async fn exchange<B>(self, head: Parts, body: B) -> Response<FullBody>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let (unread, settings) = (!body.is_end_stream() && head.version < Version::HTTP_2, self.settings);
        let answer = move |request: Request<B>| {
            let settings = Arc::clone(&settings);
            async move {
                let (head, body) = request.into_parts();
                let answered = key_exchange::answer(&settings, &head, body).await;
                let mut response = answered.unwrap_or_else(Rejection::into_response);
                response.extensions_mut().insert(Reached);
                response
            }
        };
        let mut response = self.gates.calls(Request::from_parts(head, body), answer).await;
        if response.extensions_mut().remove::<Reached>().is_none() && unread {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn form<B>(self, endpoint: Endpoint, mut head: Parts, body: B) -> Response<FullBody>
    where
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
    {
        let read = match self.read(&head, body).await {
            // Clients that are told to send no body send an empty form: `curl -X POST -d ''`.
            Ok(bytes) if bytes.is_empty() && matches!(endpoint, Endpoint::Token) => {
                return self.exchange(without_body(head), FullBody::default()).await;
            }
            read => read.and_then(|bytes| Form::read(&bytes, endpoint.parameters())),
        };
        let claimed = read.and_then(|form| Ok((Claimed::of(&self.settings, &mut head, &form)?, form)));
        match claimed {
            Ok((client, form)) => self.by_client(endpoint, head, client, form).await,
            Err(fault) => self.gates.refused(head, Arc::new(move || fault.clone().into_response())).await,
        }
    }

    async fn read<B>(&self, head: &Parts, body: B) -> Result<Bytes, Fault>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let other = || no_form("the Content-Type is not that of a form");
        let checked = is_form(&head.headers).and_then(|is_form| if is_form { Ok(()) } else { Err(other()) });
        checked.map_err(|refusal| unread(refusal, head.version))?;
        Ok(read_form(head, body, &self.settings.limits).await?)
    }

    /// Answers a form, of which the key of the client is in its header now.
    async fn by_client(self, endpoint: Endpoint, head: Parts, client: Claimed, form: Form) -> Response<FullBody> {
        let (serving, challenge) = (self.clone(), client.challenge.clone());
        let shared = Arc::new((client, form));
        let answer = move |request: Request<()>| {
            let (serving, shared) = (serving.clone(), Arc::clone(&shared));
            async move {
                let (head, (client, form)) = (request.into_parts().0, &*shared);
                let answered = match endpoint {
                    Endpoint::Revoke => tokens::revoke(&serving.settings, &head, client, form).await,
                    Endpoint::Introspect => {
                        tokens::introspect(&serving.settings, &serving.gates, &head, client, form).await
                    }
                    _ => grants::answer(&serving.settings, &head, client, form).await,
                };
                answered.unwrap_or_else(Fault::into_response)
            }
        };
        Fault::complete(self.gates.calls(Request::from_parts(head, ()), answer).await, challenge)
    }
}

/// In the extensions of a response: the guards have admitted the request, so its body was read or its refusal says that
/// not.
#[derive(Clone)]
struct Reached;

fn without_body(mut head: Parts) -> Parts {
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING] {
        head.headers.remove(name);
    }
    head
}
