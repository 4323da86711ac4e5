//! Every order in which the steps of requests at the same moment can happen.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use tower_auth::{
    MaybeReady, MemoryKeyStore,
    session::{
        CutOff, Findings, IssuedTokens, Outdated, Session, SessionEnd, SessionError, SessionFilter, SessionFuture,
        SessionPolicy, SessionStore, TokenFacts, TokenRequest,
    },
};

use super::{Issuing, now, rt};

/// A store whose every call waits for its turn before it is carried out, and perhaps once more before it answers.
#[derive(Clone)]
struct InTurns {
    store: MemoryKeyStore,
    answers_late: bool,
}

impl InTurns {
    fn later<T: Send + 'static>(
        &self,
        call: impl FnOnce(MemoryKeyStore) -> SessionFuture<T> + Send + 'static,
    ) -> SessionFuture<T> {
        let Self { store, answers_late } = self.clone();
        MaybeReady::boxed(async move {
            tokio::task::yield_now().await;
            let answer = call(store).await;
            if answers_late {
                tokio::task::yield_now().await;
            }
            answer
        })
    }
}

impl SessionStore for InTurns {
    fn create(&self, session: &Session) -> SessionFuture<()> {
        SessionStore::create(&self.store, session)
    }

    fn find(&self, id: &str) -> SessionFuture<Option<Session>> {
        let id = id.to_owned();
        self.later(move |store| store.find(&id))
    }

    fn rotate(&self, next: &Session) -> SessionFuture<bool> {
        let next = next.clone();
        self.later(move |store| store.rotate(&next))
    }

    fn end(&self, id: &str, at: SystemTime, why: SessionEnd) -> SessionFuture<bool> {
        let id = id.to_owned();
        self.later(move |store| store.end(&id, at, why))
    }

    fn cut_off(&self, whose: &CutOff, at: SystemTime) -> SessionFuture<()> {
        self.store.cut_off(whose, at)
    }

    fn deny(&self, token: &str, until: SystemTime) -> SessionFuture<()> {
        self.store.deny(token, until)
    }

    fn look(&self, token: &TokenFacts<'_>) -> SessionFuture<Findings> {
        let found = self.store.look(token);
        self.later(|_| found)
    }

    fn list(&self, filter: &SessionFilter) -> SessionFuture<Vec<Session>> {
        self.store.list(filter)
    }

    fn forget(&self, what: &Outdated, limit: usize) -> SessionFuture<usize> {
        self.store.forget(what, limit)
    }
}

/// What one of the requests wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Refresh,
    LogOut,
    /// A refresh whose client goes away before it has its answer, after so many steps.
    Dropped(usize),
}

/// What became of it: `None` if its client went away.
enum Outcome {
    Refreshed(Result<IssuedTokens, SessionError>),
    LoggedOut,
}

type Request<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// Carries out one order: at each step, the request that moves. Returns how many could move at each step, so that the caller can
/// try another, and checks what must hold in every order.
fn run(wishes: &[Wish], order: &[usize], answers_late: bool) -> Vec<usize> {
    let memory = MemoryKeyStore::new();
    let issuing = Issuing::over(memory.clone(), InTurns { store: memory, answers_late }, SessionPolicy::default());
    let first = issuing.begin();
    let token = rt(&first).to_owned();
    let all = TokenRequest::new();
    let mut requests: Vec<Option<Request<'_>>> = wishes
        .iter()
        .map(|wish| -> Option<Request<'_>> {
            let (sessions, token, all) = (&issuing.sessions, &token, &all);
            Some(match wish {
                Wish::LogOut => Box::pin(async move {
                    sessions.log_out(token).await.unwrap();
                    Outcome::LoggedOut
                }),
                _ => Box::pin(async move { Outcome::Refreshed(sessions.refresh(token, all).await) }),
            })
        })
        .collect();
    let (mut moved, mut outcomes, mut choices) = (vec![0; wishes.len()], Vec::new(), Vec::new());
    let mut context = Context::from_waker(Waker::noop());
    while let able @ 1.. = requests.iter().flatten().count() {
        let choice = order.get(choices.len()).copied().unwrap_or(0);
        choices.push(able);
        let (place, request) =
            requests.iter_mut().enumerate().filter(|(_, request)| request.is_some()).nth(choice).unwrap();
        moved[place] += 1;
        if matches!(wishes[place], Wish::Dropped(after) if moved[place] > after) {
            *request = None;
        } else if let Poll::Ready(outcome) = request.as_mut().unwrap().as_mut().poll(&mut context) {
            outcomes.push(outcome);
            *request = None;
        }
    }
    drop(requests);
    check(&issuing, wishes, &token, &outcomes, order);
    choices
}

