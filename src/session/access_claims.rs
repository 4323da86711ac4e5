//! The claims of an access token (RFC 9068, section 2.2).

use std::time::{Duration, SystemTime};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;

use super::Grant;
use crate::limit::Limits;

/// What one token is issued for.
pub(super) struct Asked<'a> {
    pub(super) grant: &'a Grant,
    pub(super) scopes: &'a [String],
    pub(super) session: Option<&'a str>,
    pub(super) audience: Option<&'a str>,
    /// The thumbprint of the key that the token is bound to.
    pub(super) proof_key: Option<&'a str>,
    pub(super) lifetime: Duration,
    /// The token is issued in a later second than this.
    pub(super) after: Option<SystemTime>,
    /// The token expires at this time at the latest.
    pub(super) end: Option<SystemTime>,
}

pub(super) struct AccessClaims<'a> {
    pub(super) issuer: &'a str,
    pub(super) audiences: &'a [&'a str],
    /// Seconds since 1970.
    pub(super) issued: u64,
    pub(super) expires: u64,
    pub(super) id: String,
    pub(super) separate_limits: bool,
    pub(super) asked: &'a Asked<'a>,
}

impl Serialize for AccessClaims<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (grant, holder) = (self.asked.grant, self.asked.grant.holder());
        let mut claims = serializer.serialize_map(None)?;
        claims.serialize_entry("iss", self.issuer)?;
        claims.serialize_entry("sub", holder.subject())?;
        match self.audiences {
            [one] => claims.serialize_entry("aud", one)?,
            all => claims.serialize_entry("aud", all)?,
        }
        claims.serialize_entry("client_id", grant.client_id().unwrap_or(self.issuer))?;
        claims.serialize_entry("iat", &self.issued)?;
        claims.serialize_entry("exp", &self.expires)?;
        claims.serialize_entry("jti", &self.id)?;
        claims.serialize_entry("scope", &self.asked.scopes.join(" "))?;
        self.optional(&mut claims)?;
        claims.end()
    }
}

impl AccessClaims<'_> {
    /// Writes the claims that not every token has.
    fn optional<M: SerializeMap>(&self, claims: &mut M) -> Result<(), M::Error> {
        let (grant, holder) = (self.asked.grant, self.asked.grant.holder());
        let bucket =
            grant.first_key().map(|key| if self.separate_limits { format!("{key} tokens") } else { key.to_owned() });
        let texts = [
            ("sid", self.asked.session),
            ("account", holder.account()),
            ("plan", holder.plan()),
            ("key", bucket.as_deref()),
        ];
        for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
            claims.serialize_entry(name, text)?;
        }
        for (name, list) in [("organizations", holder.organizations()), ("roles", holder.roles())] {
            if !list.is_empty() {
                claims.serialize_entry(name, list)?;
            }
        }
        if let Some(limits) = holder.limits() {
            claims.serialize_entry("limits", &Limits::to_json(limits))?;
        }
        if let Some(key) = self.asked.proof_key {
            claims.serialize_entry("cnf", &json!({ "jkt": key }))?;
        }
        if let Some(actor) = grant.actor() {
            claims.serialize_entry("act", &json!({ "sub": actor }))?;
        }
        Ok(())
    }
}
