use std::sync::Arc;

use tower_layer::Layer;

use super::{catalogue::Catalogue, edge::Settings, service::ErrorEnvelope};
use crate::Clock;

/// Puts one shape around every refusal; mounted outside of everything else.
///
/// In: any request. Out: the request with a [`TraceId`](crate::TraceId) in its extensions. Back: every response with `x-request-id`, every
/// [`Rejection`](crate::Rejection) as JSON.
///
/// See the [module page](crate::envelope) for an example.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is mounted"]
pub struct ErrorEnvelopeLayer(Settings);

impl ErrorEnvelopeLayer {
    /// The detailed format: code, message, system message, type, status, details, trace id and time.
    pub fn detailed() -> Self {
        Self(Settings {
            catalogue: Catalogue::default(),
            with_system_message: true,
            adopt_foreign: false,
            trust_traceparent: true,
            clock: None,
        })
    }

    /// Takes other words.
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.0.catalogue = catalogue;
        self
    }

    /// Leaves `system_message` out.
    pub fn without_system_message(mut self) -> Self {
        self.0.with_system_message = false;
        self
    }

    /// Puts the same shape around errors that a router, another layer or a handler made without this crate's words.
    ///
    /// Adopted are 404, 405, 408, 413, 415 and all of 500 and above whose body is plain text or none, and every other error with
    /// no body. `Allow`, `WWW-Authenticate`, `Retry-After` and all else that does not describe the body stays. An error with
    /// a media type of its own, such as JSON or HTML, was meant for the client and is left alone.
    pub fn adopt_foreign_errors(mut self) -> Self {
        self.0.adopt_foreign = true;
        self
    }

    /// Gives every request a new trace id, even where it brings a valid `traceparent`: for the border to callers who are not
    /// trusted to choose ids (W3C Trace Context, section 3.4).
    pub fn restart_traces(mut self) -> Self {
        self.0.trust_traceparent = false;
        self
    }

    /// The clock of the `timestamp`; in a stack, the stack's.
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.0.clock = Some(clock.into());
        self
    }

    pub(crate) fn clock_or(self, clock: &Clock) -> Self {
        if self.0.clock.is_some() { self } else { self.clock(clock.clone()) }
    }

    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::new(self.0.clone())
    }
}

impl<S> Layer<S> for ErrorEnvelopeLayer {
    type Service = ErrorEnvelope<S>;

    fn layer(&self, inner: S) -> ErrorEnvelope<S> {
        ErrorEnvelope::new(inner, self.settings())
    }
}