fn check(issuing: &Issuing, wishes: &[Wish], token: &str, outcomes: &[Outcome], order: &[usize]) {
    let logged_out = wishes.contains(&Wish::LogOut);
    let stored = now(issuing.sessions.list(&SessionFilter::subject("alice"))).unwrap();
    assert_eq!(stored.len(), 1, "{order:?}: one family");
    assert!(stored[0].generation() <= 1, "{order:?}: one winner");
    assert_eq!(stored[0].ended().map(|(_, why)| why), logged_out.then_some(SessionEnd::LoggedOut), "{order:?}");
    let mut successors = Vec::new();
    for outcome in outcomes {
        match outcome {
            Outcome::Refreshed(Ok(tokens)) => successors.push(rt(tokens)),
            Outcome::Refreshed(Err(error)) => assert!(logged_out, "{order:?}: {error}"),
            Outcome::LoggedOut => {}
        }
    }
    assert!(successors.windows(2).all(|two| two[0] == two[1]), "{order:?}: one successor");
    // The retry of a client that has no answer, and the next refresh of one that has.
    let retry = run_to_end(issuing.sessions.refresh(token, &TokenRequest::new()));
    let next = successors.first().map(|next| run_to_end(issuing.sessions.refresh(next, &TokenRequest::new())));
    if logged_out {
        assert!(retry.is_err() && next.is_none_or(|next| next.is_err()), "{order:?}: it stays ended");
    } else {
        let retry = retry.unwrap();
        assert!(successors.is_empty() || rt(&retry) == successors[0], "{order:?}: a retry gets the same one");
        assert!(next.is_none_or(|next| next.is_ok()), "{order:?}: nobody is locked out");
    }
}

fn run_to_end<T>(future: impl Future<Output = T>) -> T {
    now(future)
}

/// Tries every order, the one that the first choice makes first.
fn every_order(wishes: &[Wish], answers_late: bool) -> usize {
    let (mut order, mut tried) = (Vec::new(), 0);
    loop {
        let choices = run(wishes, &order, answers_late);
        tried += 1;
        order.resize(choices.len(), 0);
        // The last choice that has another one left.
        let Some(place) = (0..choices.len()).rev().find(|place| order[*place] + 1 < choices[*place]) else {
            return tried;
        };
        order.truncate(place + 1);
        order[place] += 1;
    }
}

#[test]
fn r108_two_refreshes_have_one_winner_in_every_order() {
    assert!(every_order(&[Wish::Refresh, Wish::Refresh], false) >= 50);
}

#[test]
fn r108_a_refresh_and_a_log_out_leave_an_ended_session_in_every_order() {
    assert!(every_order(&[Wish::Refresh, Wish::LogOut], true) >= 10);
    assert!(every_order(&[Wish::Refresh, Wish::Refresh, Wish::LogOut], false) >= 500);
}

#[test]
fn r108_a_client_that_goes_away_at_any_step_harms_nobody() {
    // Of a client that goes away after its token was replaced, the answer is lost.
    for steps in 0..7 {
        every_order(&[Wish::Refresh, Wish::Dropped(steps)], steps > 4);
    }
    every_order(&[Wish::Dropped(3), Wish::Dropped(1)], true);
}
