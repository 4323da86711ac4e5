//! The rules of sessions, as the page of the module states them, against the implementation: arbitrary refreshes, retries, replays,
//! log-outs and changes of the clock, of a key and of its account.
//!
//! The model knows nothing of digests, rows or atomic steps: only which generations a session has had, and when each was replaced.

use std::{collections::BTreeMap, time::Duration};

use proptest::{prelude::*, sample::select};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tower_auth::{
    Principal,
    registry::Holder,
    session::{IssuedTokens, SessionPolicy},
    token::TokenStatus,
};

use super::{Issuing, now, ops, rt};

const ACCESS: u64 = 100;
const IDLE: u64 = 500;
const ABSOLUTE: u64 = 1500;
const GRACE: u64 = 30;
/// The most replacements that a session remembers.
const REMEMBERED: usize = 32;

/// Seconds since the start.
type Time = u64;
/// Microseconds since the start.
type Micros = u64;

#[derive(Clone, Debug)]
struct Model {
    now: Time,
    sessions: Vec<Family>,
    key: KeyState,
    suspended: bool,
    cut_off: Option<Micros>,
}

#[derive(Clone, Debug)]
struct Family {
    of_key: bool,
    begun: Micros,
    used: Micros,
    newest: usize,
    /// When each remembered generation was replaced.
    replaced: BTreeMap<usize, Time>,
    ended: bool,
    /// When each access token was issued: those of the first issue, and of each refresh that succeeded.
    access: Vec<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyState {
    Active,
    Paused,
    Revoked,
}

#[derive(Clone, Debug)]
enum Event {
    Begin {
        of_key: bool,
    },
    /// With the token that is so many generations old.
    Refresh {
        session: usize,
        age: usize,
    },
    LogOut {
        session: usize,
        age: usize,
    },
    /// With an access token, counted from the newest.
    Check {
        session: usize,
        age: usize,
    },
    EndAll,
    Wait(Time),
    SetBack(Time),
    Pause,
    Resume,
    Revoke,
    Suspend(bool),
}

/// What the model expects: the generation whose token is given out, or a refusal.
type Expected = Option<usize>;

impl Model {
    fn holder_is_good(&self, family: &Family) -> bool {
        let cut = self.cut_off.is_some_and(|at| family.begun <= at);
        !cut && !self.suspended && (!family.of_key || self.key == KeyState::Active)
    }

    fn begin(&mut self, of_key: bool) -> bool {
        let good = !self.suspended && (!of_key || self.key == KeyState::Active);
        if good {
            // It begins after the cut-off, which a clock that is ahead may have made.
            let begun = micros(self.now).max(self.cut_off.map_or(0, |at| at + 1));
            self.sessions.push(Family {
                of_key,
                begun,
                used: begun,
                newest: 0,
                replaced: BTreeMap::new(),
                ended: false,
                access: vec![self.now],
            });
        }
        good
    }

    fn refresh(&mut self, session: usize, age: usize) -> Expected {
        let (time, good) = (self.now, self.holder_is_good(&self.sessions[session]));
        let family = &mut self.sessions[session];
        if family.ended || micros(time) >= (family.begun + micros(ABSOLUTE)).min(family.used + micros(IDLE)) {
            return None;
        }
        if age == 0 {
            if !good {
                return None;
            }
            // The times end at the first that is over.
            let over = family.replaced.iter().rev().find(|(_, at)| **at + GRACE <= time).map(|(g, _)| *g);
            family.replaced.retain(|generation, _| over.is_none_or(|over| *generation > over));
            family.replaced.insert(family.newest, time);
            while family.replaced.len() > REMEMBERED {
                family.replaced.pop_first();
            }
            family.newest += 1;
            family.used = family.used.max(micros(time));
        } else if family.replaced.get(&(family.newest - age)).is_none_or(|at| *at + GRACE <= time) {
            family.ended = true;
            return None;
        } else if !good {
            return None;
        }
        family.access.push(time);
        Some(family.newest)
    }

    fn is_good(&self, session: usize, age: usize) -> bool {
        let family = &self.sessions[session];
        let issued = family.access[family.access.len() - 1 - age];
        let over = (issued + ACCESS).min((family.begun + micros(ABSOLUTE)) / 1_000_000);
        self.now < over && !family.ended && self.holder_is_good(family)
    }

