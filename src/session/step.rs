//! What becomes of a session when a refresh token is presented: a pure function, so that it can be checked against a
//! model.

use std::time::SystemTime;

use super::{Session, SessionEnd, SessionPolicy, refresh_token::Presented};
use crate::KeyDigest;

/// The most replacements that a session remembers: more than happen within the grace.
const MOST_REPLACED: usize = 32;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Replace the session by this one, if nobody else does, and answer with its token.
    Rotate(Box<Session>),
    /// Answer with the token that the session has now: the request is a retry.
    Repeat,
    /// End the session: the token was used again after it was replaced.
    Reused,
    /// Refuse: the session has ended or expired.
    Over(Over),
    /// Refuse: no such token was ever given out.
    Unknown,
}

/// Why a session cannot be refreshed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Ended(SessionEnd),
    Expired,
}

/// Decides about a token of this session.
pub(super) fn step(
    session: &Session,
    presented: &Presented,
    successor: impl FnOnce(u32) -> Option<KeyDigest>,
    now: SystemTime,
    policy: &SessionPolicy,
) -> Step {
    if let Some((_, why)) = session.ended {
        return Step::Over(Over::Ended(why));
    }
    if now >= session.expires_at {
        return Step::Over(Over::Expired);
    }
    let behind = session.generation.checked_sub(presented.generation);
    match behind.and_then(|behind| usize::try_from(behind).ok()) {
        Some(0) if presented.digest == session.digest => rotate(session, successor, now, policy),
        // The store was restored from a backup, or the peppers are used with another one.
        Some(0) | None => Step::Unknown,
        Some(behind) if session.replaced.get(behind - 1).is_some_and(|at| is_in_grace(*at, now, policy)) => {
            Step::Repeat
        }
        Some(_) => Step::Reused,
    }
}

fn rotate(
    session: &Session,
    successor: impl FnOnce(u32) -> Option<KeyDigest>,
    now: SystemTime,
    policy: &SessionPolicy,
) -> Step {
    let next = session.generation.checked_add(1);
    let Some((generation, digest)) = next.and_then(|next| Some((next, successor(next)?))) else {
        return Step::Over(Over::Expired);
    };
    // The place says the generation. After a clock was set back, a time behind the first that is over can be later again.
    let recent = session.replaced.iter().copied().take_while(|at| is_in_grace(*at, now, policy));
    // A clock that was set back shortens nothing.
    let used_at = now.max(session.used_at);
    Step::Rotate(Box::new(Session {
        generation,
        digest,
        used_at,
        expires_at: used_at.checked_add(policy.idle).map_or(session.ends_at, |idle| idle.min(session.ends_at)),
        replaced: [now].into_iter().chain(recent).take(MOST_REPLACED).collect(),
        ..session.clone()
    }))
}

fn is_in_grace(replaced: SystemTime, now: SystemTime, policy: &SessionPolicy) -> bool {
    replaced.checked_add(policy.grace).is_some_and(|end| now < end)
}
