//! What a response depends on, as `Vary` says it (RFC 9110, section 12.5.5).

use http::{HeaderMap, HeaderName, header};

/// Adds a name, unless one of the lines has it already, whatever its case, or says that everything matters.
pub(crate) fn add(headers: &mut HeaderMap, name: &HeaderName) {
    let mut said = headers.get_all(header::VARY).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let there = |said: &[u8]| said == b"*" || said.eq_ignore_ascii_case(name.as_str().as_bytes());
    if !said.any(|said| there(said.trim_ascii())) {
        headers.append(header::VARY, name.clone().into());
    }
}
