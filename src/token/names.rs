//! The names of the claims that make a principal.

use std::{borrow::Cow, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::claims::{Lenient, Raw, Text, Texts, Unasked};

/// The name of a claim, or a JSON Pointer (RFC 6901) to a claim inside another. A pointer starts with a slash.
#[derive(Clone, Debug)]
pub(super) struct Name {
    claim: Cow<'static, str>,
    /// The part of a pointer after the first name.
    inside: Option<String>,
}

impl From<Cow<'static, str>> for Name {
    fn from(name: Cow<'static, str>) -> Self {
        let Some(pointer) = name.strip_prefix('/') else { return Self { claim: name, inside: None } };
        let (first, inside) = pointer.split_at(pointer.find('/').unwrap_or(pointer.len()));
        let claim = first.replace("~1", "/").replace("~0", "~");
        Self { claim: claim.into(), inside: (!inside.is_empty()).then(|| inside.to_owned()) }
    }
}

/// The name of the claim for each part of a principal.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) subject: Name,
    pub(super) scopes: Name,
    pub(super) roles: Option<Name>,
    pub(super) organizations: Option<Name>,
    pub(super) account: Option<Name>,
    pub(super) plan: Option<Name>,
    pub(super) key: Option<Name>,
    pub(super) limits: Option<Name>,
}

