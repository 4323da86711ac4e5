//! What the scripts answer.

use redis::Value;

use crate::limit::{
    Limits,
    shared::{Form, Pace, Pair, Taken},
};

pub(super) enum Answer {
    Taken(Taken),
    /// The bucket was counted by other limits.
    Other(Other),
    /// The periods of the calendar were those of another time. The time of the server, in microseconds.
    Clock(u64),
}

/// A bucket that other limits have counted.
pub(super) struct Other {
    pub(super) id: Vec<u8>,
    pub(super) event: u64,
    pub(super) now: u64,
    pub(super) form: Form,
    pub(super) pairs: Vec<Pair>,
}

/// The time of a server in nanoseconds.
pub(super) const fn nanos(micros: u64) -> u64 {
    micros.saturating_mul(1_000)
}

impl Answer {
    /// Reads an answer; `None` if it is none of this version.
    pub(super) fn read(answer: &Value, limits: &Limits) -> Option<Self> {
        let Value::Array(parts) = answer else { return None };
        match &**parts {
            [Value::Int(1), Value::Int(now), Value::Int(granted), Value::Int(event), windows @ ..] => {
                let now = nanos(u64::try_from(*now).ok()?);
                let mut pairs = windows.chunks_exact(2).map(pair);
                if pairs.len() != limits.len() || pairs.clone().any(|pair| pair.is_none()) {
                    return None;
                }
                let slots = limits.slots(pairs.by_ref().flatten(), now);
                let (granted, ticket) = (u32::try_from(*granted).ok()?, u64::try_from(*event).ok()?);
                Some(Self::Taken(Taken { granted, slots, now, wall: now, ticket }))
            }
            [
                Value::Int(2),
                Value::Int(now),
                Value::BulkString(id),
                Value::BulkString(form),
                Value::Int(event),
                at,
                paces,
                slots,
            ] => {
                let (at, paces) = (integers(at)?, integers(paces)?);
                let pairs = integers(slots)?.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect();
                let paces = paces.chunks_exact(2).map(|pace| Pace { interval: pace[0], drain: pace[1] }).collect();
                Some(Self::Other(Other {
                    id: id.clone(),
                    event: u64::try_from(*event).ok()?,
                    now: u64::try_from(*now).ok()?,
                    form: Form::read(std::str::from_utf8(form).ok()?, &at, paces)?,
                    pairs,
                }))
            }
            [Value::Int(3), Value::Int(now)] => Some(Self::Clock(u64::try_from(*now).ok()?)),
            _ => None,
        }
    }
}

fn pair(pair: &[Value]) -> Option<Pair> {
    match pair {
        [Value::Int(value), Value::Int(number)] => Some([u64::try_from(*value).ok()?, u64::try_from(*number).ok()?]),
        _ => None,
    }
}

fn integers(list: &Value) -> Option<Vec<u64>> {
    let Value::Array(list) = list else { return None };
    list.iter().map(|one| if let Value::Int(one) = one { u64::try_from(*one).ok() } else { None }).collect()
}
