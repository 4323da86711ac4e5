//! Which of several verifiers a token is for.

use super::verifier::{TokenVerifier, claimed};

/// Returns the verifier for the token's issuer, or that for tokens without one, or else the one that asks an introspector. The
/// unverified claim can only select a configured verifier.
#[inline]
pub(crate) fn select<'a>(all: &'a [TokenVerifier], token: &[u8]) -> Option<&'a TokenVerifier> {
    if let [only] = all {
        return Some(only);
    }
    let max_token_len = all.iter().map(TokenVerifier::max_token_len).max().unwrap_or_default();
    // Claims that cannot be read have no `iss` either, and are for no verifier with keys.
    let signed = claimed(token, max_token_len).ok().and_then(|issuer| match issuer.as_deref() {
        Some(named) => of_issuer(all, named),
        None => all.iter().find(|verifier| !verifier.introspects() && verifier.0.terms.issuers.subjects().is_some()),
    });
    signed.or_else(|| all.iter().find(|verifier| verifier.introspects()))
}

/// Returns the verifier with keys for tokens with this `iss`.
fn of_issuer<'a>(all: &'a [TokenVerifier], issuer: &str) -> Option<&'a TokenVerifier> {
    let issuers = |verifier: &'a TokenVerifier| &verifier.0.terms.issuers;
    let mut able = all.iter().filter(|verifier| !verifier.introspects() && issuers(verifier).are_for(issuer));
    // If the tenant is on no list, the first verifier says so.
    let first = able.next()?;
    if issuers(first).list(issuer) {
        Some(first)
    } else {
        able.find(|other| issuers(other).list(issuer)).or(Some(first))
    }
}

/// Says why one layer cannot have both verifiers, and what to do: a token could be for both.
pub(crate) fn clash(one: &TokenVerifier, other: &TokenVerifier) -> Option<(String, &'static str)> {
    if one.introspects() != other.introspects() {
        return None;
    }
    let (ours, theirs) = (&one.0.terms.issuers, &other.0.terms.issuers);
    if let Some(issuer) = ours.shared_with(theirs) {
        let what = format!("the BearerLayer has two verifiers for the issuer {issuer:?}");
        return Some((what, "use one verifier with all keys and audiences of the issuer"));
    }
    ours.subjects().and(theirs.subjects()).map(|_| {
        let names = [other, one].map(TokenVerifier::issuer);
        let what = format!(
            "the BearerLayer has two verifiers for tokens without iss, those of {:?} and {:?}",
            names[0], names[1]
        );
        (what, "use one, or an AuthLayer with one BearerLayer and one header for each")
    })
}
