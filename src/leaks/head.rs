//! The headers with which GitHub signs a report.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::{Rejection, RejectionKind};

const IDENTIFIER: HeaderName = HeaderName::from_static("github-public-key-identifier");
const SIGNATURE: HeaderName = HeaderName::from_static("github-public-key-signature");

/// The maximum length of both values. GitHub's have about 64 and 96 characters.
const LONGEST: usize = 256;

/// Who has signed a report, and the signature in DER. Nothing of it is verified.
pub(super) struct Signed {
    pub(super) identifier: String,
    pub(super) signature: Vec<u8>,
}

impl Signed {
    /// Reads both headers.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        let identifier = only(headers, &IDENTIFIER)?;
        let signature = only(headers, &SIGNATURE)?;
        let signature =
            STANDARD.decode(signature).map_err(|_| Rejection::malformed_header(SIGNATURE.as_str(), "not base64"))?;
        Ok(Self { identifier: identifier.to_owned(), signature })
    }
}

/// Returns the one value of a header, in visible ASCII.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, Rejection> {
    let malformed = |cause| Rejection::malformed_header(name.as_str(), cause);
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => {
            return Err(Rejection::new(RejectionKind::MissingCredential).cause("the report is not signed"));
        }
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Err(malformed("it is repeated")),
    };
    let text = value.to_str().map_err(|_| malformed("it is not visible ASCII"))?;
    let whole = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if whole { Ok(text) } else { Err(malformed("it is empty, too long, or not visible ASCII")) }
}

/// 401: the body does not say whether the key is unknown or the signature wrong.
pub(super) fn wrong_signature(cause: &'static str) -> Rejection {
    Rejection::custom(StatusCode::UNAUTHORIZED, "INVALID_SIGNATURE")
        .message("The signature of the request is not valid.")
        .cause(cause)
}

/// 405: reports are posted.
pub(super) fn wrong_method() -> Rejection {
    const POST: HeaderValue = HeaderValue::from_static("POST");
    Rejection::new(RejectionKind::MethodNotAllowed).header(http::header::ALLOW, POST)
}
