//! Public documents, which clients may keep.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::{full_body::FullBody, hex};

/// A key is published a day before it signs, so a key set that was kept so long has it.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Returns the document, or 304 to a client that has this version of it. The digest names the version.
pub(crate) fn respond(document: Bytes, digest: &[u8; 32], headers: &HeaderMap) -> Response<FullBody> {
    let digits: String = digest[..16].iter().copied().flat_map(hex::digits).map(char::from).collect();
    let tag = format!("\"{digits}\"");
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|line| names(line, &tag));
    let mut response = Response::new(if is_known { FullBody::default() } else { FullBody::from(document) });
    let own = response.headers_mut();
    own.insert(header::CACHE_CONTROL, CACHED);
    if let Ok(tag) = HeaderValue::try_from(tag) {
        own.insert(header::ETAG, tag);
    }
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        own.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

/// The comparison is weak: a proxy that compresses the document weakens its tag (RFC 9110, section 13.1.2).
fn names(line: &HeaderValue, tag: &str) -> bool {
    let mut tags = line.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}
