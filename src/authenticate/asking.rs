//! Asks the methods of an authentication layer in declared order.

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
    context::{attempts::Attempts, pass::Pass},
};

/// The methods of a layer. A clone only increments a reference count.
#[derive(Clone)]
pub(super) struct Methods(pub(super) Arc<Facts>);

impl Methods {
    /// Asks the methods from index `from` on. The methods in `passed` were skipped in favour of a later method.
    #[inline]
    pub(super) fn ask(&self, request: &RequestHead<'_>, from: usize, mut passed: Places) -> MaybeReady<Found> {
        let facts = &*self.0;
        for (place, method) in facts.methods.iter().enumerate().skip(from) {
            let asked = OnceLock::new();
            let head = request.for_method(&facts.limit, &asked);
            if !facts.shared {
                match ask_one(method, &head).now() {
                    Ok(AuthOutcome::NoCredential) => continue,
                    Ok(found) => {
                        let header = header_for(&found, method, &head);
                        return self.settle(found, place, header, request.attempts());
                    }
                    Err(check) => return self.wait(check, Waiting::of(place, passed, &asked), &head),
                }
            }
            let header = facts.taken_over(place, passed, &head);
            if facts.is_anothers(place, &head) {
                passed.insert(place);
                continue;
            }
            // The method may read only the header that it took over, so that it finds no other credential elsewhere.
            let alone = header.filter(|_| method.credential_headers().len() > 1).map(|kept| alone(&head, method, kept));
            let head = match &alone {
                Some(alone) => RequestHead::in_pass(alone, head.pass()).for_method(&facts.limit, &asked),
                None => head,
            };
            let head = head.only(header);
            match ask_one(method, &head).now() {
                Ok(AuthOutcome::NoCredential) if header.is_some() => return self.ask_passed(request, place, passed),
                Ok(AuthOutcome::NoCredential) => {}
                Ok(found) => {
                    let header = header_for(&found, method, &head);
                    return self.settle(found, place, header, request.attempts());
                }
                Err(check) => {
                    let waiting = Waiting { taken_over: header.is_some(), ..Waiting::of(place, passed, &asked) };
                    return self.wait(check, waiting, &head);
                }
            }
        }
        MaybeReady::ready(facts.conclude(AuthOutcome::NoCredential, 0, None))
    }

    /// Asks a skipped method, because the method that took its header over found no credential there.
    fn ask_passed(&self, request: &RequestHead<'_>, after: usize, mut passed: Places) -> MaybeReady<Found> {
        let asked = OnceLock::new();
        let head = request.for_method(&self.0.limit, &asked);
        // A later method may recognise the credential too.
        if (after + 1..self.0.methods.len()).any(|later| self.0.taken_over(later, passed, &head).is_some()) {
            return self.ask(request, after + 1, passed);
        }
        let Some(place) = passed.take_first() else { return self.ask(request, after + 1, passed) };
        let method = &self.0.methods[place];
        match ask_one(method, &head).now() {
            Ok(AuthOutcome::NoCredential) => self.ask_passed(request, after, passed),
            Ok(found) => {
                let header = header_for(&found, method, &head);
                self.settle(found, place, header, request.attempts())
            }
            Err(check) => {
                let waiting = Waiting { decides: place, taken_over: true, ..Waiting::of(after, passed, &asked) };
                self.wait(check, waiting, &head)
            }
        }
    }

    /// Waits for the answer of a method. If a budget counts failed attempts, the check counts as in progress for the
    /// address.
    fn wait(&self, check: BoxFuture<AuthOutcome>, waiting: Waiting, request: &RequestHead<'_>) -> MaybeReady<Found> {
        let (methods, Waiting { place, decides, passed, taken_over, asked }) = (self.clone(), waiting);
        let attempts = request.attempts().cloned();
        let header = header_of(&self.0.methods[decides], request);
        // If the pending method finds no credential, the next methods are asked about the same head.
        let last = place + 1 == self.0.methods.len() && !taken_over;
        let client_ip = request.pass().and_then(|pass| pass.client_ip.cloned()).filter(|_| !last);
        let fresh = request.wants_fresh();
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
            let asking = match (found, request) {
                (AuthOutcome::NoCredential, Some(request)) => {
                    let pass = Pass::new(methods.0.limit.clock(), client_ip.as_ref()).fresh(fresh);
                    let head = RequestHead::in_pass(&request, Some(&pass));
                    if taken_over {
                        methods.ask_passed(&head, place, passed)
                    } else {
                        methods.ask(&head, place + 1, passed)
                    }
                }
                (found, _) => methods.settle(found, decides, header, attempts.as_ref()),
            };
            asking.await
        })
    }

    /// Charges a refused credential, and nothing else. The holder is charged if possession was proved, otherwise the
    /// address.
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

/// Returns the header for the response to an authenticated request.
#[inline]
fn header_for(found: &AuthOutcome, method: &Arc<dyn Authenticator>, request: &RequestHead<'_>) -> ResponseHeader {
    if matches!(found, AuthOutcome::Authenticated(_)) { header_of(method, request) } else { None }
}

fn header_of(method: &Arc<dyn Authenticator>, request: &RequestHead<'_>) -> ResponseHeader {
    method.response_header(request).map(Box::new)
}

/// Returns the answer of a method. After the time limit, the answer is 503.
#[inline]
fn ask_one(method: &Arc<dyn Authenticator>, request: &RequestHead<'_>) -> AuthFuture {
    let answer = method.authenticate(request);
    if answer.is_bounded() {
        return answer;
    }
    let method = Arc::clone(method);
    request.time_limit().bound(answer, move |late| {
        let scheme = method.challenge().split(' ').next().unwrap_or_default();
        let cause = format!("the authentication method {scheme:?} {late}");
        AuthOutcome::Rejected(Rejection::unavailable(cause))
    })
}

/// Returns the request with only the header `kept` of all headers that the method reads.
fn alone(request: &RequestHead<'_>, method: &Arc<dyn Authenticator>, kept: &HeaderName) -> Request<()> {
    let mut alone = request.to_request();
    let others: Vec<_> = method.credential_headers().iter().filter(|name| *name != kept).cloned().collect();
    credential::strip(alone.headers_mut(), &others, &credential::Parts::default());
    alone
}

/// A method with a pending answer.
struct Waiting {
    place: usize,
    /// The index of the method that decides. It differs from `place` if a skipped method is asked after all.
    decides: usize,
    passed: Places,
    /// Whether the method took a header over from an earlier one.
    taken_over: bool,
    /// Whether the budget of failed attempts was already asked.
    asked: bool,
}

impl Waiting {
    fn of(place: usize, passed: Places, asked: &OnceLock<()>) -> Self {
        Self { place, decides: place, passed, taken_over: false, asked: asked.get().is_some() }
    }
}
