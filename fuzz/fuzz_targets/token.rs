//! Verifies any header and any claims with a good signature, and compares the verdict with a second reader that uses `serde_json`.
//! Also verifies any bytes as a token.
//!
//! The input is a header, an empty line and claims. Without an empty line it is the claims, with the usual header.
#![no_main]

#[path = "parts/second_reader.rs"]
mod second_reader;
#[path = "parts/sign.rs"]
mod sign;
#[path = "parts/strict.rs"]
mod strict;

use std::{
    pin::pin,
    sync::LazyLock,
    task::{Context, Poll, Waker},
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_auth::{
    Clock, Secret, TokenVerifier,
    token::{Algorithm, VerifyingKey},
};

use self::{
    second_reader::{Fault, ISSUER, NOW, Reading, Settings},
    sign::sign,
};

const USUAL: &[u8] = br#"{"alg":"HS256","typ":"at+jwt"}"#;

const PLAIN: Settings = Settings {
    audiences: &["a"],
    types: &["at+jwt"],
    missing_type: false,
    leeway: Duration::ZERO,
    longest: 8 * 1024,
    subject: "sub",
    scopes: "scope",
    roles: None,
    organizations: None,
    account: None,
    plan: None,
    profile: false,
    own: false,
    keys: &[(None, Algorithm::Hs256)],
    signers: &[0],
};

const WIDE: Settings = Settings {
    audiences: &["a", "b"],
    types: &["at+jwt", "jwt"],
    missing_type: true,
    leeway: Duration::from_secs(60),
    longest: 512,
    subject: "client_id",
    scopes: "scp",
    roles: Some("roles"),
    organizations: Some("orgs"),
    account: Some("client_id"),
    plan: Some("plan"),
    own: true,
    keys: &[
        (Some("1"), Algorithm::Hs256),
        (Some("1"), Algorithm::Hs256),
        (None, Algorithm::Hs512),
        (Some("3"), Algorithm::Hs256),
        (Some("4"), Algorithm::Hs256),
        // Used only if a token names its `kid`: four keys of the same algorithm stand before it.
        (Some("5"), Algorithm::Hs256),
    ],
    signers: &[1, 2, 5],
    ..PLAIN
};

const PROFILE: Settings = Settings { profile: true, leeway: Duration::from_secs(1), ..PLAIN };

/// The settings and keys of a verifier.
struct Tried {
    settings: Settings,
    keys: Vec<VerifyingKey>,
}

static TRIED: LazyLock<[Tried; 3]> = LazyLock::new(|| {
    [PLAIN, WIDE, PROFILE].map(|settings| {
        let keys = settings.keys.iter().enumerate().map(|(place, (id, algorithm))| {
            let key = VerifyingKey::hmac(*algorithm, &Secret::new(secret(place))).unwrap();
            if let Some(id) = id { key.id(id) } else { key }
        });
        Tried { keys: keys.collect(), settings }
    })
});

fn secret(place: usize) -> String {
    format!("{place}: a secret of the fuzzer and of nobody else, of 64 bytes ======")
}

impl Tried {
    fn verifier(&self, cache: bool) -> TokenVerifier {
        let Settings { audiences, types, leeway, longest, subject, scopes, .. } = self.settings;
        let mut builder = TokenVerifier::keys(ISSUER, self.keys.iter().cloned())
            .typ(types.iter().copied())
            .leeway(leeway)
            .max_token_len(longest)
            .subject_from(subject)
            .scopes_from(scopes);
        for audience in audiences {
            builder = builder.audience(*audience);
        }
        let Settings { missing_type, roles, organizations, account, plan, profile, own, .. } = self.settings;
        builder = if missing_type { builder.allow_missing_typ() } else { builder };
        builder = if let Some(claim) = roles { builder.roles_from(claim) } else { builder };
        builder = if let Some(claim) = organizations { builder.organizations_from(claim) } else { builder };
        builder = if let Some(claim) = account { builder.account_from(claim) } else { builder };
        builder = if let Some(claim) = plan { builder.plan_from(claim) } else { builder };
        builder = if profile { builder.rfc9068() } else { builder };
        builder = if own { builder.claims::<Value>() } else { builder };
        builder = if cache { builder.cache(4) } else { builder };
        builder.build().unwrap()
    }

    /// Signs a token of these bytes with this key.
    fn seal(&self, header: &[u8], claims: &[u8], signer: usize) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let (_, algorithm) = self.settings.keys[signer];
        let signature = sign(algorithm, secret(signer).as_bytes(), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Verifies a token, and asserts that the second reader has the same verdict.
    fn compare(&self, header: &[u8], claims: &[u8], signer: usize) -> Result<Reading, Fault> {
        let token = self.seal(header, claims, signer);
        let expected = match self.settings.longest {
            longest if token.len() > longest => Err(Fault::Malformed),
            _ => self.settings.judge(header, claims, Some(signer)),
        };
        let verdict = verify(&self.verifier(false), &token, NOW);
        assert_eq!(verdict, expected);
        verdict
    }

    /// Asserts that the verdict is the same from the same verifier and from one with a cache, and correct around the times of the
    /// token. Asserts that a broken copy of the token is refused.
    fn repeat(
        &self,
        header: &[u8],
        claims: &[u8],
        signer: usize,
        verdict: &Result<Reading, Fault>,
        chance: &mut Chance,
    ) {
        let token = self.seal(header, claims, signer);
        let fresh = self.verifier(false);
        // A verifier with a cache, which has verified another token with the usual header.
        let cached = self.verifier(true);
        let good = br#"{"iss":"i","aud":"a","sub":"s","client_id":"c","jti":"j","iat":0,"exp":1700000001}"#;
        assert!(verify(&cached, &self.seal(USUAL, good, 0), NOW).is_ok(), "the known good token is refused");
        for verifier in [&fresh, &fresh, &cached, &cached] {
            assert_eq!(verify(verifier, &token, NOW), *verdict, "the verdict differs");
        }
        if let Ok(reading) = &verdict {
            // This verifier first sees the token at a time when it is not valid, so the cache does not hold it.
            let late = self.verifier(true);
            for now in self.moments(reading) {
                let expected = self.settings.in_time(reading, now).map(|()| reading);
                for verifier in [&fresh, &cached, &late] {
                    assert_eq!(verify(verifier, &token, now).as_ref().map_err(|fault| *fault), expected, "at {now:?}");
                }
            }
        }
        let broken = broken(&token, chance);
        for verifier in [&fresh, &cached] {
            let refused = verify(verifier, &broken, NOW).expect_err("a broken token is accepted");
            assert!(refused.is_unsigned(), "{refused:?} reveals the content of a token with a bad signature");
        }
        assert_eq!(verify(&cached, &token, NOW), *verdict, "a broken token changes the verdict on the original");
    }

    /// Returns times just before and at `nbf` and `exp`, with leeway.
    fn moments(&self, reading: &Reading) -> Vec<Duration> {
        let Settings { leeway, .. } = self.settings;
        let nanosecond = Duration::from_nanos(1);
        let start = reading.not_before.unwrap_or_default();
        let start = start.saturating_sub(leeway);
        let end = reading.expires + leeway;
        vec![start.saturating_sub(nanosecond), start, end.saturating_sub(nanosecond), end]
    }
}

/// Returns the output of a future that must be ready.
fn wait<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the future is pending, although it has nothing to wait for"),
    }
}

