//! Which claims make a principal, and the one pass that reads them.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize as _, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::{
    claim_source::{ClaimSource, Name, Shape},
    claims::{Date, Lenient, Text, Texts, Unasked},
    raw::{Found, Part, Raw},
    shapes,
    want::{Form, Want},
};

/// All claims that a verifier reads for its principal and its checks. Claims that every token has are not here.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    wants: Vec<Want>,
}

/// How a claim is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Use {
    None,
    Streamed,
    Whole,
}

impl Names {
    /// Adds a use of a claim. Returns whether the same part has another use of the same claim.
    pub(super) fn add(&mut self, part: Part, name: Name, source: &ClaimSource) -> bool {
        let twice = self.of(part).any(|want| want.name == name);
        let rank = self.of(part).count();
        let plain = source.is_plain();
        // The scopes of a string have spaces between them.
        let shape = if part == Part::Scopes && source.shape == Shape::Usual { Shape::Spaces } else { source.shape };
        let form = Form { shape, ignores: source.ignores, prefix: source.prefix.clone(), plain };
        self.wants.push(Want { part, rank, name, form });
        twice
    }

    /// Adds the claims that have a default.
    pub(super) fn complete(mut self) -> Self {
        for (part, name) in [(Part::Subject, "sub"), (Part::Scopes, "scope")] {
            if self.of(part).next().is_none() {
                self.add(part, Name::plain(name), &ClaimSource::new(name));
            }
        }
        self
    }

    /// Returns the claims of a part in their order.
    pub(super) fn of(&self, part: Part) -> impl Iterator<Item = &Want> {
        self.wants.iter().filter(move |want| want.part == part)
    }

    fn named<'a>(&'a self, claim: &str) -> impl Iterator<Item = &'a Want> {
        self.wants.iter().filter(move |want| want.name.claim == claim)
    }

    fn usage(&self, claim: &str) -> Use {
        let usage = |want: &Want| if want.is_streamed() { Use::Streamed } else { Use::Whole };
        self.named(claim).map(usage).max().unwrap_or(Use::None)
    }
}

/// Reads claims into a place of the caller. The claims are large, and every layer of the reader would move them.
pub(super) struct ReadInto<'a, 'de>(pub(super) &'a Names, pub(super) &'a mut Raw<'de>);

impl<'de> DeserializeSeed<'de> for ReadInto<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ReadInto<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Self(names, raw) = self;
        while let Some(name) = members.next_key::<Text<'de>>()? {
            let name = &*name.0;
            match name {
                "aud" => raw.audience = members.next_value()?,
                "exp" => raw.expires = Some(members.next_value()?),
                "nbf" => raw.not_before = Some(members.next_value()?),
                "iat" => raw.issued = Some(members.next_value()?),
                "cnf" => raw.confirmation = Some(members.next_value()?),
                _ => match names.usage(name) {
                    Use::Whole => names.inside(name, &members.next_value()?, raw)?,
                    Use::Streamed => names.streamed(name, &mut members, raw)?,
                    Use::None => unasked(name, &mut members, raw)?,
                },
            }
        }
        Ok(())
    }
}

/// The claims that a setting cannot name: the verifier reads them itself, and they are no texts.
pub(super) const RESERVED: [&str; 5] = ["aud", "exp", "nbf", "iat", "cnf"];

impl Names {
    /// Reads a claim whose uses all take it as it is. One claim may have several uses, for example if the subject is
    /// read from `client_id`.
    fn streamed<'de, A: MapAccess<'de>>(
        &self,
        name: &str,
        members: &mut A,
        raw: &mut Raw<'de>,
    ) -> Result<(), A::Error> {
        let is_text = name == "iss" || IDS.contains(&name) || self.named(name).any(|want| !want.part.is_list());
        if is_text {
            let Some(Text(text)) = members.next_value::<Option<Text<'de>>>()? else { return Ok(()) };
            for want in self.named(name) {
                if want.part.is_list() {
                    raw.put_list(want.part, want.rank, Texts::One(text.clone()));
                } else {
                    raw.put_text(want.part, want.rank, text.clone());
                }
            }
            match id(name, raw) {
                Some((place, _)) => *place = Some(text),
                None if name == "iss" => raw.issuer = Some(text),
                None => {}
            }
        } else {
            let texts = members.next_value::<Texts<'de>>()?;
            let mut wants = self.named(name).peekable();
            while let Some(want) = wants.next() {
                if wants.peek().is_none() {
                    raw.put_list(want.part, want.rank, texts);
                    break;
                }
                raw.put_list(want.part, want.rank, texts.clone());
            }
        }
        Ok(())
    }

