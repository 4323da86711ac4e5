//! Claims that are read, and not yet checked.

use std::{borrow::Cow, collections::HashSet};

use serde_json::Value;

use super::claims::{Date, Texts};

/// What a claim is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Subject,
    Scopes,
    Roles,
    Organizations,
    Account,
    Plan,
    Key,
    Limits,
    /// The client that is compared with those of the verifier.
    Client,
    /// The check with this number.
    Check(usize),
}

impl Part {
    pub(super) const fn is_list(self) -> bool {
        matches!(self, Self::Scopes | Self::Roles | Self::Organizations)
    }
}

/// Parsed claims that are not verified yet.
#[derive(Default)]
pub(super) struct Raw<'de> {
    pub(super) issuer: Option<Cow<'de, str>>,
    pub(super) audience: Texts<'de>,
    pub(super) expires: Option<Date>,
    pub(super) not_before: Option<Date>,
    pub(super) issued: Option<Date>,
    pub(super) id: Option<Cow<'de, str>>,
    pub(super) session: Option<Cow<'de, str>>,
    pub(super) odd_id: Option<&'static str>,
    /// The claim `client_id`.
    pub(super) client: Option<Cow<'de, str>>,
    /// The claim that the verifier compares with its clients.
    pub(super) named_client: Option<Cow<'de, str>>,
    pub(super) subject: Option<Cow<'de, str>>,
    /// The place of the claim that is the subject, among those that may be.
    subject_rank: usize,
    pub(super) scopes: Texts<'de>,
    pub(super) roles: Texts<'de>,
    pub(super) organizations: Texts<'de>,
    /// Further claims of the three lists: the part, the place among its claims, and the values.
    more: Vec<(Part, usize, Texts<'de>)>,
    pub(super) account: Option<Cow<'de, str>>,
    pub(super) plan: Option<Cow<'de, str>>,
    pub(super) key: Option<Cow<'de, str>>,
    pub(super) limits: Option<Value>,
    /// The key or certificate to which the token is bound (RFC 7800, section 3.1).
    pub(super) confirmation: Option<Value>,
    pub(super) acr: Option<Cow<'de, str>>,
    pub(super) logged_in: Option<Date>,
    /// The values of the claims that are checked, with the number of the check.
    pub(super) found: Vec<(usize, Found)>,
}

/// What stands at the place of a claim that is checked.
pub(super) enum Found {
    Value(Value),
    /// The claim cannot be read, because a claim around it is of this type and no object.
    Behind(&'static str),
}

impl<'de> Raw<'de> {
    pub(super) fn put_text(&mut self, part: Part, rank: usize, text: Cow<'de, str>) {
        match part {
            // An empty subject names nobody, so the next claim may.
            Part::Subject if text.trim().is_empty() => {}
            Part::Subject => {
                if self.subject.is_none() || rank < self.subject_rank {
                    (self.subject, self.subject_rank) = (Some(text), rank);
                }
            }
            Part::Account => self.account = Some(text),
            Part::Plan => self.plan = Some(text),
            Part::Key => self.key = Some(text),
            Part::Client => self.named_client = Some(text),
            Part::Scopes | Part::Roles | Part::Organizations | Part::Limits | Part::Check(_) => {}
        }
    }

    pub(super) fn put_list(&mut self, part: Part, rank: usize, texts: Texts<'de>) {
        match (part, rank) {
            (Part::Scopes, 0) => self.scopes = texts,
            (Part::Roles, 0) => self.roles = texts,
            (Part::Organizations, 0) => self.organizations = texts,
            _ => self.more.push((part, rank, texts)),
        }
    }

    /// Returns what the token has at the place that this check is about, if it is not missing or `null`.
    pub(super) fn found(&self, check: usize) -> Option<&Found> {
        self.found.iter().find(|(of, _)| *of == check).map(|(_, found)| found)
    }

    /// Returns the values of all claims of a list, in the order of the settings and each once, if it has more than one
    /// claim.
    pub(super) fn merged(&self, part: Part) -> Option<Vec<&str>> {
        let mut more: Vec<_> = self.more.iter().filter(|(of, ..)| *of == part).collect();
        if more.is_empty() {
            return None;
        }
        more.sort_unstable_by_key(|(_, rank, _)| *rank);
        let first = match part {
            Part::Scopes => &self.scopes,
            Part::Roles => &self.roles,
            _ => &self.organizations,
        };
        let (mut seen, mut all) = (HashSet::new(), Vec::new());
        for texts in [first].into_iter().chain(more.into_iter().map(|(.., texts)| texts)) {
            if part == Part::Scopes {
                all.extend(texts.words().filter(|word| seen.insert(*word)));
            } else {
                all.extend(texts.iter().filter(|text| seen.insert(*text)));
            }
        }
        Some(all)
    }
}