fn verify(verifier: &TokenVerifier, token: &str, now: Duration) -> Result<Reading, Fault> {
    let clock = Clock::from_fn(move || SystemTime::UNIX_EPOCH + now);
    match wait(verifier.verify_bound(token, &clock)) {
        Ok(claims) => {
            // A token that is bound is no plain token.
            let plain = wait(verifier.verify(token, &clock));
            assert_eq!(plain.is_err(), claims.confirmation().is_some());
            Ok(Reading::of(&claims))
        }
        Err(error) => {
            let told = format!("{error} {error:?}");
            assert!(told.len() < 200, "{told}");
            for part in token.split('.').chain([token]).filter(|part| part.len() > 24 && !part.contains(' ')) {
                assert!(!told.contains(part), "{told}");
            }
            Err(Fault::of(&error))
        }
    }
}

/// Pseudo-random numbers that depend on the input only.
struct Chance(u32);

impl Chance {
    fn new(bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)))
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as usize % end
    }
}

/// Returns the token with one change that makes it invalid.
fn broken(token: &str, chance: &mut Chance) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    match chance.below(10) {
        // Flip one bit of the signature.
        0..4 => {
            let bit = chance.below(bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        // Flip one bit of the signed part.
        4..6 => {
            let mut signed = signed.as_bytes().to_vec();
            let at = chance.below(signed.len());
            match ALPHABET.iter().position(|known| *known == signed[at]) {
                Some(place) => signed[at] = ALPHABET[place ^ (1 << chance.below(6))],
                None => signed[at] ^= 1,
            }
            return format!("{}.{signature}", str::from_utf8(&signed).unwrap());
        }
        // Change the last character of the signature in bits that decoding ignores.
        6 => {
            let (last, before) = signature.as_bytes().split_last().unwrap();
            let place = ALPHABET.iter().position(|known| known == last).unwrap();
            return format!("{signed}.{}{}", str::from_utf8(before).unwrap(), char::from(ALPHABET[place ^ 1]));
        }
        7 => bytes.truncate(chance.below(bytes.len())),
        8 => bytes.push(0),
        _ => return format!("{token}{}", ["=", ".", " ", "A", "\n"][chance.below(5)]),
    }
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

fuzz_target!(|bytes: &[u8]| {
    let empty_line = bytes.windows(2).position(|two| two == b"\n\n");
    let (header, claims) = empty_line.map_or((USUAL, bytes), |at| (&bytes[..at], &bytes[at + 2..]));
    let mut chance = Chance::new(bytes);
    for tried in &*TRIED {
        let repeated = chance.below(tried.settings.signers.len());
        for (place, signer) in tried.settings.signers.iter().enumerate() {
            let verdict = tried.compare(header, claims, *signer);
            // Slow checks run for every good token, and for one bad token in four.
            if place == repeated && (verdict.is_ok() || chance.below(4) == 0) {
                tried.repeat(header, claims, *signer, &verdict, &mut chance);
            }
        }
        if let Ok(token) = str::from_utf8(bytes) {
            let refused = verify(&tried.verifier(false), token, NOW).expect_err("an unsigned input is accepted");
            assert!(refused.is_unsigned(), "{refused:?}");
        }
    }
});
