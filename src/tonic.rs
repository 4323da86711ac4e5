//! Integration with tonic 0.14 (feature `tonic`): the principal of a `tonic::Request`, and rejections as a
//! `tonic::Status`.

use std::sync::Arc;

use ::tonic::{Code, Request, Status};
use bytes::Bytes;

use crate::{
    Anonymous, LateRefusal, Principal, Rejection, RequestExt, RequestId, context::request_ext::Sealed, envelope::grpc,
    rejection::Carried,
};

impl<T> Sealed for Request<T> {}

impl<T> RequestExt for Request<T> {
    fn principal(&self) -> Result<&Principal, Rejection> {
        self.extensions().principal()
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions().anonymous()
    }

    fn request_id(&self) -> Option<RequestId> {
        self.extensions().request_id()
    }

    fn late_refusal(&self) -> Result<LateRefusal, Rejection> {
        self.extensions().late_refusal()
    }
}

/// Converts into a status with the texts of the default catalogue. The status carries the rejection, so that an outer
/// envelope can log it and can set the texts, the domain and the trace id of the service. This also works if a stream
/// yields the status after messages.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        // If no layer inspects the response, a fault is logged here.
        let rejection = rejection.logged_if_unwatched();
        let (code, message, details) = grpc::plain(&rejection);
        let mut status = Self::with_details(Code::from_i32(code.into()), message, Bytes::from(details));
        status.set_source(Arc::new(Carried::new(rejection)));
        status
    }
}
