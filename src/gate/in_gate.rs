use http::Request;

use crate::{
    RequestHead,
    context::{pass::Pass, request::RequestContext},
};

/// A request in a gate. Its context is in the request if a layer further out has inserted one. Otherwise the context is
/// in `beside` until the request is admitted.
pub(super) struct InGate<'a, B> {
    pub(super) request: &'a mut Request<B>,
    pub(super) beside: &'a mut Option<RequestContext>,
}

impl<B> InGate<'_, B> {
    #[inline]
    pub(super) fn head<'b>(&'b self, pass: &'b Pass<'b>) -> RequestHead<'b> {
        RequestHead::in_pass(self.request, self.beside.as_ref(), Some(pass))
    }

    #[inline]
    pub(super) fn context_mut(&mut self) -> &mut RequestContext {
        match self.beside {
            Some(context) => context,
            None => RequestContext::of_mut(self.request.extensions_mut()),
        }
    }
}
