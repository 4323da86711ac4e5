//! Cached answers about tokens.

use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;

use super::{
    Changed,
    answers::{Answer, Answers},
    changed::Mark,
    freshness::{Begun, Freshness},
};
use crate::{
    KeyRecord,
    session::{Findings, TokenFacts},
};

/// All that a token says about itself: no answer is used for a token that differs in any of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token {
    subject: Box<str>,
    organizations: Box<[String]>,
    /// Its account, session, id and key.
    ids: [Option<Box<str>>; 4],
}

impl Token {
    pub(super) fn of(facts: &TokenFacts<'_>) -> Self {
        Self {
            subject: facts.subject.into(),
            organizations: facts.organizations.into(),
            ids: ids(facts).map(|id| id.map(Box::from)),
        }
    }

    /// Returns the token as a store is asked about it.
    pub(super) fn facts(&self) -> TokenFacts<'_> {
        let [account, session, token, key] = self.ids.each_ref().map(Option::as_deref);
        let mut facts = TokenFacts::default();
        (facts.subject, facts.organizations) = (&self.subject, &self.organizations);
        (facts.account, facts.session, facts.token, facts.key) = (account, session, token, key);
        facts
    }
}

const fn ids<'a>(facts: &TokenFacts<'a>) -> [Option<&'a str>; 4] {
    [facts.account, facts.session, facts.token, facts.key]
}

/// The facts, to look a [`Token`] up.
pub(super) struct Facts<'a>(pub(super) &'a TokenFacts<'a>);

impl Hash for Facts<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The rest follows from the id of the token and of the session, and is compared.
        (self.0.subject, self.0.token, self.0.session, self.0.key).hash(state);
    }
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Facts(&self.facts()).hash(state);
    }
}

impl Equivalent<Token> for Facts<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        *self.0 == token.facts()
    }
}

/// What an answer about a token depends on.
pub(super) type Marks = std::sync::Arc<[Mark]>;

pub(super) struct Tokens {
    pub(super) known: Answers<Token, Findings, Marks>,
}

impl Tokens {
    pub(super) fn new(capacity: usize) -> Self {
        Self { known: Answers::new(capacity) }
    }

    /// Keeps an answer, unless the session or the key is unknown: nobody announces when they are created.
    pub(super) fn keep(
        &self,
        freshness: &Freshness,
        token: &Token,
        begun: Begun,
        found: Findings,
    ) -> Answer<Findings, Marks> {
        let facts = token.facts();
        let is_known =
            (facts.session.is_none() || found.session.is_some()) && (facts.key.is_none() || found.key.is_some());
        let longest = if is_known { u64::MAX } else { 0 };
        let answer = Answer { begun, marks: marks(&facts, &found), longest, value: found };
        if is_known && freshness.can_keep(&begun) {
            self.known.keep(token.clone(), answer.clone());
        } else if !is_known {
            self.known.forget(token);
        }
        answer
    }
}

fn marks(facts: &TokenFacts<'_>, found: &Findings) -> Marks {
    let holder = found.key.as_ref().map(KeyRecord::principal);
    let accounts = [facts.account, holder.and_then(|holder| holder.account())].into_iter().flatten();
    let owner = holder.and_then(|holder| holder.organizations().first());
    let organizations = facts.organizations.iter().chain(owner);
    let changes = [Changed::Subject(facts.subject)]
        .into_iter()
        .chain(accounts.map(Changed::Account))
        .chain(organizations.map(|id| Changed::Organization(id)))
        .chain(facts.session.map(Changed::Session))
        .chain(facts.token.map(Changed::Token))
        .chain(facts.key.map(Changed::Key));
    changes.filter_map(|changed| changed.mark()).collect()
}