    fn apply(&mut self, event: &Event) {
        match event {
            Event::Begin { of_key } => drop(self.begin(*of_key)),
            Event::Refresh { session, age } => drop(self.refresh(*session, *age)),
            Event::LogOut { session, .. } => self.sessions[*session].ended = true,
            Event::EndAll => {
                let newest = self.sessions.iter().map(|family| family.begun).max();
                self.cut_off = self.cut_off.max(newest).max(Some(micros(self.now)));
            }
            Event::Wait(seconds) => self.now += seconds,
            Event::SetBack(seconds) => self.now = self.now.saturating_sub(*seconds),
            Event::Pause if self.key == KeyState::Active => self.key = KeyState::Paused,
            Event::Resume if self.key == KeyState::Paused => self.key = KeyState::Active,
            Event::Revoke => self.key = KeyState::Revoked,
            Event::Suspend(suspended) => self.suspended = *suspended,
            Event::Pause | Event::Resume | Event::Check { .. } => {}
        }
    }
}

const fn micros(seconds: Time) -> Micros {
    seconds * 1_000_000
}

struct Rules;

impl ReferenceStateMachine for Rules {
    type State = Model;
    type Transition = Event;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model { now: 0, sessions: Vec::new(), key: KeyState::Active, suspended: false, cut_off: None }).boxed()
    }

    fn transitions(state: &Model) -> BoxedStrategy<Event> {
        let begin = any::<bool>().prop_map(|of_key| Event::Begin { of_key });
        if state.sessions.is_empty() {
            return begin.boxed();
        }
        let sessions = state.sessions.clone();
        let of_one = (0..sessions.len()).prop_flat_map(move |session| {
            let generations = sessions[session].newest;
            let tokens = sessions[session].access.len();
            // Most clients present the newest token, or the one before.
            let age =
                prop_oneof![6 => Just(0), 3 => Just(1), 1 => 0..=generations].prop_map(move |age| age.min(generations));
            prop_oneof![
                8 => age.clone().prop_map(move |age| Event::Refresh { session, age }),
                1 => age.prop_map(move |age| Event::LogOut { session, age }),
                3 => (0..tokens).prop_map(move |age| Event::Check { session, age }),
            ]
        });
        prop_oneof![
            20 => of_one,
            2 => begin,
            6 => select(vec![1, 5, 29, 30, 31, 99, 100, 499, 500]).prop_map(Event::Wait),
            1 => select(vec![1, 30, 200]).prop_map(Event::SetBack),
            1 => Just(Event::EndAll),
            1 => Just(Event::Pause),
            2 => Just(Event::Resume),
            1 => Just(Event::Revoke),
            2 => prop_oneof![1 => Just(true), 3 => Just(false)].prop_map(Event::Suspend),
        ]
        .boxed()
    }

    fn preconditions(state: &Model, event: &Event) -> bool {
        match event {
            Event::Refresh { session, age } | Event::LogOut { session, age } => {
                state.sessions.get(*session).is_some_and(|family| *age <= family.newest)
            }
            Event::Check { session, age } => {
                state.sessions.get(*session).is_some_and(|family| *age < family.access.len())
            }
            // A store keeps whole microseconds, and a time before the start of the test is no case of its own.
            Event::SetBack(seconds) => *seconds <= state.now,
            _ => true,
        }
    }

    fn apply(mut state: Model, event: &Event) -> Model {
        state.apply(event);
        state
    }
}

/// The implementation, and every token that it has given out.
struct Real {
    issuing: Issuing,
    key: Principal,
    /// By session: the refresh tokens by generation, and the access tokens in the order of their issue.
    given: Vec<(Vec<String>, Vec<String>)>,
    before: Model,
    setback: Duration,
}

impl Real {
    fn note(&mut self, tokens: &IssuedTokens, session: usize, generation: usize) {
        let (refresh, access) = &mut self.given[session];
        if refresh.len() == generation {
            refresh.push(rt(tokens).to_owned());
        }
        assert_eq!(rt(tokens), refresh[generation], "the same generation has the same token, and there is no other");
        access.push(tokens.access_token.expose().to_owned());
    }

