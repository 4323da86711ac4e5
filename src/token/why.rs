//! Explains in logs which claim of a token was refused, and what was expected.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use super::{
    claims::Date,
    demands::LONG_LIFE,
    error::TokenError,
    issuers::{OTHER_SUBJECT, OTHER_TENANT},
    names::ReadInto,
    raw::{Part, Raw},
    shown::{List, Shown},
    terms::{LIMITS, NO_SUBJECT, Terms, UNREADABLE},
};
use crate::{
    base::shown,
    json::{self, JsonError},
};

/// The maximum length of the place of a claim, in bytes.
const PLACE: usize = 120;

impl Terms {
    /// Describes what a token with these claims says, and what the verifier expects. Returns `None` for errors that have
    /// no more to tell.
    pub(super) fn explain(&self, claims: &[u8], error: &TokenError) -> Option<String> {
        if let TokenError::Malformed(UNREADABLE) = error {
            return self.unreadable(claims).map(|why| format!("{error}: {why}"));
        }
        let raw = self.read(claims).ok()?;
        match error {
            TokenError::WrongAudience => Some(self.other_audience(&raw)),
            TokenError::WrongClient => self.other_client(&raw),
            TokenError::WrongClaim(_) => {
                let (place, check) = self.demands.refused(&raw)?;
                Some(check.explain(raw.found(place)))
            }
            TokenError::BadClaim(NO_SUBJECT) => {
                let names: Vec<String> = self.names.of(Part::Subject).map(|want| want.name.to_string()).collect();
                Some(format!("{error}: no string that is not empty in {}", names.join(", ")))
            }
            TokenError::BadClaim(OTHER_SUBJECT) => {
                let (subject, prefix) = (raw.subject.as_deref()?, self.issuers.subjects()?);
                Some(format!("{error}: it is {}, and the prefix is {}", Shown(subject), Shown(prefix)))
            }
            TokenError::BadClaim(OTHER_TENANT) => {
                let told = self.issuers.explain_tenant(raw.issuer.as_deref(), claims)?;
                Some(format!("{error}: {told}"))
            }
            TokenError::BadClaim(LONG_LIFE) => {
                let lifetime = raw.expires?.time().duration_since(raw.issued?.time()).ok()?;
                let most = self.demands.max_lifetime?;
                Some(format!(
                    "{error}: the token is valid for {} after its iat, the limit is {}",
                    Seconds(lifetime),
                    Seconds(most)
                ))
            }
            TokenError::TooOld => Some(self.too_old(&raw)),
            _ => None,
        }
    }

    /// Names the claim that cannot be read.
    fn unreadable(&self, claims: &[u8]) -> Option<String> {
        match json::from_slice_seed(ReadInto(&self.names, &mut Raw::default()), claims, &LIMITS).err()? {
            JsonError::Fields(fields) => {
                let field = fields.first()?;
                // The names of claims are no pointers in the settings of most services.
                let place = field.pointer().strip_prefix('/').unwrap_or_default();
                let place = place.replace("~1", "/").replace("~0", "~");
                Some(match shown::text(&place, PLACE) {
                    place if place.is_empty() => field.reason().to_owned(),
                    place => format!("{place}: {}", field.reason()),
                })
            }
            other => Some(other.to_string()),
        }
    }

    fn other_audience(&self, raw: &Raw<'_>) -> String {
        let named: Vec<&str> = raw.audience.iter().collect();
        let has = if named.is_empty() {
            "the token has no audience (aud)".to_owned()
        } else {
            format!("the token's audience is {}", List(&named))
        };
        if self.audiences.is_empty() {
            // Only a client is set, and it stands in for an audience that is missing.
            return format!("{has}, and the verifier expects none (TokenVerifierBuilder::client without audience)");
        }
        let ours = List(&self.audiences);
        match &self.demands.client {
            Some(client) if named.is_empty() => format!(
                "{has}, and the verifier expects {ours}; the client {} cannot stand in for it \
                 (TokenVerifierBuilder::audience_or_client)",
                client.name
            ),
            _ => format!("{has}, and the verifier expects {ours}"),
        }
    }

    fn other_client(&self, raw: &Raw<'_>) -> Option<String> {
        let client = self.demands.client.as_ref()?;
        let (name, ours) = (&client.name, List(&client.ids));
        Some(match &raw.named_client {
            None => format!("the token has no client in {name}, and the verifier expects {ours}"),
            Some(named) => format!("the token's client in {name} is {}, and the verifier expects {ours}", Shown(named)),
        })
    }

    fn too_old(&self, raw: &Raw<'_>) -> String {
        let mut told = TokenError::TooOld.to_string();
        let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        // Writing to a String cannot fail.
        if let Some(issued) = raw.issued.map(Date::time) {
            let _ = write!(told, ": its iat is {}", seconds(issued));
        }
        if let Some(floor) = self.demands.issued_after {
            let _ = write!(told, ", and the verifier accepts tokens from {}", seconds(floor));
        }
        if let Some(most) = self.demands.max_age {
            let _ = write!(told, ", and the verifier accepts a token for {} after its iat", Seconds(most));
        }
        told
    }
}

/// Writes a time in seconds.
struct Seconds(Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} s", self.0.as_secs())
    }
}
