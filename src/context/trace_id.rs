//! The id that identifies a request in logs.

use std::{
    cell::RefCell,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use http::{HeaderMap, HeaderName};
use serde::{Serialize, Serializer};

use crate::base::hex;

/// The trace id of one request: 16 bytes, shown as a hyphenated lower-case UUID.
///
/// Handlers read it with [`RequestExt::trace_id`](crate::RequestExt::trace_id), in axum also as an extractor. The id
/// comes from a valid `traceparent` header (W3C Trace Context, section 3.2), if the envelope trusts that header.
/// Otherwise it is a version 4 UUID from the operating system's random source. The client may have chosen the id: never
/// use it as a key of a cache or a limit.
///
/// Clients see the trace id as `x-request-id`, unless the envelope keeps the client's own id.
/// [`RequestId`](crate::RequestId) is the id that clients see.
///
/// ```
/// use tower_auth::TraceId;
///
/// let id = TraceId::random();
/// assert_eq!(id.to_string().len(), 36);
/// assert_ne!(id, TraceId::random());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Returns a new random id.
    #[must_use]
    pub fn random() -> Self {
        let mut id = random_bytes();
        id[6] = (id[6] & 0x0f) | 0x40;
        id[8] = (id[8] & 0x3f) | 0x80;
        Self(id)
    }

    /// Reads the trace id of the request: exactly one `traceparent` line, and a valid one.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(&TRACEPARENT).iter();
        let line = lines.next()?;
        if lines.next().is_some() { None } else { Self::from_traceparent(line.as_bytes()) }
    }

    /// Parses `version "-" trace-id "-" parent-id "-" flags`, all lower-case hex. A version above 0 may have more
    /// fields after these.
    fn from_traceparent(line: &[u8]) -> Option<Self> {
        let version = *hex::decode::<1>(line.get(..2)?)?.first()?;
        let well_formed = line.get(2) == Some(&b'-') && line.get(35) == Some(&b'-') && line.get(52) == Some(&b'-');
        let ends = match version {
            0 => line.len() == 55,
            0xff => false,
            _ => line.len() == 55 || line.get(55) == Some(&b'-'),
        };
        let id = hex::decode::<16>(line.get(3..35)?)?;
        let parent = hex::decode::<8>(line.get(36..52)?)?;
        hex::decode::<1>(line.get(53..55)?)?;
        (well_formed && ends && id != [0; 16] && parent != [0; 8]).then_some(Self(id))
    }

    /// Parses a UUID with hyphens, or 32 hexadecimal digits, in upper or lower case.
    pub(crate) fn from_uuid(text: &str) -> Option<Self> {
        let hyphens = [8, 13, 18, 23];
        let text = text.to_ascii_lowercase();
        let digits = match text.len() {
            36 if hyphens.iter().all(|at| text.as_bytes()[*at] == b'-') => text.replace('-', ""),
            _ => text,
        };
        hex::decode(digits.as_bytes()).filter(|id| *id != [0; 16]).map(Self)
    }

    /// Returns the 36 characters of the UUID.
    #[must_use]
    pub(crate) fn hyphenated(self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in self.0.into_iter().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                at += 1;
            }
            text[at..at + 2].copy_from_slice(&hex::digits(byte));
            at += 2;
        }
        text
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.hyphenated()).unwrap_or_default())
    }
}

/// Serializes as a string of 36 characters.
impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.hyphenated()).unwrap_or_default())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

const BATCH: usize = 64 * 16;

thread_local! {
    /// Random bytes that are fetched in advance, so that one system call serves 64 requests.
    static AHEAD: RefCell<([u8; BATCH], usize)> = const { RefCell::new(([0; BATCH], BATCH)) };
}

fn random_bytes() -> [u8; 16] {
    AHEAD.with_borrow_mut(|(batch, used)| {
        if *used == BATCH {
            if getrandom::fill(batch).is_err() {
                return fallback_bytes();
            }
            *used = 0;
        }
        let mut id = [0; 16];
        id.copy_from_slice(&batch[*used..*used + 16]);
        *used += 16;
        id
    })
}

/// Makes an id without random bytes from the operating system. An id is not a secret, so the request is still answered.
fn fallback_bytes() -> [u8; 16] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&RandomState::new().hash_one(count).to_be_bytes());
    id[8..].copy_from_slice(&count.to_be_bytes());
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_random_source_ids_still_differ() {
        assert_ne!(fallback_bytes(), fallback_bytes());
    }

    #[test]
    fn a_uuid_is_read_in_either_case_and_nothing_else_is() {
        let id = "4bf92f35-77b3-4da6-a3ce-929d0e0e4736";
        for text in [id.to_owned(), id.to_ascii_uppercase(), id.replace('-', "")] {
            assert_eq!(TraceId::from_uuid(&text).map(|id| id.to_string()).as_deref(), Some(id));
        }
        let misplaced = "4bf92f357-7b3-4da6-a3ce-929d0e0e4736";
        let nil = "0".repeat(32);
        for text in ["", misplaced, &nil, &id[1..], &id.replace('b', "g"), &"-".repeat(36), "{4bf92f3577b34da6a3ce}"] {
            assert_eq!(TraceId::from_uuid(text), None, "{text}");
        }
    }
}
