//! Explains in logs why a token was refused.

use std::{error::Error, fmt};

use super::{
    error::TokenError,
    header::Header,
    key_set::KeySet,
    shown::{List, Shown},
    verifier::{Keys, TokenVerifier, Verifier, claimed_issuer},
};
use crate::{MaybeReady, Principal};

/// An error with an explanation from the token and the verifier's settings. It is only for logs.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: TokenError,
    /// The holder of the token, if its signature is valid.
    pub(crate) holder: Option<Principal>,
    told: String,
}

impl Refused {
    /// Creates the refusal of a token that verifies and is refused for another reason, such as revocation.
    pub(crate) fn of(holder: Principal, error: TokenError) -> Self {
        Self { holder: Some(holder), ..Self::from(error) }
    }

    /// Creates a refusal with an explanation of its own.
    pub(super) const fn told(error: TokenError, holder: Option<Principal>, told: String) -> Self {
        Self { error, holder, told }
    }
}

impl From<TokenError> for Refused {
    fn from(error: TokenError) -> Self {
        Self { told: error.to_string(), holder: None, error }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl TokenVerifier {
    /// Describes why [`verify`](Self::verify) refused this token, for a log: the error, the values in the token that
    /// caused it, and the values that the verifier expects.
    ///
    /// Values of the token are escaped and cut to 80 characters. Its signature is never shown. Do not send the text to
    /// a client: it says which tokens the verifier accepts.
    ///
    /// ```
    /// use tower_auth::{Clock, Secret, token::{Algorithm, TokenVerifier, VerifyingKey}};
    ///
    /// let key = VerifyingKey::hmac(Algorithm::Hs256, &Secret::new("an example of thirty-two bytes.."))?;
    /// let tokens = TokenVerifier::keys("https://id.example.com/", [key]).audience("https://api.example.com").build()?;
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// if let Err(error) = tokens.verify("not a token", &Clock::system()).await {
    ///     let why = tokens.explain("not a token", &error);
    ///     assert!(why.starts_with("the token is malformed"));
    /// }
    /// # });
    /// # Ok::<_, tower_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn explain(&self, token: &str, error: &TokenError) -> String {
        self.0.explain(token.as_bytes(), error)
    }

    /// Verifies as [`verify`](Self::verify) does, or as [`verify_fresh`](Self::verify_fresh), with an explanation in the error.
    pub(crate) fn check(
        &self,
        token: &[u8],
        clock: &crate::Clock,
        fresh: bool,
    ) -> MaybeReady<Result<super::Claims, Refused>> {
        if let Keys::Asked(asked) = &self.0.keys {
            return self.introspected(asked, token, clock, fresh);
        }
        match self.verify_bytes(token, clock).now() {
            Ok(outcome) => MaybeReady::ready(outcome.map_err(|error| self.refused(token, error))),
            Err(future) => {
                let (this, token) = (self.clone(), token.to_vec());
                MaybeReady::boxed(async move { future.await.map_err(|error| this.refused(&token, error)) })
            }
        }
    }

    fn refused(&self, token: &[u8], error: TokenError) -> Refused {
        // These checks run only after the signature was verified.
        let signed = matches!(
            error,
            TokenError::WrongIssuer
                | TokenError::WrongAudience
                | TokenError::WrongClient
                | TokenError::WrongClaim(_)
                | TokenError::WrongType
                | TokenError::WrongHeader(_)
                | TokenError::BadClaim(_)
                | TokenError::NotYetValid
                | TokenError::Expired
                | TokenError::TooOld
        );
        let holder = signed.then(|| self.holder(token)).flatten();
        Refused { told: self.0.explain(token, &error), holder, error }
    }
}

/// Creates the refusal of a token with an issuer that none of these verifiers has.
pub(crate) fn of_no_issuer(token: &[u8], verifiers: &[TokenVerifier]) -> Refused {
    let max_token_len = verifiers.iter().map(TokenVerifier::max_token_len).max().unwrap_or_default();
    let issuers: Vec<&str> = verifiers.iter().flat_map(TokenVerifier::issuers).collect();
    let told = match claimed_issuer(token, max_token_len) {
        None => format!("the token's issuer cannot be read, and the verifiers are for {}", List(&issuers)),
        Some(named) => {
            let near = issuers.iter().find(|issuer| same_but_for_slash(issuer, &named));
            near.map_or_else(
                || format!("the token's issuer is {}, and the verifiers are for {}", Shown(&named), List(&issuers)),
                |near| other_issuer(&named, &[near]),
            )
        }
    };
    Refused { error: TokenError::WrongIssuer, holder: None, told }
}

fn other_issuer(named: &str, ours: &[&str]) -> String {
    let near = ours.iter().any(|ours| same_but_for_slash(named, ours));
    let slash = if near { ": they differ in the last slash" } else { "" };
    format!("the token's issuer is {}, and the verifier expects {}{slash}", Shown(named), List(ours))
}

fn same_but_for_slash(one: &str, other: &str) -> bool {
    one.strip_suffix('/') == Some(other) || other.strip_suffix('/') == Some(one)
}

impl Verifier {
    fn explain(&self, token: &[u8], error: &TokenError) -> String {
        let ours = Shown(self.terms.issuers.first());
        if let Keys::Asked(asked) = &self.keys {
            // What the token says of itself, if it says anything, is not signed.
            return format!("{error} (asked: {}; the issuer is {ours})", asked.location());
        }
        let told = match error {
            TokenError::UnknownKey => self.unknown_key(token),
            TokenError::BadSignature => {
                let header = self.look(token).map(|(_, header)| header.into_owned());
                header.ok().map(|header| format!("{error} ({}; the issuer is {ours})", meant(&header)))
            }
            TokenError::WrongIssuer => Some(claimed_issuer(token, self.max_token_len).map_or_else(
                || format!("the token has no iss that is a string, and the verifier expects {ours}"),
                |named| self.other_issuer(&named),
            )),
            TokenError::WrongAudience => self.wrong_claims(token, error),
            TokenError::WrongType => self.other_type(token),
            TokenError::WrongHeader(name) => self.other_header(token, name),
            TokenError::Unavailable(why) => Some(format!("the keys of the issuer {ours} could not be fetched: {why}")),
            _ => self.wrong_claims(token, error).map(|told| format!("{told} (the issuer is {ours})")),
        };
        told.unwrap_or_else(|| format!("{error} (the issuer is {ours})"))
    }

