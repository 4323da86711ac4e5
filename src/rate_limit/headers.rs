//! The response headers of a limit. Single numbers are written without `std::fmt`.

use std::{
    cell::Cell,
    fmt::Write as _,
    thread::LocalKey,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::limit::{Limits, Refill, WindowInfo, WindowState, WindowStates};

/// Which headers a layer writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`.
    pub(super) legacy: bool,
    /// Whether `X-RateLimit-Reset` is a Unix time in seconds; otherwise it is in seconds from now.
    pub(super) unix: bool,
    /// `X-RateLimit-Retry-After`.
    pub(super) retry_after: bool,
    /// `RateLimit-Policy` and `RateLimit`.
    pub(super) ietf: bool,
}

impl Style {
    pub(super) const NONE: Self = Self { legacy: false, unix: false, retry_after: false, ietf: false };
    pub(super) const LEGACY: Self = Self { legacy: true, ..Self::NONE };

    pub(super) const fn is_any(self) -> bool {
        self.legacy || self.retry_after || self.ietf
    }
}

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const RETRY_AFTER: HeaderName = HeaderName::from_static("x-ratelimit-retry-after");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const STATE: HeaderName = HeaderName::from_static("ratelimit");
const ROOM: usize = 6;
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// The state of a bucket, as headers show it.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    pub(super) size: u32,
    pub(super) remaining: u32,
    pub(super) reset: Duration,
    /// How long a refused request has to wait; zero for an admitted request.
    pub(super) wait: Duration,
}

impl Standing {
    /// Writes the headers, unless a limit further in has written its own.
    #[inline]
    pub(super) fn write(
        self,
        style: Style,
        fields: Option<&[HeaderValue; 2]>,
        headers: &mut HeaderMap,
        now: impl FnOnce() -> SystemTime,
    ) {
        if headers.contains_key(LIMIT) || headers.contains_key(STATE) {
            return;
        }
        // Room for these headers and those of the gate and the envelope, made once.
        let _ = headers.try_reserve(ROOM);
        self.each(style, fields, now, |name, value| {
            headers.insert(name, value);
        });
    }

    /// Returns the headers of a refusal.
    pub(super) fn of_refusal(
        self,
        style: Style,
        fields: Option<&[HeaderValue; 2]>,
        now: impl FnOnce() -> SystemTime,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let mut headers = Vec::with_capacity(7);
        headers.push((header::CACHE_CONTROL, NO_STORE));
        self.each(style, fields, now, |name, value| headers.push((name, value)));
        headers
    }

    #[inline]
    fn each(
        self,
        style: Style,
        fields: Option<&[HeaderValue; 2]>,
        now: impl FnOnce() -> SystemTime,
        mut write: impl FnMut(HeaderName, HeaderValue),
    ) {
        if style.legacy {
            // A custom limiter may report more than the size.
            let remaining = self.remaining.min(self.size);
            let least = Duration::from_secs(u64::from(remaining == 0));
            let reset = self.reset.max(least);
            let reset = if style.unix { repeated(unix(now(), reset), &LAST_SECOND) } else { number(up(reset)) };
            write(LIMIT, repeated(u64::from(self.size), &LAST_SIZE));
            write(REMAINING, number(u64::from(remaining)));
            write(RESET, reset);
        }
        if style.retry_after {
            write(RETRY_AFTER, number(up(self.wait)));
        }
        if let Some([policy, state]) = fields {
            write(POLICY, policy.clone());
            write(STATE, state.clone());
        }
    }
}

/// Returns whole seconds, rounded up, so that a client that waits this long does not retry too early.
pub(super) const fn up(time: Duration) -> u64 {
    let more = if time.subsec_nanos() > 0 { 1 } else { 0 };
    time.as_secs().saturating_add(more)
}

/// Returns the Unix time `then` after now, in seconds, rounded up.
fn unix(now: SystemTime, then: Duration) -> u64 {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    up(now.saturating_add(then))
}

