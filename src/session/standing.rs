//! Whether a token is still good: decided from what a store has found.

use std::time::{Duration, SystemTime};

use super::{Findings, Grant, SessionError, TokenFacts};
use crate::{KeyRecord, KeyStatus, token::Claims};

/// The most leeway of a verifier: for so long after its expiry may a token be accepted.
pub(super) const LEEWAY: Duration = Duration::from_secs(60);

/// Why a token is no longer good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The token, its session or its subject was revoked.
    Revoked,
    KeyInactive,
    Suspended,
}

impl From<Fault> for SessionError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Revoked => Self::invalid("the sessions of its subject were ended"),
            Fault::KeyInactive => Self::KeyInactive,
            Fault::Suspended => Self::Suspended,
        }
    }
}

/// What is needed of an access token to judge it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Marks {
    has_session: bool,
    has_key: bool,
    issued: SystemTime,
}

impl Marks {
    /// Returns the marks of a verified token. Without an `iat`, it counts as issued before everything.
    pub(super) fn of(claims: &Claims) -> Self {
        let facts = facts_of(claims);
        Self {
            has_session: facts.session.is_some(),
            has_key: facts.key.is_some(),
            issued: claims.issued_at().unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// Judges the token. A token without a session that was issued in the same second as a cut-off is void, because
    /// `iat` has whole seconds.
    pub(super) fn judge(self, found: &Findings, now: SystemTime) -> Result<(), Fault> {
        let begun = match found.session {
            _ if !self.has_session => self.issued,
            Some(mark) if !mark.has_ended => mark.created_at,
            // A session that is no longer stored has ended so long ago that its tokens have expired.
            _ => return Err(Fault::Revoked),
        };
        if found.is_denied || is_cut_off(found, begun) {
            return Err(Fault::Revoked);
        }
        judge_holder(self.has_key, found, now)
    }
}

/// Judges the holder of a session that began at this time.
pub(super) fn judge_session(grant: &Grant, found: &Findings, begun: SystemTime, now: SystemTime) -> Result<(), Fault> {
    if is_cut_off(found, begun) {
        return Err(Fault::Revoked);
    }
    judge_holder(grant.key_id().is_some(), found, now)
}

pub(super) fn judge_holder(has_key: bool, found: &Findings, now: SystemTime) -> Result<(), Fault> {
    if found.is_suspended {
        return Err(Fault::Suspended);
    }
    match found.key.as_ref().map(|key| (key.status(now), is_unreadable(key))) {
        _ if !has_key => Ok(()),
        Some((KeyStatus::Active, false)) => Ok(()),
        Some((KeyStatus::OrganizationSuspended | KeyStatus::AccountSuspended, _)) => Err(Fault::Suspended),
        _ => Err(Fault::KeyInactive),
    }
}

/// Returns whether a later version has written limits or restrictions that this one cannot read. A guard refuses such a
/// key.
fn is_unreadable(key: &KeyRecord) -> bool {
    key.unread_limits().is_some() || key.current_restrictions().unknown_members().next().is_some()
}

fn is_cut_off(found: &Findings, begun: SystemTime) -> bool {
    found.cut_off.is_some_and(|cut_off| begun <= cut_off)
}

/// Returns what a verified token says about itself.
pub(super) fn facts_of(claims: &Claims) -> TokenFacts<'_> {
    let who = claims.principal();
    TokenFacts {
        subject: who.subject(),
        account: who.account(),
        organizations: who.organizations(),
        session: claims.session_id(),
        token: who.credential_id(),
        // The client of a token that was exchanged for a key is the key.
        key: who.first_id().and_then(|_| claims.client_id()),
    }
}

/// Returns what the tokens of a grant would say.
pub(super) fn facts_of_grant(grant: &Grant) -> TokenFacts<'_> {
    let who = grant.holder();
    TokenFacts {
        subject: who.subject(),
        account: who.account(),
        organizations: who.organizations(),
        session: None,
        token: None,
        key: grant.key_id(),
    }
}

/// Returns the time that is left until the end, or `None` if there is none left.
pub(super) fn left(end: SystemTime, now: SystemTime) -> Option<Duration> {
    end.duration_since(now).ok().filter(|left| !left.is_zero())
}