impl Default for Names {
    fn default() -> Self {
        let name = |name: &'static str| Name { claim: Cow::Borrowed(name), inside: None };
        Self {
            subject: name("sub"),
            scopes: name("scope"),
            roles: None,
            organizations: None,
            account: None,
            plan: None,
            key: None,
            limits: None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for &Names {
    type Value = Raw<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &Names {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the claims of a token")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Raw<'de>, A::Error> {
        let mut raw = Raw::default();
        while let Some(name) = members.next_key::<Text<'de>>()? {
            let name = &*name.0;
            // One claim may have two uses, for example if the subject is read from `client_id`.
            match name {
                "aud" => raw.audience = members.next_value()?,
                "exp" => raw.expires = Some(members.next_value()?),
                "nbf" => raw.not_before = Some(members.next_value()?),
                "iat" => raw.issued = Some(members.next_value()?),
                "cnf" => raw.confirmation = Some(members.next_value()?),
                "auth_time" if !self.is_asked(name) => raw.logged_in = members.next_value::<Lenient>()?.0,
                _ if self.is_read_whole(name) => self.inside(name, &members.next_value()?, &mut raw)?,
                _ if IDS.contains(&name) && !self.is_asked(name) => unasked(name, members.next_value()?, &mut raw),
                _ => self.other(name, &mut members, &mut raw)?,
            }
        }
        Ok(raw)
    }
}

impl Names {
    fn other<'de, A: MapAccess<'de>>(&self, name: &str, members: &mut A, raw: &mut Raw<'de>) -> Result<(), A::Error> {
        let is = |wanted: &Option<Name>| wanted.as_ref().is_some_and(|wanted| wanted.claim == name);
        let fixed = name == "iss" || IDS.contains(&name);
        let (subject, scopes) = (self.subject.claim == name, self.scopes.claim == name);
        if fixed || subject || is(&self.account) || is(&self.plan) || is(&self.key) {
            let Some(text) = members.next_value::<Option<Text<'de>>>()?.map(|text| text.0) else { return Ok(()) };
            let places = [
                (name == "iss", &mut raw.issuer),
                (subject, &mut raw.subject),
                (is(&self.account), &mut raw.account),
                (is(&self.plan), &mut raw.plan),
                (is(&self.key), &mut raw.key),
                (name == "jti", &mut raw.id),
                (name == "sid", &mut raw.session),
                (name == "client_id", &mut raw.client),
                (name == "acr", &mut raw.acr),
            ];
            for (_, place) in places.into_iter().filter(|(wanted, _)| *wanted) {
                *place = Some(text.clone());
            }
            let lists = [
                (scopes, &mut raw.scopes),
                (is(&self.roles), &mut raw.roles),
                (is(&self.organizations), &mut raw.organizations),
            ];
            for (_, place) in lists.into_iter().filter(|(wanted, _)| *wanted) {
                *place = Texts::One(text.clone());
            }
        } else if scopes || is(&self.roles) || is(&self.organizations) {
            let texts = members.next_value::<Texts<'de>>()?;
            if is(&self.roles) {
                raw.roles.clone_from(&texts);
            }
            if is(&self.organizations) {
                raw.organizations.clone_from(&texts);
            }
            if scopes {
                raw.scopes = texts;
            }
        } else {
            members.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    /// Returns whether a part of the principal is read from this claim.
    fn is_asked(&self, claim: &str) -> bool {
        self.all().any(|name| name.claim == claim)
    }

    fn all(&self) -> impl Iterator<Item = &Name> {
        let rest = [&self.roles, &self.organizations, &self.account, &self.plan, &self.key, &self.limits];
        [&self.subject, &self.scopes].into_iter().chain(rest.into_iter().flatten())
    }

    /// Returns whether the whole claim is read, because a part of the principal is inside it, or because it has limits,
    /// which are not a text.
    fn is_read_whole(&self, claim: &str) -> bool {
        let has_limits = self.limits.as_ref().is_some_and(|name| name.claim == claim);
        has_limits || self.all().any(|name| name.inside.is_some() && name.claim == claim)
    }

    /// Reads the parts of the principal from inside a claim. A missing inner claim is treated as a missing claim.
    fn inside<E: Error>(&self, claim: &str, value: &Value, raw: &mut Raw<'_>) -> Result<(), E> {
        let find = |name: &Name| {
            let here = name.claim == claim;
            here.then(|| value.pointer(name.inside.as_deref().unwrap_or_default()))
                .flatten()
                .filter(|found| !found.is_null())
        };
        for (name, place) in [
            (Some(&self.subject), &mut raw.subject),
            (self.account.as_ref(), &mut raw.account),
            (self.plan.as_ref(), &mut raw.plan),
            (self.key.as_ref(), &mut raw.key),
        ] {
            if let Some(found) = name.and_then(find) {
                *place = Some(text(found).ok_or_else(|| E::custom("a claim inside another is not a string"))?);
            }
        }
        if IDS.contains(&claim) {
            unasked(claim, value.into(), raw);
        }
        let wrong = || E::custom("a claim inside another is not a list of strings");
        for (name, place) in
            [(self.roles.as_ref(), &mut raw.roles), (self.organizations.as_ref(), &mut raw.organizations)]
        {
            if let Some(found) = name.and_then(find) {
                *place = texts(found).ok_or_else(wrong)?;
            }
        }
        if let Some(found) = find(&self.scopes) {
            raw.scopes = texts(found).ok_or_else(wrong)?;
        }
        if let Some(found) = self.limits.as_ref().and_then(find) {
            raw.limits = Some(found.clone());
        }
        Ok(())
    }
}

/// The ids of the token, its session and its client, and the class of the login. They are read from every token.
const IDS: [&str; 4] = ["jti", "sid", "client_id", "acr"];

/// Stores an id that no part of the principal uses. An id that is not a string is treated as missing.
fn unasked<'de>(name: &str, value: Unasked<'de>, raw: &mut Raw<'de>) {
    let (place, odd) = match name {
        "jti" => (&mut raw.id, Some("jti is not a string, and the revocation check needs it")),
        "sid" => (&mut raw.session, Some("sid is not a string, and the revocation check needs it")),
        "acr" => (&mut raw.acr, None),
        _ => (&mut raw.client, None),
    };
    match value {
        Unasked::Text(text) => *place = Some(text),
        Unasked::Other => raw.odd_id = raw.odd_id.or(odd),
        Unasked::Null => {}
    }
}

fn text<'a>(value: &Value) -> Option<Cow<'a, str>> {
    value.as_str().map(|text| Cow::Owned(text.to_owned()))
}

fn texts<'a>(value: &Value) -> Option<Texts<'a>> {
    Some(match value {
        Value::Array(elements) => Texts::Many(elements.iter().map(text).collect::<Option<_>>()?),
        one => Texts::One(text(one)?),
    })
}
