//! Services as candidates: each call answers a new request.

use std::{
    convert::Infallible,
    future::Future as _,
    hint::black_box,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tower::Service;

use super::harness::{Bench, Row};

/// The template of a row's requests.
pub(crate) struct Template<B = Body> {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Rc<dyn Fn() -> B>,
}

impl<B> Template<B> {
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        headers: &[(&'static str, &'static str)],
        body: impl Fn() -> B + 'static,
    ) -> Self {
        let headers =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Self { method, uri: Uri::from_static(path), headers: headers.collect(), body: Rc::new(body) }
    }

    /// Returns a new request. Copying the header map costs two allocations, the same in every row.
    fn request(&self) -> Request<B> {
        let mut request = Request::new((self.body)());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl<B> Clone for Template<B> {
    fn clone(&self) -> Self {
        let Self { method, uri, headers, body } = self;
        Self { method: method.clone(), uri: uri.clone(), headers: headers.clone(), body: Rc::clone(body) }
    }
}

impl Bench {
    /// Adds a service that must answer these requests with this status.
    pub(crate) fn row<S, B, R>(&mut self, name: &str, request: &Template<B>, status: StatusCode, mut service: S) -> Row
    where
        S: Service<Request<B>, Response = Response<R>, Error = Infallible> + 'static,
        B: 'static,
    {
        let answered = answer(&mut service, request.request()).status();
        assert_eq!(answered, status, "{name} does not what is measured");
        let request = request.clone();
        self.work(name, move || answer(&mut service, black_box(request.request())))
    }
}

/// Returns the answer to a request.
#[inline]
pub(crate) fn answer<S, B, R>(service: &mut S, request: Request<B>) -> Response<R>
where
    S: Service<Request<B>, Response = Response<R>, Error = Infallible>,
{
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = service.poll_ready(&mut context) else { panic!("every inner service is always ready") };
    let mut future = pin!(service.call(request));
    loop {
        // A future that is pending here is ready at the next poll.
        if let Poll::Ready(Ok(response)) = future.as_mut().poll(&mut context) {
            return response;
        }
    }
}