    /// Reads a claim from memory. A missing inner claim is treated as a missing claim.
    fn inside<E: Error>(&self, claim: &str, value: &Value, raw: &mut Raw<'_>) -> Result<(), E> {
        for want in self.named(claim) {
            let way = want.name.inside.as_deref().unwrap_or_default();
            let Some(found) = value.pointer(way).filter(|found| !found.is_null()) else {
                if let (Part::Check(place), Some(kind)) = (want.part, barrier(value, way)) {
                    raw.found.push((place, Found::Behind(kind)));
                }
                continue;
            };
            match want.part {
                Part::Limits => raw.limits = Some(found.clone()),
                Part::Check(place) => raw.found.push((place, Found::Value(found.clone()))),
                part if part.is_list() => raw.put_list(part, want.rank, Texts::Many(shapes::list(want, found)?)),
                part => {
                    if let Some(text) = shapes::text(want, found)? {
                        raw.put_text(part, want.rank, text.into());
                    }
                }
            }
        }
        match claim {
            "iss" => raw.issuer = value.as_str().map(|issuer| issuer.to_owned().into()),
            "auth_time" => raw.logged_in = Date::deserialize(value).ok(),
            _ => store_id(claim, value.into(), raw),
        }
        Ok(())
    }
}

/// Returns the type of the value at which a pointer ends too early: one that is neither an object nor `null`. A list is no
/// barrier if the pointer names a place in it.
fn barrier(value: &Value, way: &str) -> Option<&'static str> {
    let mut at = value;
    for step in way.split('/').skip(1) {
        let is_place = !step.is_empty() && step.bytes().all(|byte| byte.is_ascii_digit());
        match at {
            Value::Object(_) => {}
            Value::Array(_) if is_place => {}
            Value::Null => return None,
            other => return Some(shapes::kind(other)),
        }
        at = at.pointer(&format!("/{step}"))?;
    }
    None
}

/// Reads a claim that no setting names.
fn unasked<'de, A: MapAccess<'de>>(name: &str, members: &mut A, raw: &mut Raw<'de>) -> Result<(), A::Error> {
    match name {
        "iss" => raw.issuer = members.next_value::<Option<Text<'de>>>()?.map(|text| text.0),
        "auth_time" => raw.logged_in = members.next_value::<Lenient>()?.0,
        _ if IDS.contains(&name) => store_id(name, members.next_value()?, raw),
        _ => drop(members.next_value::<IgnoredAny>()?),
    }
    Ok(())
}

/// The ids of the token, its session and its client, and the class of the login. They are read from every token.
const IDS: [&str; 4] = ["jti", "sid", "client_id", "acr"];

/// The place of an id, and why a revocation check refuses a token in which it is not a string.
fn id<'a, 'de>(name: &str, raw: &'a mut Raw<'de>) -> Option<(&'a mut Option<Cow<'de, str>>, Option<&'static str>)> {
    Some(match name {
        "jti" => (&mut raw.id, Some("jti is not a string, and the revocation check needs it")),
        "sid" => (&mut raw.session, Some("sid is not a string, and the revocation check needs it")),
        "acr" => (&mut raw.acr, None),
        "client_id" => (&mut raw.client, None),
        _ => return None,
    })
}

/// Stores an id that no part of the principal uses. An id that is not a string is treated as missing.
fn store_id<'de>(name: &str, value: Unasked<'de>, raw: &mut Raw<'de>) {
    let Some((place, odd)) = id(name, raw) else { return };
    match value {
        Unasked::Text(text) => *place = Some(text),
        Unasked::Other => raw.odd_id = raw.odd_id.or(odd),
        Unasked::Null => {}
    }
}
