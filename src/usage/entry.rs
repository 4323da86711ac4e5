//! What is counted for one caller in one hour, until it is written.

use std::{borrow::Cow, collections::VecDeque, net::IpAddr, time::SystemTime};

use super::{KeyUse, Outcome, RefusedRequest, batch::cut, client::Client};
#[cfg(feature = "tokio")]
use crate::RejectionKind;
use crate::{AuthMethod, Decision, Principal, Rejection, context::decision::Kept};

/// The counts of one caller in one hour.
pub(super) struct Entry {
    /// `None` for strangers.
    pub(super) who: Option<Principal>,
    pub(super) hour: u32,
    pub(super) admitted: u64,
    /// Few, so a search is fast. Empty for most callers.
    pub(super) refused: Vec<(Outcome, u64)>,
    /// The last refusals, the oldest first.
    refusals: VecDeque<Refusal>,
    last: Option<Last>,
}

/// A refused request. Its texts are copied when it is written: most are replaced by later ones before.
struct Refusal {
    at: SystemTime,
    outcome: Outcome,
    why: Rejection,
    kept: Option<Kept>,
}

/// The last admitted request.
struct Last {
    at: SystemTime,
    address: Option<IpAddr>,
    client: Client,
}

impl Entry {
    pub(super) const fn new(who: Option<Principal>, hour: u32) -> Self {
        Self { who, hour, admitted: 0, refused: Vec::new(), refusals: VecDeque::new(), last: None }
    }

    /// Returns whether this entry counts requests of this caller. All tokens of a subject are counted together, and all tokens
    /// that were exchanged for a key.
    #[inline]
    pub(super) fn is_of(&self, who: &Principal, hour: u32) -> bool {
        let Some(known) = &self.who else { return false };
        self.hour == hour
            && (known.is_same(who)
                || key_of(known) == key_of(who)
                    && known.account() == who.account()
                    && known.organizations().first() == who.organizations().first()
                    && (key_of(who).is_some() || known.bucket() == who.bucket()))
    }

    /// Returns where the entry stands among others: by the key, or else by the account.
    pub(super) fn place(&self) -> (Option<&str>, Option<&str>) {
        let who = self.who.as_ref();
        (who.and_then(key_of), who.and_then(Principal::account))
    }

    #[inline]
    pub(super) fn admit(&mut self, decision: &Decision<'_>, now: SystemTime) {
        self.admitted += 1;
        match &mut self.last {
            // The address and the program are read once in a second: to read them costs more than to count.
            Some(last) if is_soon_after(last.at, now) => {}
            Some(last) if now < last.at => {}
            last => *last = Some(Last::of(decision, now)),
        }
    }

    pub(super) fn refuse(&mut self, decision: &Decision<'_>, outcome: Outcome, now: SystemTime, keep: usize) {
        match self.refused.iter_mut().find(|(known, _)| *known == outcome) {
            Some((_, count)) => *count += 1,
            None => self.refused.push((outcome, 1)),
        }
        let Some(why) = decision.rejection().filter(|_| keep > 0 && self.who.as_ref().and_then(key_of).is_some())
        else {
            return;
        };
        if self.refusals.len() >= keep {
            self.refusals.pop_front();
        }
        self.refusals.push_back(Refusal { at: now, outcome, why: why.clone(), kept: decision.keep() });
    }

    /// Returns the last refused requests of the key, the oldest first.
    pub(super) fn refusals(&self) -> impl Iterator<Item = RefusedRequest> {
        let key = self.who.as_ref().and_then(key_of);
        self.refusals.iter().filter_map(move |refusal| Some(refusal.shown(key?)))
    }

    /// Returns the names of the windows whose limits have refused the last of the refused requests.
    #[cfg(feature = "tokio")]
    pub(super) fn limits(&self) -> impl Iterator<Item = &str> {
        let is_limit = |refusal: &&Refusal| refusal.outcome == Outcome::Refused(RejectionKind::RateLimited);
        self.refusals.iter().filter(is_limit).filter_map(|refusal| refusal.why.policy())
    }

    /// Returns the last use of the key.
    pub(super) fn last_use(&self) -> Option<KeyUse> {
        let (key, last) = (self.who.as_ref().and_then(key_of)?, self.last.as_ref()?);
        let client = last.client.name().map(str::to_owned);
        Some(KeyUse { address: last.address, client, ..KeyUse::new(key, last.at) })
    }
}

impl Last {
    fn of(decision: &Decision<'_>, at: SystemTime) -> Self {
        let client = decision.user_agent().map(Client::of).unwrap_or_default();
        Self { at, address: decision.client_ip().or_else(|| decision.peer_ip()), client }
    }
}

/// Returns the id of the caller's key; `None` if the caller has presented something else.
#[inline]
pub(super) fn key_of(who: &Principal) -> Option<&str> {
    who.credential_id().filter(|_| matches!(who.method(), AuthMethod::ApiKey))
}

#[inline]
fn is_soon_after(last: SystemTime, now: SystemTime) -> bool {
    now.duration_since(last).is_ok_and(|since| since.as_secs() == 0)
}

impl Refusal {
    fn shown(&self, key: &str) -> RefusedRequest {
        let decision = Decision::from_further_in(&self.why, self.kept.as_ref());
        let reason = decision.required().map(Cow::into_owned);
        RefusedRequest {
            reason: reason.or_else(|| decision.limit_name().map(str::to_owned)),
            method: decision.method().map(|method| cut(method.as_str())),
            path: decision.path().map(Cow::into_owned),
            request_id: decision.request_id().map(|id| cut(&id.to_string())),
            address: decision.client_ip().or_else(|| decision.peer_ip()),
            ..RefusedRequest::new(key, self.at, self.outcome, self.why.status().as_u16())
        }
    }
}
