//! Parses the compact form (RFC 7515, section 7.1). Nothing is verified here.

use base64::{
    Engine as _,
    engine::general_purpose::{GeneralPurpose, NO_PAD, PAD},
};

use super::error::TokenError;

/// A token in its three parts.
#[derive(Clone, Copy)]
pub(super) struct Compact<'a> {
    /// The signed part: header, dot and claims.
    pub(super) signed: &'a [u8],
    pub(super) header: &'a [u8],
    pub(super) claims: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// Strict base64url: no padding, no white space, no unused bits that are set.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD);

/// The same with padding, exactly as much as RFC 4648 says.
const PADDED: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, PAD);

/// Whether the parts of a token have padding. RFC 7515 knows none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    None,
    Exact,
}

impl Padding {
    /// Returns the padding that a part seems to have.
    pub(super) fn of(part: &[u8]) -> Self {
        if part.ends_with(b"=") { Self::Exact } else { Self::None }
    }

    const fn engine(self) -> &'static GeneralPurpose {
        match self {
            Self::None => &BASE64URL,
            Self::Exact => &PADDED,
        }
    }

    pub(super) fn decode(self, part: &[u8]) -> Result<Vec<u8>, TokenError> {
        self.engine().decode(part).map_err(|_| self.fault())
    }

    const fn fault(self) -> TokenError {
        TokenError::Malformed(match self {
            Self::None => "a part is not strict base64url",
            Self::Exact => "a part is not base64url with exact padding",
        })
    }
}

impl<'a> Compact<'a> {
    /// Splits a token into exactly three parts after a check of its length. No part is decoded.
    pub(super) fn split(token: &'a [u8], max_token_len: usize) -> Result<Self, TokenError> {
        if token.len() > max_token_len {
            return Err(TokenError::Malformed("it is too long"));
        }
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(TokenError::Malformed("it does not have three parts"));
        };
        Ok(Self {
            signed: &token[..second],
            header: &token[..first],
            claims: &token[first + 1..second],
            signature: &token[second + 1..],
        })
    }
}

/// A decoded signature. Only signatures of RSA keys over 4096 bits allocate.
pub(super) struct Signature {
    room: [u8; ROOM],
    length: usize,
    larger: Vec<u8>,
}

const ROOM: usize = 512;

impl Signature {
    pub(super) fn decode(part: &[u8], padding: Padding) -> Result<Self, TokenError> {
        let mut signature = Self { room: [0; ROOM], length: 0, larger: Vec::new() };
        if part.len() > ROOM / 3 * 4 {
            signature.larger = padding.decode(part)?;
        } else {
            let decoded = padding.engine().decode_slice_unchecked(part, &mut signature.room);
            signature.length = decoded.map_err(|_| padding.fault())?;
        }
        Ok(signature)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        if self.larger.is_empty() { &self.room[..self.length] } else { &self.larger }
    }
}
