//! Refresh tokens: `rt_` and the base64url of the session, the generation, and a MAC of both.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::Session;
use crate::{
    ConfigError, KeyDigest, Peppers, Secret,
    key::{DerivedMacs, random, sha256},
};

/// Separates the MACs of refresh tokens from other uses of the peppers.
const PURPOSE: &str = "tower-auth refresh token";
const PREFIX: &str = "rt_";
/// The bytes of a session's id, of a generation, and of a MAC.
const ID: usize = 16;
const NUMBER: usize = 4;
const MAC: usize = 32;

/// Makes and reads refresh tokens. Nobody without the peppers can.
#[derive(Clone)]
pub(super) struct RefreshTokens {
    macs: DerivedMacs,
    /// Part of what is authenticated, so that the token of one service is none of another one's that shares the
    /// peppers.
    issuer: Arc<str>,
}

/// A refresh token that this service has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) session: String,
    pub(super) generation: u32,
    pub(super) digest: KeyDigest,
}

impl RefreshTokens {
    pub(super) fn new(peppers: &Peppers, issuer: &str) -> Self {
        Self { macs: peppers.derive_macs(PURPOSE), issuer: issuer.into() }
    }

    /// Returns the MACs of an id and a generation, which have a fixed length.
    fn macs(&self, signed: &[u8]) -> Vec<KeyDigest> {
        self.macs.all(&[signed, self.issuer.as_bytes()].concat()).collect()
    }

    /// Reads a token. Returns `None` for a token that this service has not made, which needs no look-up.
    pub(super) fn read(&self, token: &str) -> Option<Presented> {
        let mut bytes = Zeroizing::new([0; ID + NUMBER + MAC]);
        let length = URL_SAFE_NO_PAD.decode_slice(token.strip_prefix(PREFIX)?, &mut *bytes).ok()?;
        let (signed, mac) = bytes.get(..length)?.split_at_checked(ID + NUMBER)?;
        let mac = KeyDigest::from_bytes(mac.try_into().ok()?);
        // All are compared, so that the time does not tell which pepper it was.
        let genuine = self.macs(signed).into_iter().fold(false, |found, one| (one == mac) | found);
        let (id, number) = signed.split_at(ID);
        genuine.then(|| Presented {
            session: URL_SAFE_NO_PAD.encode(id),
            generation: number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)),
            digest: digest_of(token),
        })
    }

    /// Returns the token of a generation, and its digest; `None` only for an id that is none of [`new_id`].
    pub(super) fn mint(&self, session: &str, generation: u32) -> Option<(Secret, KeyDigest)> {
        self.candidates(session, generation)?.next()
    }

    /// Returns the token that a session has now, which may have been made under an older pepper.
    pub(super) fn current(&self, session: &Session) -> Option<Secret> {
        let mut all = self.candidates(&session.id, session.generation)?;
        all.find(|(_, digest)| *digest == session.digest).map(|(token, _)| token)
    }

    fn candidates(&self, session: &str, generation: u32) -> Option<impl Iterator<Item = (Secret, KeyDigest)>> {
        let id = URL_SAFE_NO_PAD.decode(session).ok().filter(|id| id.len() == ID)?;
        let signed = [&id[..], &generation.to_be_bytes()].concat();
        let macs = self.macs(&signed);
        Some(macs.into_iter().map(move |mac| {
            let bytes = Zeroizing::new([&signed[..], mac.as_bytes()].concat());
            let token = Secret::new(PREFIX.to_owned() + &Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes)));
            let digest = digest_of(token.expose());
            (token, digest)
        }))
    }
}

/// Returns a new id of a session.
pub(super) fn new_id() -> Result<String, ConfigError> {
    Ok(URL_SAFE_NO_PAD.encode(*random::<ID>()?))
}

fn digest_of(token: &str) -> KeyDigest {
    KeyDigest::from_bytes(sha256(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(version: u32) -> RefreshTokens {
        RefreshTokens::new(&Peppers::new(version, [7; 32]).unwrap(), "https://api.example.com")
    }

    #[test]
    fn a_token_is_read_back_and_every_change_of_it_is_refused() {
        let id = new_id().unwrap();
        for generation in [0, 1, 256, u32::MAX] {
            let (token, digest) = tokens(1).mint(&id, generation).unwrap();
            let presented = Presented { session: id.clone(), generation, digest };
            assert_eq!(tokens(1).read(token.expose()), Some(presented));
            for place in 0..token.expose().len() {
                let mut changed = token.expose().as_bytes().to_vec();
                changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
                let changed = String::from_utf8(changed).unwrap();
                assert_eq!(tokens(1).read(&changed), None, "{place}");
            }
            for end in 0..token.expose().len() {
                assert_eq!(tokens(1).read(&token.expose()[..end]), None, "{end}");
            }
            assert_eq!(tokens(1).read(&(token.expose().to_owned() + "A")), None);
        }
        let (token, _) = tokens(1).mint(&id, 1).unwrap();
        let others = RefreshTokens::new(&Peppers::new(1, [8; 32]).unwrap(), "https://api.example.com");
        assert_eq!(others.read(token.expose()), None, "another pepper");
        let others = RefreshTokens::new(&Peppers::new(1, [7; 32]).unwrap(), "https://test.example.com");
        assert_eq!(others.read(token.expose()), None, "another issuer");
    }

    #[test]
    fn a_token_of_an_older_pepper_is_read_and_found_again() {
        let id = new_id().unwrap();
        let (token, digest) = tokens(1).mint(&id, 3).unwrap();
        let peppers = Peppers::new(2, [9; 32]).unwrap().accept(1, [7; 32]).unwrap();
        let both = RefreshTokens::new(&peppers, "https://api.example.com");
        assert_eq!(both.read(token.expose()).unwrap().generation, 3);
        assert_ne!(both.mint(&id, 3).unwrap().1, digest, "new tokens are made under the current one");
        assert!(both.mint("not an id", 3).is_none());
    }
}