    fn other_issuer(&self, named: &str) -> String {
        let ours: Vec<&str> = self.terms.issuers.names().collect();
        if self.terms.issuers.are_for(named) {
            let what = "and its tenant is not one that the verifier accepts, or the key is that of another issuer";
            return format!("the token's issuer is {}, {what}", Shown(named));
        }
        other_issuer(named, &ours)
    }

    fn unknown_key(&self, token: &[u8]) -> Option<String> {
        // If the issuer is wrong, it is the more useful explanation.
        if let Some(named) = claimed_issuer(token, self.max_token_len)
            && !self.terms.issuers.are_for(&named)
        {
            return Some(self.other_issuer(&named));
        }
        let (_, header) = self.look(token).ok()?;
        let known = match &self.keys {
            Keys::Fixed(keys) => names(keys),
            Keys::Asked(_) => "none".to_owned(),
            Keys::Fetched(keys) => keys.latest().map_or_else(|| "none".to_owned(), |keys| names(&keys)),
            Keys::Single(all) => format!("those that it has by an id, a UUID, for {}", all.algorithm),
        };
        let known = self.beside.as_ref().map_or_else(|| known.clone(), |beside| format!("{}, {known}", names(beside)));
        Some(format!(
            "no key of the issuer {} has {}; its keys: {known}",
            Shown(self.terms.issuers.first()),
            meant(&header)
        ))
    }

    /// Explains an error of the claims.
    fn wrong_claims(&self, token: &[u8], error: &TokenError) -> Option<String> {
        let (compact, _) = self.look(token).ok()?;
        self.terms.explain(&self.padding.decode(compact.claims).ok()?, error)
    }

    fn other_header(&self, token: &[u8], name: &str) -> Option<String> {
        let (compact, _) = self.look(token).ok()?;
        let bytes = self.padding.decode(compact.header).ok()?;
        let (_, ours) = self.wanted.iter().find(|(wanted, _)| **wanted == *name)?;
        Some(Header::text(&bytes, name).map_or_else(
            || format!("the token's header has no {name} that is a string, and the verifier expects {}", List(ours)),
            |found| {
                format!("the token's header has the {name} {}, and the verifier expects {}", Shown(&found), List(ours))
            },
        ))
    }

    fn other_type(&self, token: &[u8]) -> Option<String> {
        let (_, header) = self.look(token).ok()?;
        let ours = List(&self.types);
        Some(match &header.typ {
            None => format!(
                "the token has no typ, and the verifier expects {ours} (TokenVerifierBuilder::allow_missing_typ)"
            ),
            Some(typ) => {
                format!(
                    "the token's typ is {}, and the verifier expects {ours} (TokenVerifierBuilder::typ)",
                    Shown(typ)
                )
            }
        })
    }
}

/// Describes the key that a header refers to.
fn meant(header: &Header) -> String {
    let algorithm = header.algorithm;
    header.kid.as_ref().map_or_else(
        || format!("the algorithm {algorithm} (the token has no kid)"),
        |kid| format!("the kid {} and the algorithm {algorithm}", Shown(kid)),
    )
}

fn names(keys: &KeySet) -> String {
    let name = |key: &super::VerifyingKey| {
        let id = key.key_id().map_or_else(|| "no kid".to_owned(), |id| Shown(id).to_string());
        format!("{id} ({})", key.algorithm())
    };
    let (first, more) = (keys.iter().take(4).map(name).collect::<Vec<_>>().join(", "), keys.len().saturating_sub(4));
    if more == 0 { first } else { format!("{first} and {more} more") }
}
