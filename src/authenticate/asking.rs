//! Asking the methods of an authentication layer in their order.

use std::sync::{Arc, OnceLock};

use http::{HeaderName, Request};

use super::{
    authenticator::{AuthFuture, AuthOutcome, Authenticator},
    facts::{Facts, Found, Places, ResponseHeader},
    under_way::{UnderWay, failed, holder},
};
use crate::{
    MaybeReady, Rejection, RequestHead,
    base::{credential, maybe_ready::BoxFuture},
    context::attempts::Attempts,
};

/// The methods of a layer. A clone is one reference count.
#[derive(Clone)]
pub(super) struct Methods(pub(super) Arc<Facts>);

impl Methods {
    /// Asks the methods from this place on. Those in `passed` were passed over for another one.
    #[inline]
    pub(super) fn ask(&self, request: &RequestHead<'_>, from: usize, mut passed: Places) -> MaybeReady<Found> {
        let facts = &*self.0;
        for (place, method) in facts.methods.iter().enumerate().skip(from) {
            let asked = OnceLock::new();
            let head = request.for_method(&facts.limit, &asked);
            if !facts.shared {
                match ask_one(method, &head).now() {
                    Ok(AuthOutcome::NoCredential) => continue,
                    Ok(found) => return self.settle(found, place, header_of(method, &head), request.attempts()),
                    Err(check) => return self.wait(check, Waiting::of(place, passed, &asked), &head),
                }
            }
            let header = facts.taken_over(place, passed, &head);
            if facts.is_anothers(place, &head) {
                passed.insert(place);
                continue;
            }
            // It is to look in that header alone, and not to find another credential elsewhere.
            let alone = header.filter(|_| method.credential_headers().len() > 1).map(|kept| alone(&head, method, kept));
            let head = match &alone {
                Some(alone) => {
                    RequestHead::in_pass(alone, head.context(), head.pass()).for_method(&facts.limit, &asked)
                }
                None => head,
            };
            let head = head.only(header);
            match ask_one(method, &head).now() {
                Ok(AuthOutcome::NoCredential) if header.is_some() => return self.ask_passed(request, place, passed),
                Ok(AuthOutcome::NoCredential) => {}
                Ok(found) => return self.settle(found, place, header_of(method, &head), request.attempts()),
                Err(check) => {
                    let waiting = Waiting { taken_over: header.is_some(), ..Waiting::of(place, passed, &asked) };
                    return self.wait(check, waiting, &head);
                }
            }
        }
        MaybeReady::ready(facts.conclude(AuthOutcome::NoCredential, 0, None))
    }

    /// A method took a header over and found nothing there: the one that was passed over decides.
    fn ask_passed(&self, request: &RequestHead<'_>, after: usize, mut passed: Places) -> MaybeReady<Found> {
        let asked = OnceLock::new();
        let head = request.for_method(&self.0.limit, &asked);
        // A later one may recognise it too.
        if (after + 1..self.0.methods.len()).any(|later| self.0.taken_over(later, passed, &head).is_some()) {
            return self.ask(request, after + 1, passed);
        }
        let Some(place) = passed.take_first() else { return self.ask(request, after + 1, passed) };
        let method = &self.0.methods[place];
        match ask_one(method, &head).now() {
            Ok(AuthOutcome::NoCredential) => self.ask_passed(request, after, passed),
            Ok(found) => self.settle(found, place, header_of(method, &head), request.attempts()),
            Err(check) => {
                let waiting = Waiting { decides: place, taken_over: true, ..Waiting::of(after, passed, &asked) };
                self.wait(check, waiting, &head)
            }
        }
    }

    /// Waits for a method. Its check counts as under way from the address, if a budget counts failed attempts.
    fn wait(&self, check: BoxFuture<AuthOutcome>, waiting: Waiting, request: &RequestHead<'_>) -> MaybeReady<Found> {
        let (methods, Waiting { place, decides, passed, taken_over, asked }) = (self.clone(), waiting);
        let attempts = request.attempts().cloned();
        let header = header_of(&self.0.methods[decides], request);
        // A method that has to wait to find no credential leaves the rest to be asked about the same head.
        let last = place + 1 == self.0.methods.len() && !taken_over;
        let request = (!last).then(|| request.to_request());
        MaybeReady::boxed(async move {
            let (found, _slot) = match &attempts {
                None => (check.await, None),
                Some(attempts) => {
                    let slot = attempts.enter()?;
                    if !asked {
                        attempts.ask().await?;
                    }
                    UnderWay::new(check, attempts.clone(), slot).await
                }
            };
            match (found, request) {
                (AuthOutcome::NoCredential, Some(request)) if taken_over => {
                    let asking = methods.ask_passed(&RequestHead::from(&request), place, passed);
                    asking.await
                }
                (AuthOutcome::NoCredential, Some(request)) => {
                    let asking = methods.ask(&RequestHead::from(&request), place + 1, passed);
                    asking.await
                }
                (found, _) => methods.settle(found, decides, header, attempts.as_ref()).await,
            }
        })
    }

    /// Charges a bad credential, and nothing else: a proved holder for what is wrong with it, else the address.
    #[inline]
    fn settle(
        &self,
        found: AuthOutcome,
        place: usize,
        header: ResponseHeader,
        attempts: Option<&Attempts>,
    ) -> MaybeReady<Found> {
        let (Some(attempts), Some(failed)) = (attempts, failed(&found)) else {
            return MaybeReady::ready(self.0.conclude(found, place, header));
        };
        let (methods, budget) = (self.clone(), attempts.budget());
        attempts.charge(holder(failed), Some(failed)).map(move |allowed| match found {
            AuthOutcome::Rejected(rejection) => {
                allowed?;
                methods.0.conclude(AuthOutcome::Rejected(rejection.charged(budget)), place, header)
            }
            found => methods.0.conclude(found, place, header),
        })
    }
}

fn header_of(method: &Arc<dyn Authenticator>, request: &RequestHead<'_>) -> ResponseHeader {
    method.response_header(request).map(Box::new)
}

/// What a method answers, within the time limit: a later answer is 503.
#[inline]
fn ask_one(method: &Arc<dyn Authenticator>, request: &RequestHead<'_>) -> AuthFuture {
    let answer = method.authenticate(request);
    if answer.is_bounded() {
        return answer;
    }
    let method = Arc::clone(method);
    request.time_limit().bound(answer, move |late| {
        let scheme = method.challenge().split(' ').next().unwrap_or_default();
        let cause = format!("the method of authentication {scheme:?} {late}");
        AuthOutcome::Rejected(Rejection::unavailable(cause))
    })
}

/// The request with one of the headers that a method reads, and without the others.
fn alone(request: &RequestHead<'_>, method: &Arc<dyn Authenticator>, kept: &HeaderName) -> Request<()> {
    let mut alone = request.to_request();
    let others: Vec<_> = method.credential_headers().iter().filter(|name| *name != kept).cloned().collect();
    credential::strip(alone.headers_mut(), &others);
    alone
}

/// A method that is waited for.
struct Waiting {
    place: usize,
    /// The method whose answer counts: another one where a method that was passed over is asked after all.
    decides: usize,
    passed: Places,
    /// Whether it took a header over from a method before it.
    taken_over: bool,
    /// Whether the budget of failed attempts was asked already.
    asked: bool,
}

impl Waiting {
    fn of(place: usize, passed: Places, asked: &OnceLock<()>) -> Self {
        Self { place, decides: place, passed, taken_over: false, asked: asked.get().is_some() }
    }
}
