//! The `Vary` field (RFC 9110, section 12.5.5).

use http::{HeaderMap, HeaderName, header};

/// Adds a header name to `Vary`. Does nothing if the name is listed already (case-insensitive) or a line is `*`.
pub(crate) fn add(headers: &mut HeaderMap, name: &HeaderName) {
    let mut said = headers.get_all(header::VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let there = |said: &[u8]| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes());
    if !said.any(|said| there(said.trim_ascii())) {
        headers.append(header::VARY, name.clone().into());
    }
}
