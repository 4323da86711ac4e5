//! The one entry of this crate in the extensions of a request.

use http::Extensions;

use super::{
    attempts::Attempts,
    identity::{Anonymous, Identity},
    late_refusal::LateRefusal,
    request_id::RequestId,
};
use crate::Principal;

/// What the layers of this crate know about one request. The outermost layer inserts it; guards, extractors, observers
/// and the envelope read it.
///
/// A clone belongs to another request: it keeps the id and the budget of failed attempts, but has no caller. A request
/// that is cloned and sent elsewhere, or retried, must be authenticated again.
#[derive(Debug, Default)]
pub(crate) struct RequestContext {
    /// Set by an envelope.
    pub(crate) request_id: Option<RequestId>,
    /// The budget that is charged for a failed attempt, if a guard further out counts them.
    pub(crate) attempts: Option<Attempts>,
    /// Set by a stack that accepts refusals from its handlers.
    pub(crate) late_refusal: Option<LateRefusal>,
    caller: Caller,
}

#[derive(Debug, Default)]
enum Caller {
    /// No authentication layer has seen the request.
    #[default]
    Unknown,
    Known(Identity),
    /// The request is a clone of a request with a caller.
    LostInClone,
}

impl Clone for RequestContext {
    fn clone(&self) -> Self {
        let caller = match self.caller {
            Caller::Unknown => Caller::Unknown,
            Caller::Known(_) | Caller::LostInClone => Caller::LostInClone,
        };
        Self { request_id: self.request_id.clone(), attempts: self.attempts.clone(), late_refusal: None, caller }
    }
}

impl RequestContext {
    /// A copy for the same request, with its caller.
    pub(crate) fn copy(&self) -> Self {
        let caller = match &self.caller {
            Caller::Known(identity) => Caller::Known(identity.clone()),
            Caller::Unknown => Caller::Unknown,
            Caller::LostInClone => Caller::LostInClone,
        };
        Self { caller, late_refusal: self.late_refusal.clone(), ..self.clone() }
    }

    /// Returns the context of a request, if a layer of this crate has seen it.
    #[inline]
    pub(crate) fn of(extensions: &Extensions) -> Option<&Self> {
        extensions.get()
    }

    /// Returns the context of a request, and inserts an empty one if there is none.
    #[inline]
    pub(crate) fn of_mut(extensions: &mut Extensions) -> &mut Self {
        extensions.get_or_insert_default()
    }

    /// Sets the outcome of authentication, and replaces that of an outer layer.
    #[inline]
    pub(crate) fn set_identity(&mut self, identity: Identity) {
        self.caller = Caller::Known(identity);
    }

    #[inline]
    pub(crate) const fn identity(&self) -> Option<&Identity> {
        match &self.caller {
            Caller::Known(identity) => Some(identity),
            Caller::Unknown | Caller::LostInClone => None,
        }
    }

    /// Returns the caller, if one was authenticated.
    #[inline]
    pub(crate) const fn principal(&self) -> Option<&Principal> {
        match &self.caller {
            Caller::Known(Identity::Principal(principal)) => Some(principal),
            _ => None,
        }
    }

    /// Returns the anonymous outcome, if an authentication layer found no credential and admits such requests.
    pub(crate) const fn anonymous(&self) -> Option<&Anonymous> {
        match &self.caller {
            Caller::Known(Identity::Anonymous(nobody)) => Some(nobody),
            _ => None,
        }
    }

    /// Returns whether the request was cloned from a request with a caller.
    pub(crate) const fn is_clone(&self) -> bool {
        matches!(self.caller, Caller::LostInClone)
    }
}
