//! Reads and checks a proof (RFC 9449, section 4.3). What costs nothing comes first.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{
    address::normal,
    claims::{Claims, Header},
    error::ProofError,
    replay::{Replay, UsedProof},
    settings::Dpop,
};
use crate::{
    BoxError, MaybeReady,
    base::shown,
    json::{self, JsonLimits},
    key::sha256,
    token::{Algorithm, Date, ProofKey, ProofParts},
};

/// What a proof must be for.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) method: &'a str,
    /// The path without the query, as the client has sent it.
    pub(crate) path: &'a str,
    /// The token that the request presents. A request for a token presents none, and its proof needs no `ath`.
    pub(crate) token: Option<&'a [u8]>,
    pub(crate) now: SystemTime,
}

/// A proof that is right except for its signature, and of which nobody knows yet whether it was used.
pub(crate) struct Proof {
    key: ProofKey,
    signed: Box<[u8]>,
    signature: Box<[u8]>,
    used: UsedProof,
}

/// The maximum length of a proof, in bytes. With an RSA key of 8192 bits, it has about 5000.
const LONGEST: usize = 8 * 1024;
const LONGEST_ID: usize = 256;
const LIMITS: JsonLimits = JsonLimits::new().max_depth(8);
const TYPE: &str = "dpop+jwt";
/// The maximum length of a value in a log, in bytes.
const SHOWN: usize = 160;

impl Dpop {
    /// Checks everything that needs no signature.
    pub(crate) fn read(&self, proof: &[u8], target: Target<'_>) -> Result<Proof, ProofError> {
        if proof.contains(&b',') {
            return Err(ProofError::Repeated);
        }
        let parts = ProofParts::split(proof, LONGEST).map_err(ProofError::Bad)?;
        let key = self.key(&parts.header)?;
        let claims: Claims =
            json::from_slice(&parts.claims, &LIMITS).map_err(|_| ProofError::Bad("its claims cannot be read"))?;
        let id = claims.id.as_deref().ok_or(ProofError::Bad("its jti is missing"))?;
        if id.is_empty() || id.len() > LONGEST_ID {
            return Err(ProofError::Bad("its jti is empty, or longer than 256 bytes"));
        }
        let issued = claims.issued.ok_or(ProofError::Bad("its iat is missing"))?;
        let method = claims.method.as_deref().ok_or(ProofError::Bad("its htm is missing"))?;
        if method != target.method {
            return Err(ProofError::Wrong(format!(
                "its htm is {}, and the request is a {}",
                show(method),
                target.method
            )));
        }
        self.check_address(claims.address.as_deref().ok_or(ProofError::Bad("its htu is missing"))?, target.path)?;
        if let Some(token) = target.token {
            let token_hash = claims.token_hash.as_deref().ok_or(ProofError::Bad("its ath is missing"))?;
            if token_hash != URL_SAFE_NO_PAD.encode(sha256(token)) {
                return Err(ProofError::Bad("its ath is not the hash of the token"));
            }
        }
        let until = self.check_time(&claims, issued, target.now)?;
        let used = UsedProof {
            id: sha256(&[key.thumbprint().as_bytes(), b".", id.as_bytes()].concat()),
            key: sha256(key.thumbprint().as_bytes()),
            now: target.now,
            until,
        };
        Ok(Proof { key, signed: parts.signed.into(), signature: parts.signature.into(), used })
    }

    fn key(&self, header: &[u8]) -> Result<ProofKey, ProofError> {
        let header: Header =
            json::from_slice(header, &LIMITS).map_err(|_| ProofError::Bad("its header cannot be read"))?;
        if header.extended {
            return Err(ProofError::Bad("its header has crit, b64, enc or zip"));
        }
        if header.typ.as_deref() != Some(TYPE) {
            return Err(ProofError::Bad("its typ is not dpop+jwt"));
        }
        let algorithm = header.alg.as_deref().and_then(Algorithm::from_name);
        let algorithm = algorithm.filter(|algorithm| self.algorithms.contains(algorithm));
        let algorithm = algorithm.ok_or_else(|| {
            let named = header.alg.as_deref().map_or_else(|| "missing".to_owned(), show);
            ProofError::Wrong(format!("its alg is {named}, and {} are accepted", self.algorithm_names()))
        })?;
        let jwk = header.jwk.ok_or(ProofError::Bad("its header has no jwk"))?;
        ProofKey::read(algorithm, jwk).map_err(ProofError::Bad)
    }

    fn check_address(&self, named: &str, path: &str) -> Result<(), ProofError> {
        let normal = normal(named).ok_or_else(|| {
            let why = "which is not an http or https address without a user, a query or a fragment";
            ProofError::Wrong(format!("its htu is {}, {why}", show(named)))
        })?;
        let mut asked = String::new();
        for origin in &self.origins {
            asked = origin.address(path).map_err(ProofError::Bad)?;
            if asked == normal {
                return Ok(());
            }
        }
        let asked = shown::text(&asked, SHOWN);
        Err(ProofError::Wrong(format!("its htu is {}, and the request is for {asked:?}", show(named))))
    }

