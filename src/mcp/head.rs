//! The operation that the headers of a request claim.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};

use super::{
    member::Member,
    message::{Message, Messages},
    table::{COMPLETE, Table, Target},
};
use crate::Rejection;

const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// `Mcp-Method` and `Mcp-Name`. An intermediary may decide by them, so they must not say anything else than the body.
#[derive(Debug)]
pub(super) struct Claimed {
    method: Option<String>,
    name: Option<String>,
}

impl Claimed {
    /// Reads the headers.
    ///
    /// # Errors
    /// 400 if one of them occurs twice, or cannot be read.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Rejection> {
        Ok(Self { method: read(headers, &METHOD)?, name: read(headers, &NAME)? })
    }

    /// Returns what the claimed operation needs, if the headers name a whole one.
    pub(super) fn need<'a>(&self, table: &'a Table) -> Option<&'a [usize]> {
        let method = self.method.as_deref()?;
        match (Target::of(method), &self.name) {
            // It depends on `params.ref`, which no header names.
            (Target::Nothing, _) if method == COMPLETE => None,
            (Target::Nothing, _) => Some(table.of_method(method)),
            (_, Some(name)) => Some(table.of_operation(method, name)),
            (_, None) => None,
        }
    }

    /// Checks that the body says the same.
    ///
    /// # Errors
    /// 400 if it does not.
    pub(super) fn check(&self, messages: &Messages) -> Result<(), Rejection> {
        if let Some(method) = &self.method
            && !agree(messages, |message| is(&message.method, method))
        {
            return Err(differs(&METHOD));
        }
        if let Some(name) = &self.name
            && !agree(messages, |message| is_named(message, name))
        {
            return Err(differs(&NAME));
        }
        Ok(())
    }
}

fn agree(messages: &Messages, says: impl Fn(&Message) -> bool) -> bool {
    !messages.unclear && messages.all.iter().all(says)
}

fn is(member: &Member, wanted: &str) -> bool {
    matches!(member, Member::Text(text) if text == wanted)
}

fn is_named(message: &Message, wanted: &str) -> bool {
    match &message.method {
        Member::Text(method) if Target::of(method) != Target::Nothing => {
            is(Target::of(method).in_message(message), wanted)
        }
        // Of another method, the header has another member, such as the id of a task, which decides nothing here.
        Member::Text(_) | Member::Missing | Member::Other => true,
    }
}

fn differs(header: &HeaderName) -> Rejection {
    Rejection::malformed_header(header.as_str(), "the header names another operation than the body")
}

/// Reads a header that may be encoded as `=?base64?…?=`, which is how a name with other characters than ASCII is sent.
fn read(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Rejection> {
    let malformed = |cause| Rejection::malformed_header(name.as_str(), cause);
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(malformed("the header occurs more than once"));
    }
    let Some(value) = value else { return Ok(None) };
    let text = value.to_str().map_err(|_| malformed("the header has other characters than visible ASCII"))?;
    let Some(coded) = text.strip_prefix("=?base64?").and_then(|text| text.strip_suffix("?=")) else {
        return Ok(Some(text.to_owned()));
    };
    let bytes = STANDARD.decode(coded).map_err(|_| malformed("the header is marked as base64, and is not base64"))?;
    String::from_utf8(bytes).map(Some).map_err(|_| malformed("the encoded header is not UTF-8"))
}
