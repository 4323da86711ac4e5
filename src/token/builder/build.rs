//! Checks the settings, and builds the verifier.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::settings::{From, TokenVerifierBuilder};
use crate::{
    ConfigError,
    token::{
        asked::Asked,
        cache::Cache,
        directory::Directory,
        issuers::Issuers,
        key_set::KeySet,
        keys::Fetched,
        terms::Terms,
        verifier::{Keys, TokenVerifier, Verifier},
    },
};

const MOST_LEEWAY: Duration = Duration::from_secs(60);

impl TokenVerifierBuilder {
    /// Builds the verifier.
    ///
    /// # Errors
    /// - The issuer, type or key is missing.
    /// - There is neither an audience nor a client, or the settings of audiences and clients contradict each other.
    /// - The issuer is the URL of the issuer's metadata, or occurs twice.
    /// - The issuer is a template and there are no [`tenants`](Self::tenants), or the other way round.
    /// - The prefix of [`issuer_by_keys_alone`](Self::issuer_by_keys_alone) does not end with a separator, or there are tenants or an
    ///   introspector beside it.
    /// - The keys belong to another issuer, or the source is misconfigured.
    /// - Two of [`pem_map`](Self::pem_map), [`spiffe_bundle`](Self::spiffe_bundle) and
    ///   [`secret_keys_from_source`](Self::secret_keys_from_source) are set for the document of one source.
    /// - The leeway is over 60 seconds.
    /// - A claim name is invalid, a claim is read twice for the same purpose, or [`claims`](Self::claims) was called twice.
    /// - A required or forbidden claim is given no value, or a limit of age or lifetime is zero.
    /// - The cache has zero tokens.
    /// - The introspector is misconfigured, a setting of introspection has none, or a setting of signed tokens has one.
    pub fn build(self) -> Result<TokenVerifier, ConfigError> {
        self.fault.clone().map_or(Ok(()), Err)?;
        let wrong = |what: &'static str, help: &'static str| Err(ConfigError::new(what, help));
        self.check_recipient()?;
        self.check_demands()?;
        let asking = self.asking()?;
        if self.subjects.is_some() && matches!(self.keys, From::Introspector(_)) {
            return wrong(
                "the TokenVerifier introspects tokens, so no keys say whose they are",
                "remove .issuer_by_keys_alone(..): the answer of an introspector needs no iss",
            );
        }
        let issuers = Issuers::new(self.issuer, self.more_issuers, self.tenants, self.subjects)?;
        if self.types.iter().all(String::is_empty) && !self.missing_type {
            return wrong("the TokenVerifier accepts no type of token", "call .typ([\"at+jwt\"])");
        }
        if self.leeway > MOST_LEEWAY {
            return wrong(
                "the TokenVerifier's leeway is over 60 seconds",
                "synchronise the clocks and use a smaller leeway",
            );
        }
        if self.cache == Some(0) {
            return wrong(
                "the TokenVerifier's cache has a size of zero",
                "remove .cache(..), or set a size such as 1000",
            );
        }
        let mut beside = None;
        let keys = match self.keys {
            From::Introspector(introspector) => Keys::Asked(Asked::new(introspector, asking)),
            From::Fixed(keys) if keys.is_empty() && self.also_keys.is_empty() => {
                return wrong("the TokenVerifier has no key", "pass the issuer's public keys");
            }
            From::Fixed(keys) if self.also_keys.is_empty() => Keys::Fixed(keys),
            From::Fixed(keys) => Keys::Fixed(keys.iter().cloned().chain(self.also_keys).collect()),
            From::Lookup(algorithm, _) if algorithm.is_hmac() => {
                return wrong(
                    "keys in PEM are public, and an HMAC algorithm needs a secret",
                    "use the issuer's algorithm",
                );
            }
            From::Lookup(algorithm, lookup) => {
                lookup.check_config()?;
                if !self.also_keys.is_empty() {
                    beside = Some(self.also_keys.into_iter().collect());
                }
                Keys::Single(Directory::new(lookup, Arc::clone(issuers.first()), algorithm, self.pace))
            }
            From::Source(source) => {
                source.check_config()?;
                if let Some(other) = source.issuer().filter(|known| issuers.names().all(|ours| ours != *known)) {
                    let issuer = issuers.first();
                    return Err(ConfigError::new(
                        format!("the TokenVerifier is for tokens of {issuer:?}, and its keys are those of {other:?}"),
                        "use the same issuer in both places: the exact value of iss in the tokens",
                    ));
                }
                if !self.also_keys.is_empty() {
                    beside = Some(self.also_keys.into_iter().collect());
                }
                if self.secrets && source.is_published() {
                    return wrong(
                        "the TokenVerifier takes secrets from a source, and the document of the source is published",
                        "remove .secret_keys_from_source(), or give the secret to .also_keys(..)",
                    );
                }
                check_form(self.pem_map.is_some(), self.spiffe, self.secrets)?;
                let (rsa, pem_map, secrets, spiffe) = (self.rsa, self.pem_map, self.secrets, self.spiffe);
                let read = Arc::new(move |document: &[u8]| match pem_map {
                    Some(algorithm) => KeySet::read_pem_map(algorithm, document),
                    None if spiffe => KeySet::spiffe(document, rsa),
                    None if secrets => KeySet::private(document, rsa),
                    None => KeySet::published(document, rsa),
                });
                Keys::Fetched(Fetched::new(source, Arc::clone(issuers.first()), self.pace, read))
            }
        };
        Ok(TokenVerifier(Arc::new(Verifier {
            terms: Terms {
                issuers,
                audiences: self.audiences,
                leeway: self.leeway,
                names: self.names.complete(),
                required: self.required,
                demands: self.demands,
                extra: self.extra,
                ignores_binding: self.ignores_binding,
            },
            types: self.types,
            missing_type: self.missing_type,
            max_token_len: self.max_token_len,
            padding: self.padding,
            wanted: self.wanted,
            keys,
            beside,
            secrets: self.secrets,
            cache: self.cache.map(Cache::new),
            usual: OnceLock::new(),
        })))
    }
}

/// Rejects two settings of which each says how the one document of a source is read.
fn check_form(pem_map: bool, spiffe: bool, secrets: bool) -> Result<(), ConfigError> {
    let forms = [("pem_map", pem_map), ("spiffe_bundle", spiffe), ("secret_keys_from_source", secrets)];
    let mut forms = forms.into_iter().filter_map(|(name, is_set)| is_set.then_some(name));
    let (Some(one), Some(other)) = (forms.next(), forms.next()) else { return Ok(()) };
    Err(ConfigError::new(
        format!(
            "TokenVerifierBuilder::{one} and TokenVerifierBuilder::{other} were both called, and the source has one document, of \
             one kind"
        ),
        "keep the call that fits the document of the source, and remove the other",
    ))
}