    /// Returns the time until which the proof could be used.
    fn check_time(&self, claims: &Claims, issued: Date, now: SystemTime) -> Result<SystemTime, ProofError> {
        let (start, end) = (claims.not_before.map(Date::time), claims.expires.map(Date::time));
        if end.is_some_and(|end| after(end, self.leeway) <= now)
            || start.is_some_and(|start| start > after(now, self.leeway))
        {
            return Err(ProofError::Bad("its exp has passed, or its nbf has not"));
        }
        let Some(nonces) = &self.nonces else {
            let issued = issued.time();
            if issued > after(now, self.leeway) {
                let early = issued.duration_since(now).unwrap_or_default();
                return Err(ProofError::Wrong(format!("its iat is {early:?} ahead of the clock of this service")));
            }
            let until = after(issued, self.max_age.saturating_add(self.leeway));
            if until < now {
                let age = now.duration_since(issued).unwrap_or_default();
                let most = self.max_age;
                return Err(ProofError::Wrong(format!("its iat is {age:?} ago, and {most:?} are allowed")));
            }
            return Ok(until);
        };
        let nonce =
            claims.nonce.as_deref().ok_or(ProofError::Nonce("it has no nonce, and this service demands one"))?;
        let known = nonces.check(nonce, now);
        known.map(|known| known.until).ok_or(ProofError::Nonce("its nonce is too old, or not one of this service"))
    }

    /// Returns the nonce for the answer to a refused proof.
    pub(crate) fn nonce(&self, now: SystemTime) -> Option<String> {
        self.nonces.as_ref().map(|nonces| nonces.at(now))
    }

    /// Returns the nonce for the answer to an accepted proof, if that of the proof is not the newest.
    pub(crate) fn newer_nonce(&self, proof: &[u8], now: SystemTime) -> Option<String> {
        let nonces = self.nonces.as_ref()?;
        let parts = ProofParts::split(proof, LONGEST).ok()?;
        let claims: Claims = json::from_slice(&parts.claims, &LIMITS).ok()?;
        nonces.check(&claims.nonce?, now).filter(|known| known.is_old).map(|_| nonces.at(now))
    }

    /// Records the use of a proof that is right in every way.
    pub(crate) fn record(&self, proof: &Proof) -> MaybeReady<Result<Replay, BoxError>> {
        self.store.record(&proof.used)
    }
}

impl Proof {
    /// Returns whether the proof has the key of this thumbprint.
    pub(crate) fn is_of(&self, jkt: &str) -> bool {
        self.key.thumbprint() == jkt
    }

    /// Returns the thumbprint of its key (RFC 7638).
    #[cfg(feature = "strict-body")]
    pub(crate) fn thumbprint(&self) -> &str {
        self.key.thumbprint()
    }

    /// Checks the signature, which is the costly part.
    pub(crate) fn verify(&self) -> Result<(), ProofError> {
        self.key.verify(&self.signed, &self.signature).map_err(ProofError::Bad)
    }
}

fn show(text: &str) -> String {
    format!("{:?}", shown::text(text, SHOWN))
}

fn after(time: SystemTime, wait: Duration) -> SystemTime {
    time.checked_add(wait).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dpop::Replay;

    /// The request of RFC 9449, section 7.1.
    const TOKEN: &[u8] = b"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    const PROOF: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0\
                         RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAt\
                         MjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9y\
                         Zy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0\
                         NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    const MADE: u64 = 1_562_262_618;

    fn target(seconds: u64) -> Target<'static> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        Target { method: "GET", path: "/protectedresource", token: Some(TOKEN), now }
    }

    #[test]
    fn the_published_proof_is_accepted() {
        let settings = Dpop::new("https://resource.example.org");
        for seconds in [MADE - 10, MADE, MADE + 70] {
            let proof = settings.read(PROOF.as_bytes(), target(seconds)).unwrap_or_else(|error| panic!("{error}"));
            assert!(proof.is_of(JKT) && proof.verify().is_ok());
        }
        for seconds in [MADE - 11, MADE + 71] {
            assert!(matches!(settings.read(PROOF.as_bytes(), target(seconds)), Err(ProofError::Wrong(_))), "{seconds}");
        }
        let proof = settings.read(PROOF.as_bytes(), target(MADE)).unwrap_or_else(|error| panic!("{error}"));
        for expected in [Replay::New, Replay::Seen] {
            assert_eq!(settings.record(&proof).now().ok().and_then(Result::ok), Some(expected));
        }
    }

    #[test]
    fn no_bit_of_the_published_proof_can_be_changed() {
        let settings = Dpop::new("https://resource.example.org");
        for at in 0..PROOF.len() {
            let mut changed = PROOF.as_bytes().to_vec();
            for bit in 0..8 {
                changed[at] ^= 1 << bit;
                if let Ok(proof) = settings.read(&changed, target(MADE)) {
                    assert!(!proof.is_of(JKT) || proof.verify().is_err(), "byte {at}, bit {bit}");
                }
                changed[at] ^= 1 << bit;
            }
        }
    }
}
