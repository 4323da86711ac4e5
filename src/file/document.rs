//! The tables of the file, as serde reads them. An unknown field is an error.

use std::collections::BTreeMap;

use serde::{Deserialize, de::IgnoredAny};
use toml::Spanned;

use super::{
    quota::QuotaTable,
    values::{Digest, Method, Time},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct Document {
    pub(super) fallback_plan: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) plans: BTreeMap<Spanned<String>, PlanTable>,
    #[serde(default)]
    pub(super) keys: BTreeMap<Spanned<String>, KeyTable>,
}

pub(super) type LimitList = Spanned<Vec<QuotaTable>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct PlanTable {
    pub(super) limits: LimitList,
    /// Other limits for some methods or route classes.
    #[serde(default)]
    pub(super) special: Vec<Spanned<SpecialTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct SpecialTable {
    pub(super) class: Option<String>,
    pub(super) method: Option<Method>,
    pub(super) limits: LimitList,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table")]
pub(super) struct KeyTable {
    pub(super) digest: Spanned<Digest>,
    pub(super) pepper: Option<u32>,
    pub(super) account: String,
    pub(super) subject: Option<String>,
    #[serde(default)]
    pub(super) organizations: Vec<String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) roles: Vec<String>,
    pub(super) plan: Option<Spanned<String>>,
    pub(super) limits: Option<LimitList>,
    pub(super) first_id: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) networks: Option<Spanned<Vec<String>>>,
    pub(super) origins: Option<Spanned<Vec<String>>>,
    pub(super) not_before: Option<Time>,
    pub(super) expires_at: Option<Time>,
    pub(super) active: Option<bool>,
    #[serde(default)]
    pub(super) paused: bool,
    #[serde(default)]
    pub(super) revoked: bool,
    #[serde(default)]
    pub(super) account_suspended: bool,
    #[serde(default)]
    pub(super) organization_suspended: bool,
    /// For the people who read the file.
    #[serde(rename = "name")]
    _name: Option<IgnoredAny>,
    #[serde(rename = "metadata")]
    _metadata: Option<IgnoredAny>,
}