    fn refresh(&mut self, session: usize, age: usize) {
        let expected = self.before.clone().refresh(session, age);
        let generation = self.before.sessions[session].newest - age;
        let token = self.given[session].0[generation].clone();
        let tokens = self.issuing.refresh(&token);
        assert_eq!(tokens.as_ref().is_ok(), expected.is_some(), "generation {generation}: {:?}", tokens.as_ref().err());
        if let (Ok(tokens), Some(newest)) = (tokens, expected) {
            self.note(&tokens, session, newest);
        }
    }

    fn begin(&mut self, of_key: bool) {
        use tower_auth::session::{Grant, TokenRequest};
        let (sessions, all) = (&self.issuing.sessions, TokenRequest::new());
        let tokens = if of_key {
            now(sessions.exchange(&self.key, &all))
        } else {
            now(sessions.begin(Grant::of(&super::alice()), &all))
        };
        assert_eq!(tokens.is_ok(), self.before.clone().begin(of_key));
        if let Ok(tokens) = tokens {
            self.given.push((Vec::new(), Vec::new()));
            self.note(&tokens, self.given.len() - 1, 0);
        }
    }

    fn set_back(&mut self, seconds: Time) {
        self.setback += Duration::from_secs(seconds);
        let time = self.issuing.clock.now() - Duration::from_secs(seconds);
        let text = humantime(time);
        self.issuing.clock.set(&text);
    }
}

fn humantime(time: std::time::SystemTime) -> String {
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let of_day = since - 1_799_971_200; // 2027-01-15T00:00:00Z
    format!(
        "2027-01-{:02}T{:02}:{:02}:{:02}Z",
        15 + of_day / 86_400,
        of_day / 3_600 % 24,
        of_day / 60 % 60,
        of_day % 60
    )
}

struct Checked;

impl StateMachineTest for Checked {
    type SystemUnderTest = Real;
    type Reference = Rules;

    fn init_test(before: &Model) -> Real {
        let mut policy = SessionPolicy::default();
        let seconds = Duration::from_secs;
        (policy.access, policy.idle) = (seconds(ACCESS), seconds(IDLE));
        (policy.absolute, policy.grace) = (seconds(ABSOLUTE), seconds(GRACE));
        let issuing = Issuing::with(policy);
        let key = issuing.key(|new| new);
        Real { issuing, key, given: Vec::new(), before: before.clone(), setback: Duration::ZERO }
    }

    fn apply(mut real: Real, after: &Model, event: Event) -> Real {
        let id = real.key.credential_id().unwrap().to_owned();
        let registry = &real.issuing.registry;
        match event {
            Event::Begin { of_key } => real.begin(of_key),
            Event::Refresh { session, age } => real.refresh(session, age),
            Event::LogOut { session, age } => {
                let token = &real.given[session].0[real.before.sessions[session].newest - age];
                let ended = now(real.issuing.sessions.log_out(token)).unwrap();
                assert_eq!(ended, !real.before.sessions[session].ended);
            }
            Event::Check { session, age } => {
                let access = &real.given[session].1;
                let status = real.issuing.status(&access[access.len() - 1 - age]);
                assert_eq!(status == Some(TokenStatus::Valid), real.before.is_good(session, age), "{status:?}");
            }
            Event::EndAll => now(real.issuing.sessions.end_all()).unwrap(),
            Event::Wait(seconds) => real.issuing.pass(seconds),
            Event::SetBack(seconds) => real.set_back(seconds),
            Event::Pause => drop(now(registry.pause(ops(), &id))),
            Event::Resume => drop(now(registry.resume(ops(), &id))),
            Event::Revoke => drop(now(registry.revoke(ops(), &id))),
            Event::Suspend(true) => now(registry.suspend(ops(), Holder::account("acme"))).unwrap(),
            Event::Suspend(false) => now(registry.reinstate(ops(), Holder::account("acme"))).unwrap(),
        }
        real.before = after.clone();
        real
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn p29_the_implementation_does_what_the_page_says(sequential 1..60 => Checked);
}