/// Returns the time of day in nanoseconds since 1970.
pub(super) fn nanos_of_day(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The numbers below ten thousand, four digits each.
static DIGITS: [u8; 40_000] = {
    let mut digits = [b'0'; 40_000];
    let mut number = 0;
    while number < 10_000 {
        let (mut rest, mut place) = (number, 4);
        while place > 0 {
            place -= 1;
            #[expect(clippy::cast_possible_truncation, reason = "a digit")]
            let digit = b'0' + (rest % 10) as u8;
            digits[number * 4 + place] = digit;
            rest /= 10;
        }
        number += 1;
    }
    digits
};

/// Returns a number as a header value. A small number does not allocate.
#[inline]
pub(super) fn number(number: u64) -> HeaderValue {
    let places = match number {
        0..10 => 1,
        10..100 => 2,
        100..1_000 => 3,
        1_000..SMALL => 4,
        _ => return large(number),
    };
    // The number is below ten thousand.
    let end = usize::try_from(number).unwrap_or(0) * 4 + 4;
    std::str::from_utf8(&DIGITS[end - places..end]).map_or_else(|_| HeaderValue::from(number), HeaderValue::from_static)
}

fn large(number: u64) -> HeaderValue {
    let (mut text, mut start, mut rest) = ([0; 20], 20, number);
    while rest > 0 {
        start -= 1;
        let digit = b'0' + (rest % 10) as u8;
        text[start] = digit;
        rest /= 10;
    }
    HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&text[start..])).unwrap_or_else(|_| number.into())
}

/// The large number that a thread has written last, and its header value.
type Last = LocalKey<Cell<Option<(u64, HeaderValue)>>>;

thread_local! {
    /// Consecutive responses often show the limit of the same plan, and the same second.
    static LAST_SIZE: Cell<Option<(u64, HeaderValue)>> = const { Cell::new(None) };
    static LAST_SECOND: Cell<Option<(u64, HeaderValue)>> = const { Cell::new(None) };
}

/// Returns a header value for a number that is probably equal to the last one.
fn repeated(shown: u64, last: &'static Last) -> HeaderValue {
    if shown < SMALL {
        return number(shown);
    }
    // While a thread ends, its cache cannot be accessed.
    let value = match last.try_with(Cell::take).ok().flatten() {
        Some((before, value)) if before == shown => value,
        _ => large(shown),
    };
    let clone = value.clone();
    let _ = last.try_with(|last| last.set(Some((shown, value))));
    clone
}

/// Smaller numbers are in [`DIGITS`].
const SMALL: u64 = 10_000;

/// Returns `RateLimit-Policy`, such as `"minute";q=100;w=60, "month";q=1000000`: the size of each window, and the seconds
/// in which it is refilled (draft-ietf-httpapi-ratelimit-headers-11, section 3). Periods of a calendar differ in length, so
/// they have no `w`.
pub(super) fn policy(limits: &Limits) -> HeaderValue {
    let mut text = String::new();
    for window in limits.windows() {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}\"{}\";q={}", window.name, window.size);
        if let Refill::Even(refill) = window.refill {
            let _ = write!(text, ";w={}", up(refill).max(1));
        }
    }
    value(text)
}

/// Returns `RateLimit`, such as `"minute";r=50;t=30`: `r` requests remain, and `t` is the time in which they may be
/// spent at the rate of the limit. If `r` is zero, `t` is the time until a request fits. A client that reads `r` and
/// `t` as a rate must not exceed the limit (the same draft, sections 4 and 6).
pub(super) fn state(limits: &Limits, levels: &WindowStates, wait: Duration) -> HeaderValue {
    let mut text = String::new();
    for (place, (window, level)) in limits.windows().zip(levels.all()).enumerate() {
        let separator = if text.is_empty() { "" } else { ", " };
        let speaks = place == levels.tightest_index() && wait > Duration::ZERO;
        let (remaining, time) = remaining(&window, *level, speaks.then_some(wait));
        let _ = write!(text, "{separator}\"{}\";r={remaining};t={}", window.name, up(time).max(1));
    }
    value(text)
}

/// Returns `r` and `t` of a window. `wait` is that of a request that this window has refused.
fn remaining(window: &WindowInfo<'_>, level: WindowState, wait: Option<Duration>) -> (u32, Duration) {
    let Refill::Even(refill) = window.refill else {
        // What remains may be spent until the period ends, and then a request fits again.
        return (level.remaining, level.reset);
    };
    let each = refill / window.size.max(1);
    // A request above the remaining number is refused. `r` is limited to the number that is refilled during the wait, so
    // that `t` does not exceed the wait.
    let fits = wait.map_or(u128::MAX, |wait| wait.as_nanos() / each.as_nanos().max(1));
    let remaining = level.remaining.min(u32::try_from(fits).unwrap_or(u32::MAX));
    let time = match wait {
        _ if remaining > 0 => each.saturating_mul(remaining),
        Some(wait) => wait,
        // The bucket is full after `reset`. The first request fits earlier, by `refill - each`.
        None => level.reset.saturating_sub(refill.saturating_sub(each)),
    };
    (remaining, time)
}

/// Returns the text as a header value. Names and numbers are printable, so the conversion does not fail.
fn value(text: String) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}
