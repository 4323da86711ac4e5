//! Reads strings and numbers.

use std::borrow::Cow;

use super::limits::JsonLimits;

/// What is wrong with the text, and at which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) reason: &'static str,
}

/// A number, in the type that its text needs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

/// The written form of a number.
struct Shape {
    whole: bool,
    /// The number of digits before the point.
    digits: usize,
    exponent: i64,
}

/// Any number of this many digits fits into a `u64` and an `i64`.
const EXACT: usize = 18;

/// The text, with the current position and depth.
pub(super) struct Cursor<'de> {
    pub(super) text: &'de str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) limits: JsonLimits,
    /// An error occurred. It stays set, even if a type turns the error into a default.
    pub(super) failed: bool,
    /// The next value could not be read. It is skipped before reading continues.
    pub(super) given_up: bool,
}

impl<'de> Cursor<'de> {
    pub(super) const fn new(text: &'de str, limits: JsonLimits) -> Self {
        Self { text, at: 0, depth: 0, limits, failed: false, given_up: false }
    }

    #[inline]
    pub(super) const fn bytes(&self) -> &'de [u8] {
        self.text.as_bytes()
    }

    #[cold]
    pub(super) const fn fault(&mut self, at: usize, reason: &'static str) -> Fault {
        self.failed = true;
        Fault { at, reason }
    }

    #[cold]
    pub(super) const fn fault_here(&mut self, reason: &'static str) -> Fault {
        self.failed = true;
        Fault { at: self.at, reason }
    }

    /// Returns the next byte that is not white space.
    #[inline]
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.bytes().get(self.at) {
                Some(b' ' | b'\n' | b'\t' | b'\r') => self.at += 1,
                other => return other.copied(),
            }
        }
    }

    #[inline]
    pub(super) fn literal(&mut self, word: &'static str) -> Result<(), Fault> {
        if self.bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(());
        }
        Err(self.fault_here("a value is expected"))
    }

    /// Reads a string from its opening quote on. It is borrowed, unless it contains an escape.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Cow<'de, str>, Fault> {
        let start = self.at + 1;
        let end = plain_end(self.bytes(), start);
        if self.bytes().get(end) != Some(&b'"') {
            return self.escaped_string(start, end).map(Cow::Owned);
        }
        if end - start > self.limits.string {
            return Err(self.fault_here(TOO_LONG));
        }
        self.at = end + 1;
        Ok(Cow::Borrowed(self.slice(start, end)))
    }

    fn escaped_string(&mut self, start: usize, mut end: usize) -> Result<String, Fault> {
        let mut text = String::new();
        let mut from = start;
        loop {
            text.push_str(self.slice(from, end));
            self.at = end;
            match self.escape_or_end(start)? {
                Some(character) => text.push(character),
                None => return Ok(text),
            }
            from = self.at;
            end = plain_end(self.bytes(), from);
        }
    }

    /// Skips a string.
    #[inline]
    pub(super) fn skip_string(&mut self) -> Result<(), Fault> {
        let start = self.at + 1;
        self.at = plain_end(self.bytes(), start);
        while self.escape_or_end(start)?.is_some() {
            self.at = plain_end(self.bytes(), self.at);
        }
        Ok(())
    }

    /// Reads what ends a run of plain characters: the character of an escape, or `None` at the closing quote.
    #[inline]
    fn escape_or_end(&mut self, start: usize) -> Result<Option<char>, Fault> {
        match self.bytes().get(self.at) {
            Some(b'"') if self.at - start > self.limits.string => Err(self.fault(start - 1, TOO_LONG)),
            Some(b'"') => {
                self.at += 1;
                Ok(None)
            }
            Some(b'\\') => self.escape().map(Some),
            Some(_) => Err(self.fault_here("a control character has to be escaped")),
            None => Err(self.fault_here("the text ends inside a string")),
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        let simple = match self.bytes().get(start + 1) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(start),
            _ => return Err(self.fault(start, "there is no such escape")),
        };
        self.at = start + 2;
        Ok(simple)
    }

    fn unicode_escape(&mut self, start: usize) -> Result<char, Fault> {
        let first = self.four_digits(start)?;
        if !(0xD800..0xE000).contains(&first) {
            self.at = start + 6;
            return char::from_u32(first).ok_or_else(|| self.fault(start, HALF_PAIR));
        }
        let second = match (first, self.bytes().get(start + 6..start + 8)) {
            (..0xDC00, Some(b"\\u")) => self.four_digits(start + 6)?,
            _ => return Err(self.fault(start, HALF_PAIR)),
        };
        if !(0xDC00..0xE000).contains(&second) {
            return Err(self.fault(start, HALF_PAIR));
        }
        self.at = start + 12;
        let character = 0x1_0000 + ((first - 0xD800) << 10 | (second - 0xDC00));
        char::from_u32(character).ok_or_else(|| self.fault(start, HALF_PAIR))
    }

    fn four_digits(&mut self, escape: usize) -> Result<u32, Fault> {
        let digits = self.bytes().get(escape + 2..escape + 6).unwrap_or_default();
        let value = digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?));
        value.filter(|_| digits.len() == 4).ok_or_else(|| self.fault(escape, "four hexadecimal digits are expected"))
    }

    /// Reads a number.
    #[inline]
    pub(super) fn number(&mut self) -> Result<Number, Fault> {
        let start = self.at;
        let negative = self.bytes().get(start) == Some(&b'-');
        let digits = start + usize::from(negative);
        // The fast path: most numbers are short integers.
        let (mut at, mut value) = (digits, 0_u64);
        while let Some(digit) = self.bytes().get(at).filter(|byte| byte.is_ascii_digit() && at - digits < EXACT) {
            value = value * 10 + u64::from(digit - b'0');
            at += 1;
        }
        let leading_zero = at - digits > 1 && self.bytes().get(digits) == Some(&b'0');
        let ends = !matches!(self.bytes().get(at), Some(b'.' | b'e' | b'E' | b'0'..=b'9'));
        if ends && at > digits && !leading_zero && at - start <= self.limits.number {
            self.at = at;
            return Ok(match (negative, value) {
                (false, value) => Number::Unsigned(value),
                // A float keeps the sign.
                (true, 0) => Number::Float(-0.0),
                (true, value) => Number::Negative(0_i64.saturating_sub_unsigned(value)),
            });
        }
        self.long_number(start, negative)
    }

    fn long_number(&mut self, start: usize, negative: bool) -> Result<Number, Fault> {
        let whole = self.number_text()?.whole;
        let text = self.slice(start, self.at);
        if whole && negative {
            if let Ok(value) = text.parse() {
                return Ok(Number::Negative(value));
            }
        } else if whole && let Ok(value) = text.parse() {
            return Ok(Number::Unsigned(value));
        }
        self.finite(start).map(Number::Float)
    }

    /// Skips a number and returns its text. 128-bit integers are parsed from this text.
    #[inline]
    pub(super) fn skip_number(&mut self) -> Result<&'de str, Fault> {
        // Below this power of ten a number is finite, and need not be parsed.
        const FINITE: i64 = 300;
        let start = self.at;
        let shape = self.number_text()?;
        if i64::try_from(shape.digits).unwrap_or(FINITE).saturating_add(shape.exponent) > FINITE {
            self.finite(start)?;
        }
        Ok(self.slice(start, self.at))
    }

    fn finite(&mut self, start: usize) -> Result<f64, Fault> {
        match self.slice(start, self.at).parse::<f64>() {
            Ok(value) if value.is_finite() => Ok(value),
            _ => Err(self.fault(start, "the number is too large")),
        }
    }

    /// Skips a number, and returns its written form.
    #[inline]
    fn number_text(&mut self) -> Result<Shape, Fault> {
        let start = self.at;
        if self.bytes().get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let first = self.at;
        let digits = self.digits()?;
        if digits > 1 && self.bytes().get(first) == Some(&b'0') {
            return Err(self.fault(first, "a number has no leading zero"));
        }
        let mut shape = Shape { whole: true, digits, exponent: 0 };
        if self.bytes().get(self.at) == Some(&b'.') {
            shape.whole = false;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.bytes().get(self.at), Some(b'e' | b'E')) {
            shape.whole = false;
            self.at += 1;
            let sign = self.at;
            if matches!(self.bytes().get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
            let exponent = self.slice(sign, self.at);
            // An exponent beyond an i64 is treated as the extreme value.
            shape.exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        }
        if self.at - start > self.limits.number {
            return Err(self.fault(start, TOO_LONG));
        }
        Ok(shape)
    }

    #[inline]
    fn digits(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { Err(self.fault(start, "a digit is expected")) } else { Ok(self.at - start) }
    }

    /// Returns a part of the text. Both ends must be at ASCII characters or at the ends of the text.
    #[inline]
    fn slice(&self, from: usize, to: usize) -> &'de str {
        self.text.get(from..to).unwrap_or_default()
    }
}

const TOO_LONG: &str = "a string or number is longer than is read here";
const HALF_PAIR: &str = "an escape names half of a surrogate pair";

/// Returns the position of the next quote, backslash or control character, or the end.
#[inline]
fn plain_end(bytes: &[u8], from: usize) -> usize {
    const EIGHT: usize = size_of::<u64>();
    let mut at = from;
    // Eight bytes at a time. A byte of the mask is 0x80 if the byte of the word is special. Only the lowest such byte
    // is exact.
    while let Some(word) = bytes.get(at..at + EIGHT).and_then(|eight| eight.try_into().ok()) {
        let word = u64::from_le_bytes(word);
        let mask = special(word);
        if mask != 0 {
            return at + mask.trailing_zeros() as usize / 8;
        }
        at += EIGHT;
    }
    while bytes.get(at).is_some_and(|byte| *byte >= 0x20 && !matches!(byte, b'"' | b'\\')) {
        at += 1;
    }
    at
}

#[inline]
const fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    const fn zero(word: u64) -> u64 {
        word.wrapping_sub(ONES) & !word
    }
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (control | zero(word ^ (ONES * b'"' as u64)) | zero(word ^ (ONES * b'\\' as u64))) & HIGH
}
