//! For tonic 0.14 (feature `tonic`): the principal of a `tonic::Request`, and refusals as a `tonic::Status`.

use std::{
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use ::tonic::{Code, Request, Status};
use bytes::Bytes;

use crate::{
    Anonymous, Principal, Rejection, RequestExt,
    envelope::{Catalogue, Refusal, grpc},
    identity::Sealed,
};

impl<T> Sealed for Request<T> {}

impl<T> RequestExt for Request<T> {
    fn principal(&self) -> Result<&Principal, Rejection> {
        self.extensions().principal()
    }

    fn anonymous(&self) -> Option<&Anonymous> {
        self.extensions().anonymous()
    }
}

/// The status in the words of the default catalogue. It carries the refusal, so that an envelope outside gives it the
/// words, the domain and the trace id of the service.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::default);
        let refusal = Refusal::new(&rejection, &CATALOGUE, SystemTime::UNIX_EPOCH);
        let details = Bytes::from(grpc::details(&refusal, grpc::DOMAIN));
        let mut status =
            Self::with_details(Code::from_i32(grpc::code(&refusal).into()), grpc::message(&refusal), details);
        status.set_source(Arc::new(rejection));
        status
    }
}
